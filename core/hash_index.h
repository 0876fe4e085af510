/* SPDX-License-Identifier: MIT */
/*
 * hash_index.h - a hash index that grows one bucket at a time (linear hashing).
 *
 * Why this way: tables here grow to a million entries inside classify, at DISPATCH_LEVEL, under a
 * spin lock. Doubling and rehashing would stop every connection for milliseconds; splitting one
 * bucket for each insert costs the same always. Buckets live in segments of 32 KiB, so there is no
 * large allocation. When a segment cannot be had, the index does not grow: chains get longer and
 * inserting still succeeds.
 *
 * Nodes live in the caller's structures. The caller's lock is held for every call.
 */
#ifndef CORE_HASH_INDEX_H
#define CORE_HASH_INDEX_H

#include "core/memory.h"

struct hash_node {
    struct hash_node *next;
    struct hash_node **link; /* what points to this node */
    uint32_t hash;
};

struct hash_index {
    const struct core_memory *memory;
    struct hash_node ***segments; /* directory of segment pointers */
    uint32_t segment_limit;       /* entries of the directory */
    uint32_t level;               /* 1 << level buckets at the start of this round */
    uint32_t split;               /* the next bucket to split in this round */
    uint32_t count;               /* nodes */
    uint64_t seed;                /* makes hashes unknown to whoever picks the keys */
};

/* Room for about one bucket per item up to item_limit. false: no memory, nothing kept. */
bool hash_index_init(struct hash_index *index, const struct core_memory *memory, uint32_t item_limit, uint64_t seed);

/* Frees the buckets; the nodes are the caller's. Harmless on a zeroed index. */
void hash_index_cleanup(struct hash_index *index);

void hash_index_insert(struct hash_index *index, struct hash_node *node, uint32_t hash);
void hash_index_remove(struct hash_index *index, struct hash_node *node);

/* The nodes with exactly this hash, one after the other, newest first; NULL after the last. */
struct hash_node *hash_index_first(const struct hash_index *index, uint32_t hash);
struct hash_node *hash_index_next(const struct hash_node *node);

/* Mixing for keys made of words and bytes: start with the index's seed, add, then finish. */
uint64_t hash_add(uint64_t state, uint64_t word);
uint64_t hash_add_bytes(uint64_t state, const void *bytes, size_t size);
uint32_t hash_finish(uint64_t state);

#endif
