/* SPDX-License-Identifier: MIT */
/*
 * feed_outbound.h - the part of the feed that goes out: what this namespace's sockets send, and their flows.
 *
 * A flow is (socket cookie, protocol, remote address and port). What has no such key goes out by feed_inbound.h: echo
 * requests, and what is looked at as raw.
 *
 * One thread, as feed.h.
 */
#ifndef HOST_FEED_OUTBOUND_H
#define HOST_FEED_OUTBOUND_H

#include "host/feed_parts.h"

struct feed_outbound;

/* NULL: out of memory. */
struct feed_outbound *feed_outbound_new(const struct feed_parts *parts);
void feed_outbound_free(struct feed_outbound *outbound);

/*
 * A packet goes through these three in this order. key: its gate_flow_of.
 *
 * Gave its program up what its socket began before? Then the caller closes the socket in all parts of the feed.
 */
bool feed_outbound_gave_up(const struct feed_outbound *outbound, const struct gate_packet *packet,
                           const struct gate_flow *key);
/* True: the packet is of a flow that is known, and the flow's from now on. False: no such flow is there any more. */
bool feed_outbound_takes(struct feed_outbound *outbound, const struct gate_packet *packet, const struct gate_flow *key);
/* Begins a flow with the packet, and asks the engine. package: of the program, or NULL (struct wfp_ale_connect). */
void feed_outbound_begin(struct feed_outbound *outbound, const struct gate_packet *packet, const struct gate_flow *key,
                         const FWP_BYTE_BLOB *package);

bool feed_outbound_knows(const struct feed_outbound *outbound, const struct gate_flow *key);
void feed_outbound_socket_closed(struct feed_outbound *outbound, uint64_t cookie);

/* What other threads decided meanwhile. */
void feed_outbound_take_late(struct feed_outbound *outbound);
/* Tells the engine of the flows that were permitted since. */
void feed_outbound_establish(struct feed_outbound *outbound);

/* The policy changed: live connections are asked about anew, from the start also when that was under way. */
void feed_outbound_reauthorize(struct feed_outbound *outbound);
/* A piece; false: all are done. */
bool feed_outbound_reauthorize_step(struct feed_outbound *outbound);

/* Adds what it has to status. */
void feed_outbound_status(const struct feed_outbound *outbound, struct gatehouse_platform_status *status);

#endif
