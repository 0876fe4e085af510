/* SPDX-License-Identifier: MIT */
/*
 * transport_unix.c - the device as a SOCK_SEQPACKET Unix socket (include/gatehouse/transport.h).
 *
 * Frames calls and unframes answers. Two calls go out in one sendmmsg, so that the driver has the
 * decisions before it sees the next read; a wait without a deadline is one blocking recv, because
 * a poll before it would be a third system call on the path that connect() waits for.
 */
#define _GNU_SOURCE
#include "agent/transport_unix.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <gatehouse/transport.h>

#include "agent/stop_unix.h"

#define APART_MAX       4u
#define APART_PAUSE_MAX 4096u

#define SEND_PIECE 512u

struct transport {
    int socket;
    unsigned apart; /* answers in a row from another processor than ours */
    unsigned limit; /* this many, and we move there; grows with each move and falls when one lasted */
};

const char *transport_default_path(void)
{
    return GATEHOUSE_SOCKET_PATH;
}

static enum agent_result explain_connect(int error, const char *path, struct problem *problem)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
        return problem_set(
            problem, AGENT_UNREACHABLE,
            "no gatehoused answers at %s: start it with 'sudo gatehoused', or name its socket with --socket.", path);
    case EACCES:
    case EPERM:
        return problem_set(problem, AGENT_REFUSED,
                           "you may not open %s: run as root, or as a member of the group 'gatehouse'.", path);
    case EPROTOTYPE:
    case ENOTSOCK:
        return problem_set(problem, AGENT_UNREACHABLE,
                           "%s is not gatehoused's socket: name the right one with --socket.", path);
    case EAGAIN:
        return problem_set(problem, AGENT_UNREACHABLE,
                           "gatehoused at %s takes no new clients for %d seconds: look at its log, or start it again.",
                           path, TRANSPORT_DEADLINE_MS / 1000);
    default:
        return problem_set(problem, AGENT_UNREACHABLE, "cannot connect to gatehoused at %s: %s.", path,
                           strerror(error));
    }
}

enum agent_result transport_open(struct transport **transport, const char *path, struct problem *problem)
{
    struct timeval limit = {.tv_sec = TRANSPORT_DEADLINE_MS / 1000};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    enum agent_result result = AGENT_FAILED;
    struct transport *opened = NULL;
    int descriptor = -1;

    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
        return problem_set(problem, AGENT_USAGE, "a socket's path has 1 to %zu bytes: give --socket a shorter one.",
                           sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path));
    opened = calloc(1, sizeof(*opened));
    descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (opened == NULL || descriptor < 0) {
        problem_set(problem, AGENT_FAILED, "cannot make a socket: %s.", strerror(errno));
        goto out;
    }
    /* Bounds connect() while the backlog is full, and every send. */
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
        problem_set(problem, AGENT_FAILED, "cannot set up a socket: %s.", strerror(errno));
        goto out;
    }
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        result = explain_connect(errno, path, problem);
        goto out;
    }
    opened->socket = descriptor;
    opened->limit = APART_MAX;
    *transport = opened;
    return AGENT_OK;
out:
    free(opened);
    if (descriptor >= 0)
        close(descriptor);
    return result;
}

void transport_close(struct transport *transport)
{
    if (transport == NULL)
        return;
    close(transport->socket);
    free(transport);
}

int transport_descriptor(const struct transport *transport)
{
    return transport->socket;
}

void transport_interrupt(struct transport *transport)
{
    int error = errno;

    shutdown(transport->socket, SHUT_RDWR);
    errno = error;
}

static enum agent_result lost(struct problem *problem)
{
    return problem_set(problem, AGENT_LOST, "the connection to gatehoused ended.");
}

/* In one piece: to copy a short call here costs less than to have the kernel gather it. -1: too long, or errno. */
static ssize_t send_one(int descriptor, const struct gatehouse_call *header, const struct transport_call *call)
{
    uint8_t piece[SEND_PIECE];
    size_t size = sizeof(*header) + call->input_size;

    if (size > sizeof(piece))
        return -1;
    memcpy(piece, header, sizeof(*header));
    if (call->input_size != 0)
        memcpy(piece + sizeof(*header), call->input, call->input_size);
    return send(descriptor, piece, size, MSG_NOSIGNAL);
}

enum agent_result transport_send(struct transport *transport, const struct transport_call *calls, unsigned count,
                                 struct problem *problem)
{
    struct gatehouse_call headers[TRANSPORT_SEND_MAX];
    struct iovec parts[TRANSPORT_SEND_MAX][2];
    struct mmsghdr messages[TRANSPORT_SEND_MAX];
    unsigned sent = 0;

    if (count > TRANSPORT_SEND_MAX)
        return problem_set(problem, AGENT_FAILED, "too many calls at once.");
    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < count; i++) {
        headers[i] = (struct gatehouse_call){calls[i].code, calls[i].tag, calls[i].output_size, 0};
        parts[i][0] = (struct iovec){&headers[i], sizeof(headers[i])};
        parts[i][1] = (struct iovec){(void *)(uintptr_t)calls[i].input, calls[i].input_size};
        messages[i].msg_hdr.msg_iov = parts[i];
        messages[i].msg_hdr.msg_iovlen = calls[i].input_size == 0 ? 1 : 2;
    }
    if (count == 1 && send_one(transport->socket, &headers[0], &calls[0]) >= 0)
        return AGENT_OK;
    while (sent < count) {
        int done = sendmmsg(transport->socket, messages + sent, count - sent, MSG_NOSIGNAL);

        if (done > 0)
            sent += (unsigned)done;
        else if (errno == EAGAIN)
            return problem_set(problem, AGENT_LOST, "gatehoused takes no calls for %d seconds: look at its log.",
                               TRANSPORT_DEADLINE_MS / 1000);
        else if (errno != EINTR)
            return lost(problem);
    }
    return AGENT_OK;
}

/* One message, or the errno; 0 is the end of file. A reset is told once; what the peer sent before it still waits. */
static ssize_t receive_once(int descriptor, void *buffer, size_t capacity, int flags)
{
    ssize_t got = recv(descriptor, buffer, capacity, flags | MSG_TRUNC);

    if (got < 0 && errno == ECONNRESET)
        got = recv(descriptor, buffer, capacity, MSG_TRUNC | MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

/* False after the time, and after a stop. A signal that stops nothing starts the time anew. */
static bool wait_readable(int descriptor, int timeout_ms)
{
    struct pollfd list[2] = {{.fd = descriptor, .events = POLLIN}, {.fd = stop_descriptor(), .events = POLLIN}};
    int ready;

    do {
        ready = poll(list, 2, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && list[0].revents != 0;
}

/*
 * Waking a program on a processor that sleeps can cost more than all the rest of a held connect(), and the scheduler
 * leaves a program on the sleeping processor where it ran last. gatehoused waits for our answer anyway, so we go where
 * it runs: by allowing ourselves that processor only, for a moment. Afterwards the scheduler is as free as before.
 */
static void stay_near(struct transport *transport, uint32_t processor)
{
    cpu_set_t before, there;
    int here = sched_getcpu();

    if (processor == 0 || here < 0 || processor > CPU_SETSIZE || processor - 1 == (uint32_t)here) {
        if (transport->apart == 0 && transport->limit > APART_MAX)
            transport->limit--;
        transport->apart = 0;
        return;
    }
    if (++transport->apart < transport->limit)
        return;
    transport->apart = 0;
    transport->limit = transport->limit * 2 > APART_PAUSE_MAX ? APART_PAUSE_MAX : transport->limit * 2;
    if (sched_getaffinity(0, sizeof(before), &before) != 0 || !CPU_ISSET(processor - 1, &before))
        return;
    CPU_ZERO(&there);
    CPU_SET(processor - 1, &there);
    if (sched_setaffinity(0, sizeof(there), &there) == 0)
        sched_setaffinity(0, sizeof(before), &before);
}

static enum agent_result unframe(struct transport *transport, const uint8_t *buffer, size_t capacity, size_t got,
                                 struct transport_answer *answer, struct problem *problem)
{
    struct gatehouse_answer header;

    if (got < sizeof(header) || got > capacity)
        return problem_set(problem, AGENT_LOST, "gatehoused sent a message of a wrong size.");
    memcpy(&header, buffer, sizeof(header));
    if (header.information != got - sizeof(header))
        return problem_set(problem, AGENT_LOST, "gatehoused sent a message whose size does not fit.");
    stay_near(transport, header.processor);
    *answer = (struct transport_answer){header.tag, header.status, buffer + sizeof(header), header.information};
    return AGENT_OK;
}

enum agent_result transport_receive(struct transport *transport, void *buffer, size_t capacity, int timeout_ms,
                                    struct transport_answer *answer, struct problem *problem)
{
    int flags = timeout_ms < 0 ? 0 : MSG_DONTWAIT;
    ssize_t got = receive_once(transport->socket, buffer, capacity, flags);

    if (got == -EAGAIN && timeout_ms > 0 && wait_readable(transport->socket, timeout_ms))
        got = receive_once(transport->socket, buffer, capacity, flags);
    if (got > 0)
        return unframe(transport, buffer, capacity, (size_t)got, answer, problem);
    if (got == -EAGAIN || got == -EINTR)
        return AGENT_TIMEOUT;
    return lost(problem);
}
