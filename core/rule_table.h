/* SPDX-License-Identifier: MIT */
/*
 * rule_table.h - the rules that a classifyFn looks up, by the number in their filter's context.
 *
 * A rule that the engine cannot decide alone has one entry with a copy of its record. The number has a generation: one
 * of a rule that is gone finds nothing. Whoever found an entry keeps it with a reference and reads it without the lock;
 * it is freed with the last reference after it was swept. A classify may still run for a filter that is deleted: so an
 * entry is retired first, still found, and swept by the change after that.
 *
 * For rules that end with the last process they decided for, the entry counts these processes.
 *
 * Bounded. Lookup, watch and leave are O(1). The caller's lock is held for every call.
 */
#ifndef CORE_RULE_TABLE_H
#define CORE_RULE_TABLE_H

#include "core/hash_index.h"
#include "core/locked.h"
#include "core/slot_pool.h"
#include "gatehouse/rules.h"

#define RULE_TABLE_PROCESSES_MAX 65536u

/* In a filter's context besides the number: the filter is that for the rule's SHA-256 parts. */
#define RULE_CONTEXT_SHA256 0x80000000u

struct live_rule {
    struct slot_header slot;           /* slot.list: retired */
    const struct gatehouse_rule *rule; /* never changes */
    uint32_t references;
    uint32_t processes; /* watched now */
    bool over;          /* the last of them has exited */
};

struct CORE_LOCKABLE rule_table {
    const struct core_memory *memory;
    struct slot_pool slots;
    struct slot_pool watches;
    struct hash_index by_process;
    struct list_link retired;
};

bool rule_table_init(struct rule_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed);

/* Nobody has a reference any more. Harmless on a zeroed table. */
void rule_table_cleanup(struct rule_table *table) CORE_LOCKED(*table);

/* Copies the rule. 0: full or no memory. */
uint64_t rule_table_add(struct rule_table *table, const struct gatehouse_rule *rule) CORE_LOCKED(*table);

/* With a reference for the caller. NULL: gone. */
struct live_rule *rule_table_get(struct rule_table *table, uint64_t number) CORE_LOCKED(*table);
void rule_table_put(struct rule_table *table, struct live_rule *live) CORE_LOCKED(*table);

/* Its filters are deleted. */
void rule_table_retire(struct rule_table *table, uint64_t number) CORE_LOCKED(*table);
/* Takes out what was retired. */
void rule_table_sweep(struct rule_table *table) CORE_LOCKED(*table);

/* The rule decided for this process. false: no room to remember it. */
bool rule_table_watch(struct rule_table *table, struct live_rule *live, uint64_t process) CORE_LOCKED(*table);
/* Returns whether a rule is over now. */
bool rule_table_process_exited(struct rule_table *table, uint64_t process) CORE_LOCKED(*table);
bool rule_table_is_over(const struct rule_table *table, uint64_t number) CORE_LOCKED(*table);

#endif
