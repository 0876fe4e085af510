/* SPDX-License-Identifier: MIT */
/*
 * turns_bench.c - the same in several network namespaces, by one process, in turns of milliseconds: so whatever else
 * the machine does meanwhile falls on all of them alike.
 *
 *   turns_bench tcp|refused ADDRESS PORT ROUNDS NAMESPACE...
 *
 * BLOCK connects in each namespace; a line of "NAMESPACE NANOSECONDS..." for each. A round goes through the namespaces
 * (numbered from 0) and, if it is an odd one, from the last. NAMESPACE is a file such as /run/netns/NAME.
 */
#include "tests/lib/net_address.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define NAMESPACES_MAX 8
#define BLOCK          50

static int fail(const char *what)
{
    fprintf(stderr, "turns_bench: %s: %s\n", what, strerror(errno));
    return 1;
}

static int open_socket(int namespace_fd, const struct net_address *to)
{
    if (setns(namespace_fd, CLONE_NEWNET) != 0)
        return -1;
    return socket(to->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int connect_block(int namespace_fd, unsigned number, const struct net_address *to, int expected)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    printf("%u", number);
    for (unsigned i = 0; i < BLOCK; i++) {
        int fd = open_socket(namespace_fd, to);
        if (fd < 0)
            return fail("socket");
        uint64_t start = monotonic_ns();
        errno = 0;
        (void)!connect(fd, &to->at.any, to->size);
        uint64_t took = monotonic_ns() - start;
        if (errno != expected)
            return fail("connect");
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        printf(" %llu", (unsigned long long)took);
    }
    printf("\n");
    return 0;
}

int main(int argc, char **argv)
{
    struct net_address to;
    unsigned long rounds;
    unsigned count = argc > 5 ? (unsigned)argc - 5 : 0;
    int namespaces[NAMESPACES_MAX], code = 0;

    if (count == 0 || count > NAMESPACES_MAX ||
        !net_address_parse(argv[2], (uint16_t)strtoul(argv[3], NULL, 10), &to) ||
        (rounds = strtoul(argv[4], NULL, 10)) == 0) {
        fprintf(stderr, "usage: turns_bench tcp|refused ADDRESS PORT ROUNDS NAMESPACE...\n");
        return 2;
    }
    for (unsigned i = 0; i < count; i++) {
        namespaces[i] = open(argv[5 + i], O_RDONLY | O_CLOEXEC);
        if (namespaces[i] < 0)
            return fail(argv[5 + i]);
    }
    for (unsigned long round = 0; code == 0 && round < rounds; round++) {
        for (unsigned i = 0; code == 0 && i < count; i++) {
            unsigned number = round % 2 ? count - 1 - i : i;
            code = connect_block(namespaces[number], number, &to, strcmp(argv[1], "refused") == 0 ? ECONNREFUSED : 0);
        }
    }
    return fflush(stdout) == 0 ? code : 1;
}
