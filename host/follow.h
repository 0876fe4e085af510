/* SPDX-License-Identifier: MIT */
/*
 * follow.h - when those who follow the flows are told (GATEHOUSE_FLOWS_WAIT).
 *
 * At once when it was quiet, then each FOLLOW_MS while there is something, so that a busy machine costs a few wake-ups
 * a second and a quiet one none: what the kernel alone decides or sees end wakes the loop only when nobody has looked
 * for as long (gate_follow_wake). Nobody follows: it costs one test a turn.
 *
 * One thread, the host's.
 */
#ifndef HOST_FOLLOW_H
#define HOST_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "host/device_server.h"
#include "host/feed.h"

#define FOLLOW_MS 250u

struct follow {
    uint64_t told;    /* the last change that was */
    uint64_t next;    /* not before then; boot time, 100 ns */
    uint64_t waiting; /* device_server_follows, when told */
    bool quiet;       /* the kernel wakes the loop for the next */
};

/* Once a turn. server may be NULL. Returns when to be called again at the latest; NT_NEVER. */
uint64_t follow_turn(struct follow *follow, struct device_server *server, struct feed *feed);

#endif
