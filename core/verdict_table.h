/* SPDX-License-Identifier: MIT */
/*
 * verdict_table.h - the verdict of each flow that goes on living.
 *
 * Any filter that anybody adds makes the platform reauthorize every live flow; without the flow's
 * verdict such a connection would be asked about again or killed. A verdict is kept by endpoint and
 * destination, because it is stored before the flow has a handle; the flow's handle is noted when
 * the flow is established. It goes when the flow is deleted or the endpoint is closed. Bounded: the
 * one longest unused makes room, and the caller is told, since a flow context may hang on it.
 *
 * An entry may also say which rule with a name matched, so that the flow is that rule's when the name is forgotten. One
 * that says only that (verdict NONE) belongs to a connection that is being asked about.
 *
 * The caller's lock is held for every call.
 */
#ifndef CORE_VERDICT_TABLE_H
#define CORE_VERDICT_TABLE_H

#include "core/locked.h"
#include "core/connection.h"
#include "core/group_index.h"
#include "core/slot_pool.h"

struct verdict_entry {
    struct slot_header slot; /* slot.id is the flow context */
    struct list_link recent;
    struct group_link by_endpoint;
    struct hash_node by_flow;
    uint64_t endpoint;
    struct destination to;
    uint8_t verdict;
    uint16_t flow_layer;
    uint64_t flow; /* 0: not established yet */
    uint64_t rule; /* with a name, that matched; 0: none */
};

struct CORE_LOCKABLE verdict_table {
    struct slot_pool slots;
    struct list_link recent; /* longest unused first */
    struct group_index by_endpoint;
    struct hash_index by_flow;
};

/* A flow whose context the caller has to remove, outside its lock. flow 0: none. */
struct verdict_flow {
    uint64_t flow;
    uint16_t layer;
};

bool verdict_table_init(struct verdict_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed);
void verdict_table_cleanup(struct verdict_table *table);
uint32_t verdict_table_count(const struct verdict_table *table) CORE_LOCKED(*table);

/* Stores or replaces. false: no memory. *evicted: the flow of the verdict that made room. */
bool verdict_table_put(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                       enum gatehouse_verdict verdict, struct verdict_flow *evicted) CORE_LOCKED(*table);

/* The flow is blocked now: what was stored before does not answer for it any more. Nothing stored: harmless. */
void verdict_table_block(struct verdict_table *table, uint64_t endpoint, const struct destination *to)
    CORE_LOCKED(*table);

/* Notes the rule that matched, beside the verdict if there is one. false: no memory. *evicted as above. */
bool verdict_table_note_rule(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                             uint64_t rule, struct verdict_flow *evicted) CORE_LOCKED(*table);
/* 0: none is noted. */
uint64_t verdict_table_rule(const struct verdict_table *table, uint64_t endpoint, const struct destination *to)
    CORE_LOCKED(*table);

/* GATEHOUSE_VERDICT_NONE: nothing stored. */
enum gatehouse_verdict verdict_table_get(struct verdict_table *table, uint64_t endpoint, const struct destination *to)
    CORE_LOCKED(*table);

/* Notes the flow's handle and layer. The context for it, or 0: nothing stored, or it has a flow already. */
uint64_t verdict_table_set_flow(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                                uint64_t flow, uint16_t layer) CORE_LOCKED(*table);

/* Is the context still that of a flow with a verdict? */
bool verdict_table_has(const struct verdict_table *table, uint64_t context) CORE_LOCKED(*table);

/* The flow of this context is deleted. An old context is ignored. */
void verdict_table_flow_deleted(struct verdict_table *table, uint64_t context) CORE_LOCKED(*table);

/* Forgets the flow handle only (it could not be associated). */
void verdict_table_clear_flow(struct verdict_table *table, uint64_t context) CORE_LOCKED(*table);

/* Removes every verdict of the endpoint that has no flow (a flow's goes with the flow). Returns how many. */
uint32_t verdict_table_endpoint_closed(struct verdict_table *table, uint64_t endpoint) CORE_LOCKED(*table);

/* Some flow that has a context, without removing it; flow 0: none. For unload. */
struct verdict_flow verdict_table_any_flow(const struct verdict_table *table, uint64_t *context) CORE_LOCKED(*table);

#endif
