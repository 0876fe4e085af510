/* SPDX-License-Identifier: MIT */
/*
 * keep.h - what a decision of the engine leaves in the kernel: an entry in the verdict cache, and a hit of its filter.
 *
 * Ring 0 (bpf/cache.bpf.h) decides as the engine would. So only what the engine says (wfp_looked) is kept, and only if
 * the kernel can look at the same at connect(): program, user, protocol, remote end, loopback.
 *
 * One thread: the feed's.
 */
#ifndef HOST_KEEP_H
#define HOST_KEEP_H

#include "gatehouse/transport.h"
#include "host/gate.h"
#include "wfp/ale.h"

struct keep {
    struct gate *gate;
    HANDLE engine; /* a session, to ask for filters with; NULL until needed */
};

/* decision: permit or block, of the packet's connection; generation: of the gate, from before it was made. */
void keep_decision(struct keep *keep, const struct gate_packet *packet, const struct wfp_decision *decision,
                   uint32_t generation);

/* Did it look at the local address? A socket may name another one for each datagram (IP_PKTINFO). */
bool keep_by_source(const struct wfp_decision *decision);

/* Counts the decision for its filter, if that has a key of a rule. Returns the counter's place; 0: it has none. */
uint32_t keep_hit(struct keep *keep, const struct wfp_decision *decision);

/* Fills entries from number first on (GATEHOUSE_CALL_HITS). */
void keep_hits(const struct keep *keep, uint64_t first, unsigned room, struct gatehouse_hits *head,
               struct gatehouse_hit *entries);

void keep_close(struct keep *keep);

#endif
