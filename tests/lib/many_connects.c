/* SPDX-License-Identifier: MIT */
/*
 * many_connects.c - thousands of connections of one process under way at once.
 *
 *   many_connects COUNT distinct|identical ADDRESS PORT TIMEOUT-SECONDS
 *
 * distinct counts the address up by one for each; identical goes to the same address and port, so
 * that only the socket tells two apart. All are started without waiting, then
 * "started COUNT" is printed, then a line for each, in order, when all have ended or time is up:
 * index, errno (-1: still under way), milliseconds from its start, local port.
 * It then waits for the end of stdin with the sockets open.
 */
#include "net_address.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define STILL_UNDER_WAY (-1)
#define MOST_CONNECTS   60000u

struct attempt {
    int fd;
    int error;
    uint16_t local_port;
    uint64_t start, end;
};

static bool attempt_start(struct attempt *attempt, const struct net_address *address, int poll_fd, uint32_t index)
{
    struct epoll_event event = {.events = EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLONESHOT, .data.u32 = index};

    attempt->fd = socket(address->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return false;
    attempt->start = monotonic_ns();
    attempt->error = connect(attempt->fd, &address->at.any, address->size) == 0 ? 0 : errno;
    attempt->local_port = net_local_port(attempt->fd);
    if (attempt->error != EINPROGRESS) {
        attempt->end = monotonic_ns();
        return true;
    }
    attempt->error = STILL_UNDER_WAY;
    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, attempt->fd, &event) == 0;
}

static void attempt_end(struct attempt *attempt)
{
    socklen_t size = sizeof(attempt->error);
    attempt->end = monotonic_ns();
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &attempt->error, &size) != 0)
        attempt->error = errno;
}

static void attempts_wait(struct attempt *attempts, uint32_t waiting, int poll_fd, uint64_t until)
{
    struct epoll_event events[256];

    while (waiting > 0) {
        uint64_t now = monotonic_ns();
        if (now >= until)
            break;
        int ready = epoll_wait(poll_fd, events, 256, (int)((until - now) / 1000000u) + 1);
        for (int i = 0; i < ready; i++)
            attempt_end(&attempts[events[i].data.u32]);
        if (ready > 0)
            waiting -= (uint32_t)ready;
    }
}

static void attempts_tell(const struct attempt *attempts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t end = attempts[i].error == STILL_UNDER_WAY ? monotonic_ns() : attempts[i].end;
        printf("%u %d %.1f %u\n", i, attempts[i].error, (double)(end - attempts[i].start) / 1e6,
               attempts[i].local_port);
    }
    printf("end\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct net_address address;
    struct attempt *attempts = NULL;
    struct rlimit files;
    uint32_t count, waiting = 0;
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (argc != 6 || (count = (uint32_t)strtoul(argv[1], NULL, 10)) == 0 || count > MOST_CONNECTS ||
        !net_address_parse(argv[3], (uint16_t)strtoul(argv[4], NULL, 10), &address)) {
        fprintf(stderr, "usage: many_connects COUNT distinct|identical ADDRESS PORT TIMEOUT-SECONDS\n");
        return 2;
    }
    files.rlim_cur = files.rlim_max = count + 64;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || (attempts = calloc(count, sizeof(*attempts))) == NULL) {
        perror("many_connects");
        return 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!attempt_start(&attempts[i], &address, poll_fd, i)) {
            perror("many_connects: start");
            free(attempts);
            return 1;
        }
        waiting += attempts[i].error == STILL_UNDER_WAY;
        if (strcmp(argv[2], "distinct") == 0)
            net_address_advance(&address, 1);
    }
    printf("started %u\n", count);
    fflush(stdout);
    attempts_wait(attempts, waiting, poll_fd, monotonic_ns() + strtoul(argv[5], NULL, 10) * 1000000000u);
    attempts_tell(attempts, count);
    while (getchar() != EOF)
        ;
    free(attempts);
    return 0;
}
