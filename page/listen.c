/* SPDX-License-Identifier: MIT */
/*
 * listen.c - see listen.h.
 */
#include "page/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128
#define TRIES   16 /* ports that are free for IPv4 and taken for IPv6 are rare */

static int open_bound(int family, const struct sockaddr *address, socklen_t size)
{
    int one = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return -1;
    /* A port that was this page's a minute ago may be asked for again; nobody else can have both. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_v4(uint16_t port, uint16_t *bound)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = open_bound(AF_INET, (const struct sockaddr *)&address, size);

    if (fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        *bound = ntohs(address.sin_port);
    return fd;
}

static int open_v6(uint16_t port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    return open_bound(AF_INET6, (const struct sockaddr *)&address, sizeof(address));
}

enum agent_result listen_open(unsigned port, struct listen_sockets *sockets, struct problem *problem)
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct listen_sockets opened = {-1, -1, 0};

        opened.v4 = open_v4((uint16_t)port, &opened.port);
        if (opened.v4 < 0)
            return problem_set(problem, AGENT_FAILED,
                               "cannot serve the page at 127.0.0.1 port %u: %s; give another --port.", port,
                               strerror(errno));
        opened.v6 = open_v6(opened.port);
        if (opened.v6 >= 0 || errno != EADDRINUSE) {
            *sockets = opened;
            return AGENT_OK;
        }
        close(opened.v4);
        if (port != 0)
            break;
    }
    return problem_set(problem, AGENT_FAILED, "cannot serve the page at ::1 port %u: it is taken; give another --port.",
                       port);
}
