/* SPDX-License-Identifier: MIT */
/*
 * feed.h - between the gate and the filter engine: packets in, verdicts out.
 *
 * A queued packet becomes one authorization (wfp/ale.h); its verdict becomes a stored decision and a
 * second run through the rules. While an authorization is pended, its packets stay in the queue, and
 * later datagrams of the same socket to the same peer wait with the first.
 */
#ifndef HOST_FEED_H
#define HOST_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "gatehouse/transport.h"
#include "host/gate.h"
#include "host/names.h"
#include "host/process_ends.h"

struct feed;

#define FEED_PACKETS_MAX 8u      /* held for one flow; more are dropped and counted */
#define FEED_FLOWS_MAX   131072u /* live flows known; the oldest are forgotten first */

/*
 * gate, ends and names (NULL: none are known) stay the caller's. NULL: out of memory. From now on the engine's policy
 * changes come here, and this thread's is the feed: a driver that completes an operation on another thread leaves the
 * verdict for feed_tidy and wakes this one.
 */
struct feed *feed_new(struct gate *gate, struct process_ends *ends, struct names *names, void (*wake)(void *context),
                      void *wake_context);

/* Drops what is still held. The driver must be unloaded by then: nothing may complete later. */
void feed_free(struct feed *feed);

/*
 * Brings what the kernel has: a bounded batch of packets, then events once no packet is left. ends: the gate says that
 * there are events; otherwise they are left for later, some packets long, for a program waits for its packet's verdict
 * and nobody for the end of a socket with nothing held. 0 or -errno.
 */
int feed_read(struct feed *feed, bool ends);

/* Work left for after the turn: verdicts of other threads, established flows, reauthorization of live ones. True: there
 * is more. */
bool feed_tidy(struct feed *feed);

struct feed_counts {
    uint64_t connections;        /* authorized: as connections began, and datagrams to new peers */
    uint64_t held;               /* pended now */
    uint64_t permitted, blocked; /* decided, pended before or not */
};

/* NULL feed: zeros. */
void feed_count(const struct feed *feed, struct feed_counts *counts);

/* Counters by filter key (device_server_hits). */
void feed_hits(struct feed *feed, uint64_t first, unsigned room, struct gatehouse_hits *head,
               struct gatehouse_hit *entries);

/* Flows (device_server_flows). */
size_t feed_flows(struct feed *feed, const struct gatehouse_flows_get *get, void *out, size_t room);

/*
 * For host/follow.h. feed_follow takes in what ended and what was refused; true: something did. feed_changes grows with
 * each change of what feed_flows tells; feed_follow_wake has the next end or refusal wake the loop, once;
 * feed_follow_wakes: it did not yet.
 */
bool feed_follow(struct feed *feed);
uint64_t feed_changes(const struct feed *feed);
void feed_follow_wake(struct feed *feed);
bool feed_follow_wakes(const struct feed *feed);

/* Fills the counters (device_server_status). */
void feed_status(struct feed *feed, struct gatehouse_platform_status *status);

#endif
