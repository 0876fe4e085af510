/* SPDX-License-Identifier: MIT */
/*
 * program_table.h - each program path once, however many connections and answers name it.
 *
 * A path is opaque bytes (ALE_APP_ID, UTF-16LE without its NUL): compared byte by byte, never
 * folded. Interning makes "same program" a pointer comparison and lets a held connection be parked
 * without allocating. A program nobody uses stays for a while (PROGRAM_TABLE_IDLE_MAX, the longest
 * unused goes first), so one busy program does not allocate on each connection.
 *
 * The caller's lock is held for every call.
 */
#ifndef CORE_PROGRAM_TABLE_H
#define CORE_PROGRAM_TABLE_H

#include "core/hash_index.h"
#include "core/list.h"

#define PROGRAM_TABLE_IDLE_MAX 64u
#define PROGRAM_PATH_MAX       65534u /* bytes; what struct gatehouse_request can carry */

struct program {
    struct hash_node node;
    struct list_link idle;
    struct list_link held; /* pend_table: undecided connections of this program */
    uint32_t references;
    uint16_t path_size;
    uint8_t path[1]; /* path_size bytes */
};

struct program_table {
    const struct core_memory *memory;
    struct hash_index index;
    struct list_link idle; /* longest unused first */
    uint32_t idle_count;
    uint32_t count;
};

bool program_table_init(struct program_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed);

/* Every reference was put. */
void program_table_cleanup(struct program_table *table);

/* The program with this path, with one reference for the caller. NULL: no memory, or the path is too long. */
struct program *program_table_get(struct program_table *table, const void *path, size_t path_size);

void program_reference(struct program *program);

/* program may be NULL. */
void program_table_put(struct program_table *table, struct program *program);

#endif
