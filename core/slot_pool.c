/* SPDX-License-Identifier: MIT */
/*
 * slot_pool.c - see slot_pool.h.
 */
#include "core/slot_pool.h"

#define CHUNK_SLOTS 128u

static size_t directory_size(const struct slot_pool *pool)
{
    return pool->chunk_limit * sizeof(*pool->chunks);
}

bool slot_pool_init(struct slot_pool *pool, const struct core_memory *memory, uint32_t slot_size, uint32_t limit)
{
    memset(pool, 0, sizeof(*pool));
    pool->chunk_limit = limit / CHUNK_SLOTS + 1u;
    pool->chunks = memory->allocate(memory->context, directory_size(pool));
    if (pool->chunks == NULL)
        return false;
    pool->memory = memory;
    pool->slot_size = slot_size;
    pool->limit = limit;
    list_init(&pool->free);
    return true;
}

void slot_pool_cleanup(struct slot_pool *pool)
{
    if (pool->chunks == NULL)
        return;
    for (uint32_t i = 0; i < pool->chunks_used; i++)
        pool->memory->release(pool->memory->context, pool->chunks[i], (size_t)CHUNK_SLOTS * pool->slot_size);
    pool->memory->release(pool->memory->context, pool->chunks, directory_size(pool));
    memset(pool, 0, sizeof(*pool));
}

bool slot_pool_is_full(const struct slot_pool *pool)
{
    return pool->used >= pool->limit;
}

static struct slot_header *slot_at(const struct slot_pool *pool, uint32_t number)
{
    return (struct slot_header *)(void *)(pool->chunks[number / CHUNK_SLOTS] +
                                          (size_t)(number % CHUNK_SLOTS) * pool->slot_size);
}

static bool chunk_add(struct slot_pool *pool)
{
    uint32_t first = pool->chunks_used * CHUNK_SLOTS;

    if (pool->chunks_used == pool->chunk_limit)
        return false;
    pool->chunks[pool->chunks_used] =
        pool->memory->allocate(pool->memory->context, (size_t)CHUNK_SLOTS * pool->slot_size);
    if (pool->chunks[pool->chunks_used] == NULL)
        return false;
    pool->chunks_used++;
    for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
        struct slot_header *slot = slot_at(pool, first + i);
        slot->number = first + i;
        list_insert_last(&pool->free, &slot->list);
    }
    return true;
}

struct slot_header *slot_pool_take(struct slot_pool *pool)
{
    if (slot_pool_is_full(pool) || (list_is_empty(&pool->free) && !chunk_add(pool)))
        return NULL;

    struct slot_header *slot = core_container(list_first(&pool->free), struct slot_header, list);
    list_remove(&slot->list);
    memset((uint8_t *)slot + sizeof(*slot), 0, pool->slot_size - sizeof(*slot));
    slot->generation++;
    if (slot->generation == 0)
        slot->generation = 1;
    slot->id = (uint64_t)slot->generation << 32 | (slot->number + 1u);
    pool->used++;
    return slot;
}

void slot_pool_give(struct slot_pool *pool, struct slot_header *slot)
{
    slot->id = 0;
    list_insert_last(&pool->free, &slot->list);
    pool->used--;
}

struct slot_header *slot_pool_find(const struct slot_pool *pool, uint64_t id)
{
    uint32_t number = (uint32_t)id - 1u;

    if (id == 0 || number >= pool->chunks_used * CHUNK_SLOTS)
        return NULL;

    struct slot_header *slot = slot_at(pool, number);
    return slot->id == id ? slot : NULL;
}

struct slot_header *slot_pool_next(const struct slot_pool *pool, uint32_t *number, uint32_t *steps)
{
    uint32_t count = pool->chunks_used * CHUNK_SLOTS;

    while (*number < count && *steps != 0) {
        struct slot_header *slot = slot_at(pool, *number);

        ++*number;
        --*steps;
        if (slot->id != 0)
            return slot;
    }
    if (*number >= count)
        *number = SLOT_POOL_END;
    return NULL;
}
