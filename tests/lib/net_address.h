/* SPDX-License-Identifier: MIT */
/*
 * net_address.h - socket addresses and the clock, for the small programs that make test traffic.
 *
 * Header only: each of these programs is one file, and a rule that names one of them must be able
 * to copy it alone.
 */
#ifndef TESTS_NET_ADDRESS_H
#define TESTS_NET_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct net_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t size;
};

/* text is a numeric IPv4 or IPv6 address; false if it is neither. */
static inline bool net_address_parse(const char *text, uint16_t port, struct net_address *address)
{
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &address->at.v4.sin_addr) == 1) {
        address->at.v4.sin_family = AF_INET;
        address->at.v4.sin_port = htons(port);
        address->size = sizeof(address->at.v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &address->at.v6.sin6_addr) == 1) {
        address->at.v6.sin6_family = AF_INET6;
        address->at.v6.sin6_port = htons(port);
        address->size = sizeof(address->at.v6);
        return true;
    }
    return false;
}

/* Adds step to the host part: the last 16 bits of the address. */
static inline void net_address_advance(struct net_address *address, uint32_t step)
{
    if (address->at.any.sa_family == AF_INET) {
        address->at.v4.sin_addr.s_addr = htonl(ntohl(address->at.v4.sin_addr.s_addr) + step);
    } else {
        uint32_t low;
        memcpy(&low, &address->at.v6.sin6_addr.s6_addr[12], sizeof(low));
        low = htonl(ntohl(low) + step);
        memcpy(&address->at.v6.sin6_addr.s6_addr[12], &low, sizeof(low));
    }
}

/* The port the kernel gave this socket; 0 if none. */
static inline uint16_t net_local_port(int fd)
{
    struct net_address local;
    local.size = sizeof(local.at);
    if (getsockname(fd, &local.at.any, &local.size) != 0)
        return 0;
    return ntohs(local.at.any.sa_family == AF_INET ? local.at.v4.sin_port : local.at.v6.sin6_port);
}

static inline uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
