/* SPDX-License-Identifier: MIT */
/*
 * flows.h - what became of connections: those that live, and the last that ended, with the bytes they carried.
 *
 * A record begins with the authorization, is listed from its permit on, and stays for a while after its end. TCP's
 * bytes come when its socket is closed (gate_stream_end); nothing is counted while it lives. Connections that the
 * kernel's verdict cache permitted were never seen here: only their end is listed, with the same time for both. UDP's
 * bytes are not counted.
 *
 * One thread. Bounded by the flows that live and FLOWS_ENDED_MAX.
 */
#ifndef HOST_FLOWS_H
#define HOST_FLOWS_H

#include <ntddk.h>
#include <fwpsk.h>

#include "gatehouse/transport.h"
#include "host/gate.h"
#include "host/names.h"

#define FLOWS_ENDED_MAX 4096u

struct flows;
struct flow_record;

/* NULL: out of memory. */
struct flows *flows_new(void);
void flows_free(struct flows *flows); /* NULL is allowed; records go with it */

/* Whose names entries have from now on; NULL: none. They stay the caller's. */
void flows_set_names(struct flows *flows, const struct names *names);

/* Not listed yet. app_id: UTF-16 with its NUL, or NULL. NULL: out of memory, which all below take. */
struct flow_record *flows_make(struct flows *flows, const struct gate_packet *packet, const FWP_BYTE_BLOB *app_id);
/* It is permitted: listed from now on. key: of the filter, or NULL. */
void flows_live(struct flows *flows, struct flow_record *record, const uint8_t key[16]);
/* It never was permitted, or it is over: the record is not the caller's any more. */
void flows_end(struct flows *flows, struct flow_record *record);

/* A TCP connection is over. record: of an inbound one, or NULL; app_id: of end's owner, or NULL. */
void flows_stream_end(struct flows *flows, const struct gate_stream_end *end, struct flow_record *record,
                      const FWP_BYTE_BLOB *app_id);

/* Writes a struct gatehouse_flows and the records behind number first into out; returns the bytes. room >= 4096. */
size_t flows_list(const struct flows *flows, uint64_t first, void *out, size_t room);

#endif
