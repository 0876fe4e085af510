/* SPDX-License-Identifier: MIT */
/*
 * flow_bench.c - how fast one TCP flow is in several pairs of network namespaces, in turns of milliseconds.
 *
 *   flow_bench ADDRESS PORT ROUNDS SENDER READER CLIENT SERVER [CLIENT SERVER]...
 *
 * SENDER, READER: processors. CLIENT, SERVER: files such as /run/netns/NAME. A round makes one connection in each pair,
 * in an order that is drawn anew: WARM_NS that do not count, then SLICE_NS. A line of "PAIR BYTES NANOSECONDS" for
 * each; bytes as they were acknowledged.
 *
 * What is not the firewall's is the same for all pairs: one sender and one reader serve all of them, from the same
 * memory, on the same processors; buffers have one size, so that none depends on what was measured before; cubic,
 * because BBR sends as fast as it believes the path to be. On two processors neither of them ever sleeps: waking
 * a processor costs a virtual machine more than a segment does, and who wakes whom is luck.
 */
#include "tests/lib/net_address.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#define PAIRS_MAX   8
#define WARM_NS     8000000u
#define SLICE_NS    15000000u
#define BUFFER_SIZE 500000
#define CONGESTION  "cubic"

struct pair {
    int client, listener;
};

static char data[65536];

static int fail(const char *what)
{
    fprintf(stderr, "flow_bench: %s: %s\n", what, strerror(errno));
    return 1;
}

static int stay_on(unsigned long processor)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

/* A socket in that namespace, with buffers that stay as they are. */
static int open_socket(int namespace_fd, int family, int option)
{
    const int size = BUFFER_SIZE, yes = 1;
    int fd = setns(namespace_fd, CLONE_NEWNET) ? -1 : socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
                    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION, strlen(CONGESTION)) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_listener(const char *path, uint16_t port)
{
    struct net_address local;
    int server = open(path, O_RDONLY | O_CLOEXEC), fd;

    net_address_parse("::", port, &local);
    fd = server < 0 ? -1 : open_socket(server, AF_INET6, SO_RCVBUFFORCE);
    if (fd >= 0 && (bind(fd, &local.at.any, local.size) != 0 || listen(fd, 16) != 0)) {
        close(fd);
        fd = -1;
    }
    close(server);
    return fd;
}

/* Reads one connection of each pair whose number comes. */
static int serve(const struct pair *pairs, int numbers, bool awake)
{
    unsigned char number;
    ssize_t size;
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(numbers, &number, 1) == 1) {
        fd = accept4(pairs[number].listener, NULL, NULL, SOCK_CLOEXEC);
        do
            size = recv(fd, data, sizeof(data), awake ? MSG_DONTWAIT : 0);
        while (size > 0 || (size < 0 && errno == EAGAIN));
        close(fd);
    }
    return 0;
}

/* Sends until then; what was acknowledged at the end, and when that was. */
static int send_until(int fd, uint64_t until, bool awake, struct tcp_info *info, uint64_t *now)
{
    socklen_t size = sizeof(*info);

    do {
        if (send(fd, data, sizeof(data), MSG_NOSIGNAL | (awake ? MSG_DONTWAIT : 0)) < 0 && errno != EAGAIN)
            return fail("send");
    } while (monotonic_ns() < until);
    *now = monotonic_ns();
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 ? 0 : fail("TCP_INFO");
}

static int measure(const struct pair *pair, unsigned char number, const struct net_address *to, int numbers, bool awake)
{
    struct tcp_info before = {0}, after = {0};
    uint64_t start, end;
    int fd = open_socket(pair->client, to->at.any.sa_family, SO_SNDBUFFORCE), code;

    if (fd < 0)
        return fail("socket");
    if (write(numbers, &number, 1) != 1 || connect(fd, &to->at.any, to->size) != 0)
        return fail("connect");
    code = send_until(fd, monotonic_ns() + WARM_NS, awake, &before, &start);
    if (code == 0)
        code = send_until(fd, start + SLICE_NS, awake, &after, &end);
    close(fd);
    if (code == 0)
        printf("%u %llu %llu\n", number, (unsigned long long)(after.tcpi_bytes_acked - before.tcpi_bytes_acked),
               (unsigned long long)(end - start));
    return code;
}

static int take_turns(const struct pair *pairs, unsigned count, const struct net_address *to, unsigned long rounds,
                      int numbers, bool awake)
{
    unsigned char order[PAIRS_MAX];
    int code = 0;

    for (unsigned i = 0; i < count; i++)
        order[i] = (unsigned char)i;
    for (unsigned long round = 0; code == 0 && round < rounds; round++) {
        for (unsigned i = count; i > 1; i--) {
            unsigned other = (unsigned)rand() % i;
            unsigned char last = order[i - 1];
            order[i - 1] = order[other];
            order[other] = last;
        }
        for (unsigned i = 0; code == 0 && i < count; i++)
            code = measure(&pairs[order[i]], order[i], to, numbers, awake);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct pair pairs[PAIRS_MAX];
    struct net_address to;
    unsigned count = argc > 6 ? (unsigned)(argc - 6) / 2 : 0;
    int numbers[2], code;

    if (count == 0 || count > PAIRS_MAX || !net_address_parse(argv[1], (uint16_t)strtoul(argv[2], NULL, 10), &to)) {
        fprintf(stderr, "usage: flow_bench ADDRESS PORT ROUNDS SENDER READER CLIENT SERVER [CLIENT SERVER]...\n");
        return 2;
    }
    unsigned long rounds = strtoul(argv[3], NULL, 10), sender = strtoul(argv[4], NULL, 10);
    unsigned long reader = strtoul(argv[5], NULL, 10);
    for (unsigned i = 0; i < count; i++) {
        pairs[i].client = open(argv[6 + 2 * i], O_RDONLY | O_CLOEXEC);
        pairs[i].listener = open_listener(argv[7 + 2 * i], (uint16_t)strtoul(argv[2], NULL, 10));
        if (pairs[i].client < 0 || pairs[i].listener < 0)
            return fail(argv[6 + 2 * i]);
    }
    memset(data, 1, sizeof(data));
    if (pipe(numbers) != 0)
        return fail("pipe");
    pid_t child = fork();
    if (child == 0) {
        close(numbers[1]);
        _exit(stay_on(reader) != 0 ? fail("reader's processor") : serve(pairs, numbers[0], sender != reader));
    }
    code = child < 0 || stay_on(sender) != 0 ? fail("sender's processor")
                                             : take_turns(pairs, count, &to, rounds, numbers[1], sender != reader);
    if (child > 0 && kill(child, SIGKILL) == 0)
        waitpid(child, NULL, 0);
    return fflush(stdout) == 0 ? code : 1;
}
