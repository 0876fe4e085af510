/* SPDX-License-Identifier: MIT */
/*
 * gate_aide.c - the child that keeps the rights gatehoused gives up: it starts iptables, and mounts.
 *
 * gatehoused reads what strangers send (packets, calls, rule files, driver files); its aide reads only gatehoused. Both
 * talk over a pair of sockets, one request at a time: a head, the words of the command with their NULs, the input; then
 * a head and the command's words. It runs the commands of the packet filter and no others, mounts and unmounts
 * bpffs, and calls systemd-resolved on a socket that is another user's. When gatehoused ends, however that happens, it
 * reads the end of the socket and ends too; a signal to both (Ctrl-C) is gatehoused's to act on, which may need the
 * aide to take the rules out.
 */
#include "gate_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 16u
#define WORDS_MAX     1024u
#define INPUT_MAX     (64u * 1024u)
#define TEXT_MAX      (1024u * 1024u)
/* A command's own limit and some: an aide that takes longer is lost. */
#define PATIENCE_MS (GATE_COMMAND_MS + 5000)

enum request_kind { REQUEST_RUN = 1, REQUEST_MOUNT = 2, REQUEST_UNMOUNT = 3, REQUEST_DIAL = 4 };

struct request {
    uint32_t kind;
    uint32_t words_size; /* RUN: the command's words, each with its NUL; MOUNT, UNMOUNT: a struct gate_host */
    uint32_t input_size; /* UINT32_MAX: none */
};
struct answer {
    int32_t code;       /* DIAL, 0: a byte follows that carries the descriptor */
    uint32_t text_size; /* UINT32_MAX: none */
};
#define NOTHING UINT32_MAX

static struct {
    int socket;
    pid_t pid;
} aide = {.socket = -1};

static const char *const commands[] = {"iptables", "ip6tables", "iptables-restore", "ip6tables-restore"};

/* --- Both sides -------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* deadline 0: waits as long as the other side lives. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = events};
        int64_t left = deadline ? deadline - now_ms() : -1;
        int got = left < 0 && deadline ? 0 : poll(&ready, 1, (int)left);

        if (got > 0)
            return true;
        if (got == 0 || errno != EINTR)
            return false;
    }
}

static bool read_all(int fd, void *bytes, size_t size, int64_t deadline)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = wait_for(fd, POLLIN, deadline) ? recv(fd, (char *)bytes + done, size - done, MSG_DONTWAIT) : 0;

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t size, int64_t deadline)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = wait_for(fd, POLLOUT, deadline)
                          ? send(fd, (const char *)bytes + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL)
                          : 0;

        if (put < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

/* --- The aide ---------------------------------------------------------------------------------- */

static bool is_known(const char *command)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(command, commands[i]))
            return true;
    return false;
}

/* words is NUL-terminated as a whole. */
static int run_words(char *words, size_t size, const char *input, char **text)
{
    char *arguments[ARGUMENTS_MAX + 1] = {NULL};
    size_t count = 0;

    for (size_t at = 0; at < size; at += strlen(words + at) + 1) {
        if (count == ARGUMENTS_MAX)
            return -E2BIG;
        arguments[count++] = words + at;
    }
    if (count == 0 || !is_known(arguments[0]))
        return -EPERM;
    return gate_command_run_here(arguments, input, text);
}

static int mount_words(const char *words, size_t size, bool mount_it)
{
    struct gate_host host;

    if (size != sizeof(host))
        return -EINVAL;
    memcpy(&host, words, sizeof(host));
    host.space[sizeof(host.space) - 1] = 0;
    return gate_mount_here(&host, mount_it);
}

int gate_dial_here(void)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = GATE_RESOLVED_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code;

    if (fd < 0 || !connect(fd, (const struct sockaddr *)&address, sizeof(address)))
        return fd < 0 ? -errno : fd;
    code = -errno;
    close(fd);
    return code;
}

union carrier {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

/* Closes fd. */
static bool send_descriptor(int to, int fd)
{
    union carrier carrier = {{0}};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &carrier, .msg_controllen = sizeof(carrier)};
    bool sent;

    carrier.head.cmsg_len = CMSG_LEN(sizeof(fd));
    carrier.head.cmsg_level = SOL_SOCKET;
    carrier.head.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&carrier.head), &fd, sizeof(fd));
    sent = sendmsg(to, &message, MSG_NOSIGNAL) == 1;
    close(fd);
    return sent;
}

static bool serve_dial(int fd)
{
    int dialled = gate_dial_here();
    struct answer answer = {.code = dialled < 0 ? dialled : 0, .text_size = NOTHING};

    if (!write_all(fd, &answer, sizeof(answer), 0)) {
        if (dialled >= 0)
            close(dialled);
        return false;
    }
    return dialled < 0 || send_descriptor(fd, dialled);
}

/* False: gatehoused is gone, or says what it never says. */
static bool serve_one(int fd)
{
    static char words[WORDS_MAX + 1], input[INPUT_MAX + 1];
    struct request request;
    struct answer answer = {.text_size = NOTHING};
    char *text = NULL;
    bool with_input, sent;

    if (!read_all(fd, &request, sizeof(request), 0))
        return false;
    with_input = request.input_size != NOTHING;
    if (request.words_size > WORDS_MAX || (with_input && request.input_size > INPUT_MAX) ||
        !read_all(fd, words, request.words_size, 0) || (with_input && !read_all(fd, input, request.input_size, 0)))
        return false;
    words[request.words_size] = 0;
    input[with_input ? request.input_size : 0] = 0;
    if (request.kind == REQUEST_DIAL)
        return serve_dial(fd);
    if (request.kind == REQUEST_RUN)
        answer.code = run_words(words, request.words_size, with_input ? input : NULL, &text);
    else if (request.kind == REQUEST_MOUNT || request.kind == REQUEST_UNMOUNT)
        answer.code = mount_words(words, request.words_size, request.kind == REQUEST_MOUNT);
    else
        answer.code = -ENOSYS;
    if (text)
        answer.text_size = (uint32_t)strlen(text);
    sent = write_all(fd, &answer, sizeof(answer), 0) && (!text || write_all(fd, text, answer.text_size, 0));
    free(text);
    return sent;
}

static void close_others(int kept)
{
    if (kept > 3)
        syscall(SYS_close_range, 3u, (unsigned)kept - 1, 0u);
    syscall(SYS_close_range, (unsigned)kept + 1, ~0u, 0u);
}

static void be_aide(int fd, void (*first)(void))
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    close_others(fd);
    prctl(PR_SET_NAME, "gatehoused-aide");
    first();
    while (serve_one(fd))
        ;
    _exit(0);
}

/* --- gatehoused -------------------------------------------------------------------------------- */

int gate_aide_start(void (*first)(void), char *error, size_t error_size)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        snprintf(error, error_size, "cannot make a socket to its aide: %s.", strerror(errno));
        return -errno;
    }
    aide.pid = fork();
    if (aide.pid == 0)
        be_aide(pair[1], first);
    close(pair[1]);
    if (aide.pid < 0) {
        snprintf(error, error_size, "cannot start its aide: %s.", strerror(errno));
        close(pair[0]);
        return -EAGAIN;
    }
    aide.socket = pair[0];
    return 0;
}

void gate_aide_stop(void)
{
    if (aide.socket < 0)
        return;
    close(aide.socket);
    aide.socket = -1;
    while (waitpid(aide.pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

bool gate_aide_is_there(void)
{
    return aide.socket >= 0;
}

/* The stream has lost its step, or its other end: it serves nobody any more. */
static int lose(void)
{
    shutdown(aide.socket, SHUT_RDWR);
    return -EPIPE;
}

static int ask(const struct request *request, const void *words, const char *input, char **text)
{
    int64_t deadline = now_ms() + PATIENCE_MS;
    struct answer answer;

    *text = NULL;
    if (!write_all(aide.socket, request, sizeof(*request), deadline) ||
        !write_all(aide.socket, words, request->words_size, deadline) ||
        (input && !write_all(aide.socket, input, request->input_size, deadline)) ||
        !read_all(aide.socket, &answer, sizeof(answer), deadline))
        return lose();
    if (answer.text_size == NOTHING)
        return answer.code;
    if (answer.text_size > TEXT_MAX)
        return lose();
    *text = malloc((size_t)answer.text_size + 1);
    if (!*text)
        return lose();
    if (!read_all(aide.socket, *text, answer.text_size, deadline))
        return lose();
    (*text)[answer.text_size] = 0;
    return answer.code;
}

int gate_aide_run(char *const arguments[], const char *input, char **text)
{
    struct request request = {.kind = REQUEST_RUN, .input_size = input ? (uint32_t)strlen(input) : NOTHING};
    char words[WORDS_MAX];

    *text = NULL;
    for (size_t i = 0; arguments[i]; i++) {
        size_t size = strlen(arguments[i]) + 1;

        if (request.words_size + size > sizeof(words))
            return -E2BIG;
        memcpy(words + request.words_size, arguments[i], size);
        request.words_size += (uint32_t)size;
    }
    return ask(&request, words, input, text);
}

int gate_aide_mount(const struct gate_host *host, bool mount_it)
{
    struct request request = {
        .kind = mount_it ? REQUEST_MOUNT : REQUEST_UNMOUNT, .words_size = sizeof(*host), .input_size = NOTHING};
    char *text;
    int code = ask(&request, host, NULL, &text);

    free(text);
    return code;
}

/* Its byte comes right behind the answer. */
static int receive_descriptor(void)
{
    union carrier carrier = {{0}};
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &carrier, .msg_controllen = sizeof(carrier)};
    int fd;

    if (!wait_for(aide.socket, POLLIN, now_ms() + PATIENCE_MS) ||
        recvmsg(aide.socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1 ||
        message.msg_controllen < sizeof(carrier.head) || carrier.head.cmsg_type != SCM_RIGHTS)
        return lose();
    memcpy(&fd, CMSG_DATA(&carrier.head), sizeof(fd));
    return fd;
}

int gate_dial_resolved(void)
{
    struct request request = {.kind = REQUEST_DIAL, .input_size = NOTHING};
    char *text;
    int code;

    if (!gate_aide_is_there())
        return gate_dial_here();
    code = ask(&request, "", NULL, &text);
    free(text);
    return code ? code : receive_descriptor();
}
