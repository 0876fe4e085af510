/* SPDX-License-Identifier: MIT */
/*
 * slot_pool.h - fixed-size slots in chunks, each with a number that is not soon used again.
 *
 * A slot's id is generation << 32 | slot number + 1. Freed slots queue up and are taken oldest
 * first, and each use has its own generation, so a late or forged id names nothing. Chunks are
 * allocated as needed, up to the limit, and kept: the steady state allocates nothing.
 *
 * Every slot begins with a struct slot_header. The caller's lock is held for every call.
 */
#ifndef CORE_SLOT_POOL_H
#define CORE_SLOT_POOL_H

#include "core/list.h"
#include "core/memory.h"

struct slot_header {
    uint64_t id; /* 0 while free */
    uint32_t generation;
    uint32_t number;
    struct list_link list; /* the queue of free slots; the user's while in use */
};

struct slot_pool {
    const struct core_memory *memory;
    uint8_t **chunks; /* directory */
    uint32_t chunk_limit;
    uint32_t chunks_used;
    uint32_t slot_size;
    uint32_t limit; /* most slots in use */
    uint32_t used;
    struct list_link free;
};

/* slot_size: with the header, a multiple of 16. false: no memory, nothing kept. */
bool slot_pool_init(struct slot_pool *pool, const struct core_memory *memory, uint32_t slot_size, uint32_t limit);
void slot_pool_cleanup(struct slot_pool *pool);

bool slot_pool_is_full(const struct slot_pool *pool);

/* A slot zeroed behind its header, with a new id; NULL when full or out of memory. */
struct slot_header *slot_pool_take(struct slot_pool *pool);
void slot_pool_give(struct slot_pool *pool, struct slot_header *slot);

/* The slot in use that has this id, or NULL. */
struct slot_header *slot_pool_find(const struct slot_pool *pool, uint64_t id);

/* The first slot in use whose number is *number or above, and *number is one behind it; NULL: none up to that one.
 * Looks at no more than *steps slots, and counts them down; SLOT_POOL_END in *number: there are no more. */
struct slot_header *slot_pool_next(const struct slot_pool *pool, uint32_t *number, uint32_t *steps);
#define SLOT_POOL_END UINT32_MAX

#endif
