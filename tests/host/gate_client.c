/* SPDX-License-Identifier: MIT */
/*
 * gate_client - the connections that a script cannot make, and those whose time counts.
 *
 * Usage: gate_client connect ADDRESS PORT COUNT          COUNT TCP connects one after the other: one JSON line of times
 *        gate_client ring inline|async|sqpoll ADDRESS PORT     one TCP connect through io_uring
 *        gate_client datagrams ADDRESS PORT COUNT        sendto COUNT times on one socket: mean time of each
 *        gate_client sockets COUNT                       opens and connects UDP sockets: mean time of connect()
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_LIBURING
#include <liburing.h>
#endif

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
};

static struct address parse(const char *text, const char *port)
{
    struct address address = {.size = sizeof(address.v4)};

    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons((uint16_t)atoi(port));
        return address;
    }
    memset(&address, 0, sizeof(address));
    address.size = sizeof(address.v6);
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1)
        exit(2);
    return address;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return a < b ? -1 : a > b;
}

static int connects(struct address address, int count)
{
    int64_t *times = calloc((size_t)count, sizeof(*times));
    struct linger abort_it = {.l_onoff = 1};
    int failed = 0, code = 0;

    for (int i = 0; times && i < count; i++) {
        int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int64_t start = now_ns();

        if (connect(fd, &address.any, address.size)) {
            failed++;
            code = errno;
        }
        times[i] = now_ns() - start;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
        close(fd);
    }
    if (!times)
        return 1;
    qsort(times, (size_t)count, sizeof(*times), compare);
    printf("{\"count\":%d,\"failed\":%d,\"errno\":%d,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", count, failed,
           code, (double)times[count / 2] / 1000, (double)times[(long)count * 99 / 100] / 1000,
           (double)times[count - 1] / 1000);
    free(times);
    return 0;
}

static int datagrams(struct address address, int count)
{
    int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int64_t start = now_ns();

    for (int i = 0; i < count; i++)
        sendto(fd, "x", 1, 0, &address.any, address.size);
    printf("{\"mean_ns\":%.1f}\n", (double)(now_ns() - start) / count);
    close(fd);
    return 0;
}

static int sockets(int count)
{
    struct address address = parse("127.0.0.1", "9");
    int64_t total = 0;

    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int64_t start = now_ns();

        connect(fd, &address.any, address.size);
        total += now_ns() - start;
        close(fd);
    }
    printf("{\"mean_ns\":%.1f}\n", (double)total / count);
    return 0;
}

#ifdef WITH_LIBURING
static int ring(const char *how, struct address address)
{
    struct io_uring_params parameters = {.flags = strcmp(how, "sqpoll") ? 0 : IORING_SETUP_SQPOLL,
                                         .sq_thread_idle = 200};
    struct io_uring uring;
    struct io_uring_sqe *entry;
    struct io_uring_cqe *result;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code = io_uring_queue_init_params(4, &uring, &parameters);

    if (code < 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(-code));
        return 77;
    }
    entry = io_uring_get_sqe(&uring);
    io_uring_prep_connect(entry, fd, &address.any, address.size);
    if (!strcmp(how, "async"))
        entry->flags |= IOSQE_ASYNC;
    io_uring_submit(&uring);
    code = io_uring_wait_cqe(&uring, &result);
    printf("{\"pid\":%d,\"result\":%d}\n", (int)getpid(), code ? code : result->res);
    io_uring_queue_exit(&uring);
    return 0;
}
#endif

int main(int count, char **words)
{
    if (count == 5 && !strcmp(words[1], "connect"))
        return connects(parse(words[2], words[3]), atoi(words[4]));
    if (count == 5 && !strcmp(words[1], "datagrams"))
        return datagrams(parse(words[2], words[3]), atoi(words[4]));
    if (count == 3 && !strcmp(words[1], "sockets"))
        return sockets(atoi(words[2]));
#ifdef WITH_LIBURING
    if (count == 5 && !strcmp(words[1], "ring"))
        return ring(words[2], parse(words[3], words[4]));
#endif
    return 77;
}
