/* SPDX-License-Identifier: MIT */
/*
 * flows.h - what became of connections: those that live, the last that ended, with the bytes they carried, and the last
 * that were blocked without having been held.
 *
 * A record begins with the authorization, is listed from its permit on, and stays for a while after its end. TCP's
 * bytes come when its socket is closed (gate_stream_end); nothing is counted while it lives. Connections that the
 * kernel's verdict cache permitted were never seen here: only their end is listed, with the same time for both. UDP's
 * bytes are not counted.
 *
 * What a rule blocks is listed as ended. A program that goes on trying the same is one record for FLOWS_BLOCKED_MS,
 * with a count, whoever refused it: the engine, or the kernel's verdict cache (gate_refused).
 *
 * Each listing and each later change has a number (flows_changes): who follows asks for what is behind the last one.
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
#include "host/identity.h"

#define FLOWS_ENDED_MAX  4096u
#define FLOWS_BLOCKED_MS 10000u

struct flows;
struct flow_record;

/* NULL: out of memory. names: those of the entries, the caller's; NULL: none. */
struct flows *flows_new(struct names *names);
void flows_free(struct flows *flows); /* NULL is allowed; records go with it */

/* Not listed yet. identity: of the packet's owner. NULL: out of memory, which all below take. */
struct flow_record *flows_make(struct flows *flows, const struct gate_packet *packet, const struct identity *identity);
/* It is permitted: listed from now on. key: of the filter, or NULL. */
void flows_live(struct flows *flows, struct flow_record *record, const uint8_t key[16]);
/* It never was permitted, or it is over: the record is not the caller's any more. */
void flows_end(struct flows *flows, struct flow_record *record);
/* The engine blocked it at once; the record is not the caller's any more. by_callout: and not a filter alone; then it
 * is listed when the filter is a rule's (gatehouse/rules.h), for the driver tells of the others itself. */
void flows_block(struct flows *flows, struct flow_record *record, const struct gate_owner *owner, const uint8_t key[16],
                 bool by_callout);

/* A TCP connection is over. record: of an inbound one, or NULL; identity: of end's owner. */
void flows_stream_end(struct flows *flows, const struct gate_stream_end *end, struct flow_record *record,
                      const struct identity *identity);

/* The kernel's verdict cache blocks this; key: of the filter, or NULL. */
void flows_refused(struct flows *flows, const struct gate_refused_flow *refused, const struct identity *identity,
                   const uint8_t key[16]);
/* Brings the counts of what the cache was told to block lately up to date. */
void flows_refused_again(struct flows *flows, struct gate *gate);

/* Grows with each listing and each change of what is listed. */
uint64_t flows_changes(const struct flows *flows);

/*
 * Writes a struct gatehouse_flows and records into out; returns the bytes. room >= 4096. Those behind number
 * get->first, by number; with GATEHOUSE_FLOWS_CHANGES those that changed behind change get->first, by change.
 */
size_t flows_list(struct flows *flows, const struct gatehouse_flows_get *get, void *out, size_t room);

#endif
