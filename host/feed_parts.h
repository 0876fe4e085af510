/* SPDX-License-Identifier: MIT */
/*
 * feed_parts.h - what the two kinds of flows of the feed, outbound and inbound, have from it, and what they do alike.
 *
 * One thread, as feed.h. For feed.c, feed_outbound.c and feed_inbound.c alone.
 */
#ifndef HOST_FEED_PARTS_H
#define HOST_FEED_PARTS_H

#include <ntddk.h>
#include <fwpsk.h>

#include "host/feed.h"
#include "host/flows.h"
#include "host/identity.h"
#include "host/keep.h"
#include "wfp/ale.h"

/* Of the feed, which outlives its parts. */
struct feed_parts {
    struct gate *gate;
    struct feed_counts *counts;
    struct identity *identity; /* of the packet in hand */
    struct keep *keep;
    struct flows *records;
    void (*wake)(void *context);
    void *wake_context;
};

#define FEED_REAUTH_STEP 256u /* live flows of each kind that are looked at in one turn after a change of policy */

/* PENDED: the driver holds it, and its done is still to come. LIVE: permitted. A blocked one is forgotten at once. */
enum flow_state { FLOW_NEW, FLOW_PENDED, FLOW_LIVE };

/*
 * What the packet tells of an authorization, as an outbound one; the endpoint is the caller's to set. package: of the
 * program, or NULL. Points into parts->identity and package.
 */
struct wfp_ale_connect feed_connect_of(const struct feed_parts *parts, const struct gate_packet *packet,
                                       const FWP_BYTE_BLOB *package);

/* The key of the filter, in room, as flows.h takes it; NULL: it is gone. */
const uint8_t *feed_filter_key(UINT64 filter, GUID *room);

void feed_drop_packets(const struct feed_parts *parts, const uint32_t *packets, unsigned count);
void feed_say_unreleased(int code); /* -errno */

#endif
