/* SPDX-License-Identifier: MIT */
/*
 * listen.h - the two sockets of the page: 127.0.0.1 and ::1, on one port, and nothing else.
 */
#ifndef PAGE_LISTEN_H
#define PAGE_LISTEN_H

#include <stdint.h>

#include "agent/result.h"

struct listen_sockets {
    int v4, v6; /* v6 -1: this machine has no IPv6 */
    uint16_t port;
};

/* port 0: one that is free on both. The caller closes both sockets. */
enum agent_result listen_open(unsigned port, struct listen_sockets *sockets, struct problem *problem);

#endif
