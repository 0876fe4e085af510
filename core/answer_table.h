/* SPDX-License-Identifier: MIT */
/*
 * answer_table.h - remembered answers: which filters stand for them, and when they end.
 *
 * One answer for each (program, destination) or (program, anywhere); a new answer for the same
 * takes the old one's place. Bounded. A few thousand at most, changed by a person's or a rule's
 * answer, so the search for the next to end is a plain walk.
 *
 * The caller's lock is held for every call. The program's reference is the caller's business.
 */
#ifndef CORE_ANSWER_TABLE_H
#define CORE_ANSWER_TABLE_H

#include "core/locked.h"
#include "core/connection.h"
#include "core/program_table.h"
#include "core/slot_pool.h"

#define ANSWER_NEVER   UINT64_MAX
#define ANSWER_FILTERS 2u /* IPv4, IPv6 */

struct answer {
    struct slot_header slot;
    struct list_link all;
    struct program *program;
    bool anywhere; /* to is not used */
    struct destination to;
    uint8_t verdict;                  /* enum gatehouse_verdict */
    uint64_t ends;                    /* boot time; ANSWER_NEVER */
    uint64_t filters[ANSWER_FILTERS]; /* ids; 0: none */
};

struct CORE_LOCKABLE answer_table {
    struct slot_pool slots;
    struct list_link all;
};

bool answer_table_init(struct answer_table *table, const struct core_memory *memory, uint32_t limit);
void answer_table_cleanup(struct answer_table *table);
uint32_t answer_table_count(const struct answer_table *table) CORE_LOCKED(*table);

/* to NULL: anywhere. NULL: none. */
struct answer *answer_table_find(const struct answer_table *table, const struct program *program,
                                 const struct destination *to) CORE_LOCKED(*table);

/* A fresh answer that never ends, without filters. NULL: full or no memory. There is none for this key. */
struct answer *answer_table_add(struct answer_table *table, struct program *program, const struct destination *to)
    CORE_LOCKED(*table);
void answer_table_remove(struct answer_table *table, struct answer *answer) CORE_LOCKED(*table);

/* The one that ends first, or NULL. */
struct answer *answer_table_next(const struct answer_table *table) CORE_LOCKED(*table);
struct answer *answer_table_any(const struct answer_table *table) CORE_LOCKED(*table);

#endif
