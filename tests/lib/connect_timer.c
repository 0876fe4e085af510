/* SPDX-License-Identifier: MIT */
/*
 * connect_timer.c - connects once or many times, and tells errno and time of each.
 *
 *   connect_timer [--how tcp|fastopen|mapped|uring] [--count N] [--wait] ADDRESS PORT
 *
 * One line for each connection: errno, microseconds, local port, and CLOCK_MONOTONIC in ns when
 * connect() returned, which a test compares with the time it sent the verdict. The first line is
 * "ready PID". --wait connects only after a line on stdin, and again for each further one.
 *
 * A refused connection is a result, not a failure: the exit code tells only of wrong use.
 */
#include "net_address.h"

#include "uring_connect.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum how { HOW_TCP, HOW_FASTOPEN, HOW_MAPPED, HOW_URING };

struct plan {
    enum how how;
    unsigned long count;
    bool wait;
    struct net_address address;
};

static bool how_parse(const char *text, enum how *how)
{
    static const char *const names[] = {"tcp", "fastopen", "mapped", "uring"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *how = (enum how)i;
            return true;
        }
    }
    return false;
}

/* ::ffff:a.b.c.d for an IPv4 address. */
static void address_map(struct net_address *address)
{
    struct sockaddr_in v4 = address->at.v4;
    memset(address, 0, sizeof(*address));
    address->at.v6.sin6_family = AF_INET6;
    address->at.v6.sin6_port = v4.sin_port;
    memset(&address->at.v6.sin6_addr.s6_addr[10], 0xFF, 2);
    memcpy(&address->at.v6.sin6_addr.s6_addr[12], &v4.sin_addr, 4);
    address->size = sizeof(address->at.v6);
}

/* 0 or the errno the application sees. */
static int connect_once(const struct plan *plan, int fd)
{
    ssize_t sent;
    switch (plan->how) {
    case HOW_FASTOPEN:
        sent = sendto(fd, "hello", 5, MSG_FASTOPEN, &plan->address.at.any, plan->address.size);
        return sent < 0 ? errno : 0;
    case HOW_URING:
        return uring_connect(fd, &plan->address.at.any, plan->address.size);
    case HOW_TCP:
    case HOW_MAPPED:
        break;
    }
    return connect(fd, &plan->address.at.any, plan->address.size) == 0 ? 0 : errno;
}

static bool connect_and_tell(const struct plan *plan)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = socket(plan->address.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t start, end;
    int error;

    if (fd < 0) {
        perror("connect_timer: socket");
        return false;
    }
    start = monotonic_ns();
    error = connect_once(plan, fd);
    end = monotonic_ns();
    printf("%d %.1f %u %llu\n", error, (double)(end - start) / 1000.0, net_local_port(fd), (unsigned long long)end);
    fflush(stdout);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    return true;
}

static bool plan_parse(int argc, char **argv, struct plan *plan)
{
    static const struct option options[] = {{"how", required_argument, NULL, 'h'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h' && how_parse(optarg, &plan->how))
            continue;
        if (option == 'c' && (plan->count = strtoul(optarg, NULL, 10)) > 0)
            continue;
        if (option != 'w')
            return false;
        plan->wait = true;
    }
    if (argc - optind != 2)
        return false;
    if (!net_address_parse(argv[optind], (uint16_t)strtoul(argv[optind + 1], NULL, 10), &plan->address))
        return false;
    if (plan->how == HOW_MAPPED)
        address_map(&plan->address);
    return true;
}

int main(int argc, char **argv)
{
    struct plan plan = {.how = HOW_TCP, .count = 1};
    char line[64];

    if (!plan_parse(argc, argv, &plan)) {
        fprintf(stderr, "usage: connect_timer [--how tcp|fastopen|mapped|uring] [--count N] [--wait] ADDRESS PORT\n");
        return 2;
    }
    if (plan.how == HOW_URING && !uring_connect_available()) {
        printf("unavailable %s\n", strerror(errno));
        return 0;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    for (unsigned long i = 0; i < plan.count; i++) {
        if (plan.wait && fgets(line, sizeof(line), stdin) == NULL)
            break;
        if (!connect_and_tell(&plan))
            return 1;
    }
    return 0;
}
