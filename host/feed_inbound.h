/* SPDX-License-Identifier: MIT */
/*
 * feed_inbound.h - the part of the feed that comes in: packets to those who listen, and their flows.
 *
 * A flow is a tuple (and, for TCP, the sequence number of its SYN). TCP connections have an endpoint of their own in
 * the engine, because the listener outlives them; UDP's is the socket. Packets of the kernel's own (nobody listens) are
 * not authorized: they pass once, for the refusal, as on Windows, where ALE knows endpoints alone.
 *
 * One thread, as feed.h. The rules in filter INPUT are there while the engine has filters at ALE_AUTH_RECV_ACCEPT.
 */
#ifndef HOST_FEED_INBOUND_H
#define HOST_FEED_INBOUND_H

#include "host/feed_parts.h"

struct feed_inbound;

/* NULL: out of memory. */
struct feed_inbound *feed_inbound_new(const struct feed_parts *parts);
void feed_inbound_free(struct feed_inbound *inbound);

/* package: of the program, or NULL (struct wfp_ale_connect). */
void feed_inbound_packet(struct feed_inbound *inbound, const struct gate_packet *packet, const FWP_BYTE_BLOB *package);
void feed_inbound_socket_closed(struct feed_inbound *inbound, uint64_t cookie);
void feed_inbound_stream_ended(struct feed_inbound *inbound, const struct gate_stream_end *end);

/* The engine's policy changed at a layer; the feed has made the verdicts stale. Any thread. */
void feed_inbound_policy_changed(struct feed_inbound *inbound);

/* As feed_tidy. */
bool feed_inbound_tidy(struct feed_inbound *inbound);

/* Adds what it has to status. */
void feed_inbound_status(const struct feed_inbound *inbound, struct gatehouse_platform_status *status);

#endif
