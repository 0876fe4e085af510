/* SPDX-License-Identifier: MIT */
/*
 * listener.c - a server: takes TCP connections and datagrams at one port, sends back what it gets, and tells.
 *
 *   listener [--shared] ADDRESS PORT
 *
 * The first line is "ready PID"; then "accepted PORT" for each connection and "got PORT" for each datagram, with the
 * peer's port. "::" takes IPv4 too. --shared: with SO_REUSEPORT. Ends with stdin.
 */
#include "net_address.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define MOST 64

static int open_one(const struct net_address *address, int kind, int shared)
{
    int fd = socket(address->at.any.sa_family, kind, 0), one = 1, zero = 0;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (address->at.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(fd, &address->at.any, address->size) != 0 || (kind == SOCK_STREAM && listen(fd, 128) != 0))
        return -1;
    return fd;
}

static unsigned port_of(const struct net_address *peer)
{
    return ntohs(peer->at.any.sa_family == AF_INET ? peer->at.v4.sin_port : peer->at.v6.sin6_port);
}

static void take_datagram(int fd)
{
    struct net_address peer = {.size = sizeof(peer.at)};
    char data[2048];
    ssize_t size = recvfrom(fd, data, sizeof(data), 0, &peer.at.any, &peer.size);

    if (size < 0)
        return;
    printf("got %u\n", port_of(&peer));
    (void)!sendto(fd, data, (size_t)size, 0, &peer.at.any, peer.size);
}

static int take_connection(int fd)
{
    struct net_address peer = {.size = sizeof(peer.at)};
    int taken = accept(fd, &peer.at.any, &peer.size);

    if (taken >= 0)
        printf("accepted %u\n", port_of(&peer));
    return taken;
}

/* FALSE at the end of the connection. */
static bool echo(int fd)
{
    char data[65536];
    ssize_t size = read(fd, data, sizeof(data)), done = 0;

    while (done < size) {
        ssize_t written = write(fd, data + done, (size_t)(size - done));
        if (written <= 0)
            return false;
        done += written;
    }
    return size > 0;
}

static void serve(int stream, int datagrams)
{
    struct pollfd fds[MOST] = {{0, POLLIN, 0}, {stream, POLLIN, 0}, {datagrams, POLLIN, 0}};
    nfds_t count = 3;
    char line[64];

    for (;;) {
        if (poll(fds, count, -1) < 0)
            continue;
        if (fds[0].revents && read(0, line, sizeof(line)) <= 0)
            return;
        if (fds[1].revents && count < MOST) {
            int taken = take_connection(stream);

            if (taken >= 0)
                fds[count++] = (struct pollfd){taken, POLLIN, 0};
        }
        if (fds[2].revents)
            take_datagram(datagrams);
        for (nfds_t i = 3; i < count; i++) {
            if (!fds[i].revents || echo(fds[i].fd))
                continue;
            close(fds[i].fd);
            fds[i--] = fds[--count];
        }
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    bool shared = argc > 1 && strcmp(argv[1], "--shared") == 0;
    struct net_address address;
    int stream, datagrams;

    argv += shared;
    argc -= shared;
    if (argc != 3 || !net_address_parse(argv[1], (uint16_t)strtoul(argv[2], NULL, 10), &address)) {
        fprintf(stderr, "usage: listener [--shared] ADDRESS PORT\n");
        return 2;
    }
    stream = open_one(&address, SOCK_STREAM, shared);
    datagrams = open_one(&address, SOCK_DGRAM, shared);
    if (stream < 0 || datagrams < 0) {
        perror("listener");
        return 1;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    serve(stream, datagrams);
    return 0;
}
