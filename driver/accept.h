/* SPDX-License-Identifier: MIT */
/*
 * accept.h - asking about a connection that comes in, at ALE_AUTH_RECV_ACCEPT_V4/_V6.
 *
 * Completing there leads to no reauthorization, and the pended packet is gone: what goes on is a clone of it, made
 * before classifyFn returns. It is injected when the connection is permitted, is classified again, and is permitted as
 * our own; else it is freed. Deadline, cancel, unload and no decider end it as an outgoing one (holds.h).
 *
 * On Windows nothing can be injected into the receive path of loopback: asking about it there (HoldLoopback) ends with
 * a block whatever the decider says.
 *
 * Pages: FwpsPendOperation0, FwpsCompleteOperation0, FwpsInjectTransportReceiveAsync0, FwpsQueryPacketInjectionState0
 * (fwpsk.h), Packet Indication Format, Processing Classify Callouts Asynchronously.
 */
#ifndef DRIVER_ACCEPT_H
#define DRIVER_ACCEPT_H

#include "driver/classify.h"

/* The injection handle. Before callouts are registered, after they are unregistered. stop: harmless without start. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS accept_start(void);
_IRQL_requires_(PASSIVE_LEVEL)
void accept_stop(void);

/* For a filter that asks: holds, decides, or answers a reauthorization. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
enum classify_action accept_ask(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                void *layer_data, const FWPS_CLASSIFY_OUT0 *out);

/* The clone, for FwpsCompleteOperation0; NULL: the connection goes out. */
NET_BUFFER_LIST *accept_clone(const struct hold_packet *packet);

/* The operation is completed: injects the clone, or frees it. NULL is fine. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void accept_finish(struct hold_packet *packet, BOOLEAN permit);

#endif
