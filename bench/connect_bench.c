/* SPDX-License-Identifier: MIT */
/*
 * connect_bench.c - how long connect() and send() take, one sample a line in nanoseconds.
 *
 *   connect_bench tcp ADDRESS PORT COUNT    connect, then reset: COUNT connections one after another
 *   connect_bench refused ADDRESS PORT COUNT    the same to a peer that has nobody there: it resets
 *   connect_bench udp ADDRESS PORT COUNT    one flow: sends until an echo comes, then COUNT timed sends
 *   connect_bench listen PORT               takes in what arrives, both kinds; "ready PID" first
 *
 * The reset (SO_LINGER 0) leaves no TIME_WAIT behind, so COUNT is not bounded by ports. The listener
 * drains its queue now and then instead of at each arrival: its wake-ups would be measured too.
 */
#define _GNU_SOURCE /* accept4 */

#include "tests/lib/net_address.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define DRAIN_MICROSECONDS 2000
#define ECHO_TRIES         50
#define COUNT_MOST         1000000u

static int samples_tell(const uint64_t *samples, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++)
        printf("%llu\n", (unsigned long long)samples[i]);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int bench_tcp(const struct net_address *to, uint64_t *samples, unsigned long count, int expected)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    for (unsigned long i = 0; i < count; i++) {
        int fd = socket(to->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint64_t start = monotonic_ns();
        int error = connect(fd, &to->at.any, to->size) == 0 ? 0 : errno;
        samples[i] = monotonic_ns() - start;
        if (error != expected) {
            fprintf(stderr, "connect_bench: connect: %s\n", strerror(error));
            return 1;
        }
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    return samples_tell(samples, count);
}

/* Sends until the echo shows that the flow is permitted. */
static int flow_establish(int fd)
{
    char data[64];
    struct pollfd echo = {.fd = fd, .events = POLLIN};

    for (int i = 0; i < ECHO_TRIES; i++) {
        if (send(fd, "hello", 5, 0) == 5 && poll(&echo, 1, 100) == 1 && recv(fd, data, sizeof(data), 0) > 0)
            return 0;
    }
    fprintf(stderr, "connect_bench: no echo came\n");
    return 1;
}

static int bench_udp(const struct net_address *to, uint64_t *samples, unsigned long count)
{
    int fd = socket(to->at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (connect(fd, &to->at.any, to->size) != 0 || flow_establish(fd) != 0) {
        perror("connect_bench: udp");
        return 1;
    }
    for (unsigned long i = 0; i < count; i++) {
        uint64_t start = monotonic_ns();
        if (send(fd, "x", 1, 0) != 1) {
            perror("connect_bench: send");
            return 1;
        }
        samples[i] = monotonic_ns() - start;
    }
    close(fd);
    return samples_tell(samples, count);
}

static void drain(int stream, int datagrams)
{
    char data[64];
    struct net_address from;
    ssize_t size;
    int fd;

    while ((fd = accept4(stream, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED) {
        if (fd >= 0)
            close(fd);
    }
    do {
        from.size = sizeof(from.at);
        size = recvfrom(datagrams, data, sizeof(data), MSG_DONTWAIT, &from.at.any, &from.size);
        if (size == 5)
            (void)!sendto(datagrams, data, 5, 0, &from.at.any, from.size);
    } while (size >= 0);
}

static int bench_listen(uint16_t port)
{
    const int yes = 1;
    struct net_address local;
    int stream = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int datagrams = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    net_address_parse("::", port, &local);
    setsockopt(stream, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(stream, &local.at.any, local.size) != 0 || listen(stream, 65535) != 0 ||
        bind(datagrams, &local.at.any, local.size) != 0) {
        perror("connect_bench: listen");
        return 1;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    for (;;) {
        drain(stream, datagrams);
        usleep(DRAIN_MICROSECONDS);
    }
}

int main(int argc, char **argv)
{
    struct net_address to;
    unsigned long count;
    uint64_t *samples = NULL;

    if (argc == 3 && strcmp(argv[1], "listen") == 0)
        return bench_listen((uint16_t)strtoul(argv[2], NULL, 10));
    if (argc != 5 || !net_address_parse(argv[2], (uint16_t)strtoul(argv[3], NULL, 10), &to) ||
        (count = strtoul(argv[4], NULL, 10)) == 0 || count > COUNT_MOST ||
        (samples = calloc(count, sizeof(*samples))) == NULL) {
        fprintf(stderr, "usage: connect_bench tcp|refused|udp ADDRESS PORT COUNT, or connect_bench listen PORT\n");
        return 2;
    }
    int result = strcmp(argv[1], "udp") == 0
                     ? bench_udp(&to, samples, count)
                     : bench_tcp(&to, samples, count, strcmp(argv[1], "refused") == 0 ? ECONNREFUSED : 0);
    free(samples);
    return result;
}
