/* SPDX-License-Identifier: MIT */
/*
 * hash_index.c - see hash_index.h. Bucket b of a key is its hash modulo the doubled round size, or
 * modulo the round size where that bucket does not exist yet.
 */
#include "core/hash_index.h"

#define SEGMENT_SHIFT 12u
#define SEGMENT_SIZE  (1u << SEGMENT_SHIFT)
#define SEGMENT_BYTES (SEGMENT_SIZE * sizeof(struct hash_node *))
/* Few at first, however much memory is there: they stay in the processor's cache. */
#define FIRST_LEVEL 8u

static struct hash_node **bucket_at(const struct hash_index *index, uint32_t bucket)
{
    return &index->segments[bucket >> SEGMENT_SHIFT][bucket & (SEGMENT_SIZE - 1u)];
}

static struct hash_node **bucket_of(const struct hash_index *index, uint32_t hash)
{
    uint32_t bucket = hash & ((2u << index->level) - 1u);

    if (bucket >= (1u << index->level) + index->split)
        bucket = hash & ((1u << index->level) - 1u);
    return bucket_at(index, bucket);
}

static void chain_push(struct hash_node **head, struct hash_node *node)
{
    node->next = *head;
    node->link = head;
    if (node->next != NULL)
        node->next->link = &node->next;
    *head = node;
}

static void chain_unlink(struct hash_node *node)
{
    *node->link = node->next;
    if (node->next != NULL)
        node->next->link = node->link;
    node->next = NULL;
    node->link = NULL;
}

bool hash_index_init(struct hash_index *index, const struct core_memory *memory, uint32_t item_limit, uint64_t seed)
{
    uint32_t segments = item_limit / SEGMENT_SIZE + 1u;

    memset(index, 0, sizeof(*index));
    index->segments = memory->allocate(memory->context, segments * sizeof(*index->segments));
    if (index->segments == NULL)
        return false;
    index->segments[0] = memory->allocate(memory->context, SEGMENT_BYTES);
    if (index->segments[0] == NULL) {
        memory->release(memory->context, index->segments, segments * sizeof(*index->segments));
        index->segments = NULL;
        return false;
    }
    index->memory = memory;
    index->segment_limit = segments;
    index->level = FIRST_LEVEL;
    index->seed = seed;
    return true;
}

void hash_index_cleanup(struct hash_index *index)
{
    if (index->segments == NULL)
        return;
    for (uint32_t i = 0; i < index->segment_limit; i++) {
        if (index->segments[i] != NULL)
            index->memory->release(index->memory->context, index->segments[i], SEGMENT_BYTES);
    }
    index->memory->release(index->memory->context, index->segments, index->segment_limit * sizeof(*index->segments));
    memset(index, 0, sizeof(*index));
}

/* Splits one bucket if there is more than one node a bucket; without memory the index stays as it is. */
static void grow(struct hash_index *index)
{
    uint32_t fresh = (1u << index->level) + index->split;
    uint32_t segment = fresh >> SEGMENT_SHIFT;

    if (index->count <= fresh || segment >= index->segment_limit)
        return;
    if (index->segments[segment] == NULL) {
        index->segments[segment] = index->memory->allocate(index->memory->context, SEGMENT_BYTES);
        if (index->segments[segment] == NULL)
            return;
    }

    struct hash_node *node = *bucket_at(index, index->split);
    struct hash_node **high = bucket_at(index, fresh);
    while (node != NULL) {
        struct hash_node *next = node->next;
        if ((node->hash & (1u << index->level)) != 0) {
            chain_unlink(node);
            chain_push(high, node);
        }
        node = next;
    }
    index->split++;
    if (index->split == 1u << index->level) {
        index->level++;
        index->split = 0;
    }
}

void hash_index_insert(struct hash_index *index, struct hash_node *node, uint32_t hash)
{
    node->hash = hash;
    chain_push(bucket_of(index, hash), node);
    index->count++;
    grow(index);
}

void hash_index_remove(struct hash_index *index, struct hash_node *node)
{
    chain_unlink(node);
    index->count--;
}

static struct hash_node *same_hash(struct hash_node *node, uint32_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct hash_node *hash_index_first(const struct hash_index *index, uint32_t hash)
{
    return same_hash(*bucket_of(index, hash), hash);
}

struct hash_node *hash_index_next(const struct hash_node *node)
{
    return same_hash(node->next, node->hash);
}

uint64_t hash_add(uint64_t state, uint64_t word)
{
    state = (state ^ word) * 0x9E3779B97F4A7C15u;
    return state ^ (state >> 32);
}

uint64_t hash_add_bytes(uint64_t state, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    uint64_t word;

    for (; size >= sizeof(word); from += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, from, sizeof(word));
        state = hash_add(state, word);
    }
    word = (uint64_t)size << 56;
    memcpy(&word, from, size);
    return hash_add(state, word);
}

uint32_t hash_finish(uint64_t state)
{
    state = (state ^ (state >> 29)) * 0xBF58476D1CE4E5B9u;
    return (uint32_t)(state >> 32);
}
