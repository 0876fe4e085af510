/* SPDX-License-Identifier: MIT */
/*
 * gate_command.c - runs iptables and its like, and collects what it says.
 *
 * A confined gatehoused cannot start programs: then its aide does it (gate_aide.c).
 */
#include "gate_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEARCH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TEXT_MAX (1024 * 1024)

struct child {
    pid_t pid;
    int input, output;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int start(struct child *child, char *const arguments[])
{
    int input[2], output[2];

    if (pipe2(input, O_CLOEXEC))
        return -errno;
    if (pipe2(output, O_CLOEXEC)) {
        close(input[0]);
        close(input[1]);
        return -ENFILE;
    }
    child->pid = fork();
    if (child->pid == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        dup2(input[0], 0);
        dup2(output[1], 1);
        dup2(output[1], 2);
        setenv("PATH", SEARCH, 1);
        setenv("LC_ALL", "C", 1);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    child->input = input[1];
    child->output = output[0];
    return child->pid < 0 ? -EAGAIN : 0;
}

/* Reads once, into text or, past its bound, into nothing. False at the end. */
static bool read_some(int fd, char **text, size_t *used)
{
    char piece[4096], *more;
    ssize_t got = read(fd, piece, sizeof(piece));

    if (got <= 0)
        return false;
    if (*used + (size_t)got >= TEXT_MAX)
        return true;
    more = realloc(*text, *used + (size_t)got + 1);
    if (!more)
        return false;
    memcpy(more + *used, piece, (size_t)got);
    *used += (size_t)got;
    more[*used] = 0;
    *text = more;
    return true;
}

/* Collects what the child says until it is done or out of time. Returns its exit code, or -errno. */
static int collect(struct child *child, char **text)
{
    int64_t end = now_ms() + GATE_COMMAND_MS;
    size_t used = 0;
    int status = 0, result = 0;

    for (;;) {
        struct pollfd ready = {.fd = child->output, .events = POLLIN};
        int64_t left = end - now_ms();

        if (left <= 0 || poll(&ready, 1, (int)left) == 0) {
            kill(child->pid, SIGKILL);
            result = -ETIMEDOUT;
            break;
        }
        if (!read_some(child->output, text, &used))
            break;
    }
    close(child->output);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (result)
        return result;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int gate_command_run_here(char *const arguments[], const char *input, char **text)
{
    struct child child = {.pid = -1, .input = -1, .output = -1};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    int code = start(&child, arguments);

    *text = NULL;
    if (code)
        return code;
    sigaction(SIGPIPE, &ignore, &before);
    if (input) {
        ssize_t written = write(child.input, input, strlen(input));
        (void)written; /* a child that died early says why in its words, collected below */
    }
    close(child.input);
    code = collect(&child, text);
    sigaction(SIGPIPE, &before, NULL);
    return code;
}

int gate_command_run(char *const arguments[], const char *input, char **text)
{
    return gate_aide_is_there() ? gate_aide_run(arguments, input, text) : gate_command_run_here(arguments, input, text);
}
