/* SPDX-License-Identifier: MIT */
/*
 * name_table.h - under which names a program looked an address up.
 *
 * Whoever sees the answers of name servers tells it (GATEHOUSE_IOCTL_NAMES_LEARNED). One entry says: this program got
 * this address under this name, known until then. Names that are known for any program, since it cannot be said who
 * asked, stand under the program "any". A program is the SHA-256 of its path, so that a path of 64 KiB costs no memory
 * and no program can be taken for another. The digests of the programs asked about last are kept with their paths: one
 * costs more than all the rest of a look-up.
 *
 * An address of a program has NAME_TABLE_NAMES_MAX names, the latest ones. Bounded: when the table is full, the entry
 * learned longest ago makes room; a program that has a quarter of the table ("any": half) makes room for itself, so
 * that one that looks up thousands of names takes nobody else's. Learning, finding and matching are O(1) (times
 * NAME_TABLE_NAMES_MAX); an entry that has run out is found no more and goes when room is needed.
 *
 * Times are boot times in 100 ns, given by the caller; names as name_pattern.h has them, kept in lower case; addresses
 * in network order, IPv4 in the first four bytes and the rest zero. The caller's lock is held for every call.
 */
#ifndef CORE_NAME_TABLE_H
#define CORE_NAME_TABLE_H

#include "core/group_index.h"
#include "core/list.h"
#include "core/locked.h"
#include "core/memory.h"
#include "core/slot_pool.h"
#include "gatehouse/rules.h"

#define NAME_TABLE_NAMES_MAX 8u
/* Programs whose digest is kept, and the longest path of one, in bytes. */
#define NAME_TABLE_RECALLED 8u
#define NAME_TABLE_PATH_MAX 512u

struct name_program {
    uint8_t digest[32]; /* zeros: any program */
};

/* path_size 0: any program. */
struct name_program name_program_of(const void *path, size_t path_size);

struct name_address {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t bytes[16];
};

struct name_recalled {
    uint32_t path_size; /* 0: none */
    uint8_t path[NAME_TABLE_PATH_MAX];
    struct name_program program;
};

struct CORE_LOCKABLE name_table {
    struct slot_pool names;
    struct slot_pool programs;
    struct group_index by_address; /* of a program */
    struct hash_index by_program;
    struct list_link oldest; /* all, learned longest ago first */
    struct name_recalled recalled[NAME_TABLE_RECALLED];
};

/* limit: entries. false: no memory, nothing kept. */
bool name_table_init(struct name_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed);
/* Harmless on a zeroed table. */
void name_table_cleanup(struct name_table *table);
uint32_t name_table_count(const struct name_table *table) CORE_LOCKED(*table);

/*
 * name_program_of, as far as that needs no digest, or one that is kept: then true. Else the caller makes it, without
 * its lock, and gives it to name_table_keep_program.
 */
bool name_table_recall_program(const struct name_table *table, const void *path, size_t path_size,
                               struct name_program *program) CORE_LOCKED(*table);
void name_table_keep_program(struct name_table *table, const void *path, size_t path_size,
                             const struct name_program *program) CORE_LOCKED(*table);

/*
 * Notes the name as the latest one for this program and address, from now for ttl_ms, at least
 * GATEHOUSE_NAME_KEEP_MIN_MS and at most GATEHOUSE_NAME_KEEP_MAX_MS; a longer time it had already stays. false: no
 * memory, or no name; nothing changed then, but that an old entry may have made room.
 */
bool name_table_learn(struct name_table *table, const struct name_program *program, const struct name_address *address,
                      const void *name, size_t name_size, uint32_t ttl_ms, uint64_t now) CORE_LOCKED(*table);

/*
 * The latest name that this program got the address for, else the latest that is known for any program. Returns its
 * size, and writes as many bytes to name (GATEHOUSE_NAME_MAX of room); 0: none.
 */
uint16_t name_table_find(const struct name_table *table, const struct name_program *program,
                         const struct name_address *address, uint64_t now, void *name) CORE_LOCKED(*table);

/* Does one of the names that this program, or any, got the address for match (name_pattern.h)? */
bool name_table_matches(const struct name_table *table, const struct name_program *program,
                        const struct name_address *address, uint64_t now, const void *pattern, size_t pattern_size)
    CORE_LOCKED(*table);

#endif
