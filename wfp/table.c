/* SPDX-License-Identifier: MIT */
/*
 * table.c - sharded hash table with embedded nodes. See table.h for locks.
 */
#include "wfp/table.h"
#include "wfp/memory.h"

#include <string.h>

static UINT64 mix(UINT64 key)
{
    key *= 0x9e3779b97f4a7c15ull;
    return key ^ (key >> 29);
}

static struct wfp_node **chain(struct wfp_shard *shard, UINT64 key)
{
    return shard->bucket_count == 0 ? &shard->first : &shard->buckets[(mix(key) >> 8) & (shard->bucket_count - 1)];
}

void wfp_table_init(struct wfp_table *table)
{
    memset(table, 0, sizeof(*table));
}

void wfp_table_trim(struct wfp_table *table)
{
    for (size_t i = 0; i < WFP_SHARDS; i++) {
        struct wfp_shard *shard = &table->shards[i];

        nt_short_acquire(&shard->lock);
        if (shard->count == 0) {
            wfp_free(shard->buckets);
            shard->buckets = NULL;
            shard->bucket_count = 0;
            shard->first = NULL;
        }
        nt_short_release(&shard->lock);
    }
}

void wfp_table_forget(struct wfp_table *table)
{
    for (size_t i = 0; i < WFP_SHARDS; i++) {
        struct wfp_shard *shard = &table->shards[i];

        shard->buckets = NULL;
        shard->first = NULL;
        shard->bucket_count = shard->count = 0;
    }
}

struct wfp_shard *wfp_table_lock(struct wfp_table *table, UINT64 key)
{
    struct wfp_shard *shard = &table->shards[mix(key) & (WFP_SHARDS - 1)];

    nt_short_acquire(&shard->lock);
    return shard;
}

void wfp_table_unlock(struct wfp_shard *shard)
{
    nt_short_release(&shard->lock);
}

static void grow(struct wfp_shard *shard)
{
    size_t bucket_count = shard->bucket_count == 0 ? 16 : shard->bucket_count * 4;
    struct wfp_node **buckets = wfp_alloc(bucket_count * sizeof(*buckets));
    struct wfp_shard old = *shard;

    if (buckets == NULL)
        return;
    shard->buckets = buckets;
    shard->bucket_count = bucket_count;
    for (size_t i = 0; i < (old.bucket_count == 0 ? 1 : old.bucket_count); i++) {
        struct wfp_node *node = old.bucket_count == 0 ? old.first : old.buckets[i];
        struct wfp_node *reversed = NULL;

        /* Twice turned round: equal keys keep their order. */
        while (node != NULL) {
            struct wfp_node *next = node->next;

            node->next = reversed;
            reversed = node;
            node = next;
        }
        while (reversed != NULL) {
            struct wfp_node *next = reversed->next;
            struct wfp_node **head = chain(shard, reversed->key);

            reversed->next = *head;
            *head = reversed;
            reversed = next;
        }
    }
    shard->first = NULL;
    wfp_free(old.buckets);
}

void wfp_shard_insert(struct wfp_shard *shard, struct wfp_node *node)
{
    struct wfp_node **head;

    if (shard->count >= (shard->bucket_count == 0 ? 4 : shard->bucket_count * 2))
        grow(shard);
    head = chain(shard, node->key);
    node->next = *head;
    *head = node;
    shard->count++;
}

void wfp_shard_remove(struct wfp_shard *shard, struct wfp_node *node)
{
    for (struct wfp_node **link = chain(shard, node->key); *link != NULL; link = &(*link)->next) {
        if (*link == node) {
            *link = node->next;
            node->next = NULL;
            shard->count--;
            return;
        }
    }
}

struct wfp_node *wfp_shard_find(struct wfp_shard *shard, UINT64 key)
{
    struct wfp_node *node = *chain(shard, key);

    while (node != NULL && node->key != key)
        node = node->next;
    return node;
}

struct wfp_node *wfp_node_next(struct wfp_node *node)
{
    UINT64 key = node->key;

    do
        node = node->next;
    while (node != NULL && node->key != key);
    return node;
}

void wfp_table_insert(struct wfp_table *table, struct wfp_node *node)
{
    struct wfp_shard *shard = wfp_table_lock(table, node->key);

    wfp_shard_insert(shard, node);
    wfp_table_unlock(shard);
}

void wfp_table_remove(struct wfp_table *table, struct wfp_node *node)
{
    struct wfp_shard *shard = wfp_table_lock(table, node->key);

    wfp_shard_remove(shard, node);
    wfp_table_unlock(shard);
}

struct wfp_node *wfp_table_take(struct wfp_table *table, UINT64 key)
{
    struct wfp_shard *shard = wfp_table_lock(table, key);
    struct wfp_node *node = wfp_shard_find(shard, key);

    if (node != NULL)
        wfp_shard_remove(shard, node);
    wfp_table_unlock(shard);
    return node;
}

struct wfp_node *wfp_table_drain(struct wfp_table *table)
{
    struct wfp_node *drained = NULL;

    for (size_t i = 0; i < WFP_SHARDS; i++) {
        struct wfp_shard *shard = &table->shards[i];

        nt_short_acquire(&shard->lock);
        for (size_t j = 0; j < (shard->bucket_count == 0 ? 1 : shard->bucket_count); j++) {
            struct wfp_node **head = shard->bucket_count == 0 ? &shard->first : &shard->buckets[j];

            while (*head != NULL) {
                struct wfp_node *node = *head;

                *head = node->next;
                node->next = drained;
                drained = node;
            }
        }
        shard->count = 0;
        nt_short_release(&shard->lock);
    }
    return drained;
}

/* The keys of one bucket at a time, on the stack: nothing to allocate. */
static size_t bucket_keys(struct wfp_shard *shard, size_t bucket, UINT64 *keys, size_t room)
{
    size_t count = 0;

    nt_short_acquire(&shard->lock);
    struct wfp_node *node = shard->bucket_count == 0       ? shard->first
                            : bucket < shard->bucket_count ? shard->buckets[bucket]
                                                           : NULL;
    for (; node != NULL && count < room; node = node->next)
        keys[count++] = node->key;
    nt_short_release(&shard->lock);
    return count;
}

void wfp_table_end_all(struct wfp_table *table, void (*end)(UINT64 key))
{
    UINT64 keys[16];
    size_t count;

    for (size_t i = 0; i < WFP_SHARDS; i++) {
        struct wfp_shard *shard = &table->shards[i];

        for (size_t bucket = 0; bucket == 0 || bucket < shard->bucket_count; bucket++) {
            /* What end leaves in the bucket would come again: only while it shrinks. */
            for (size_t last = (size_t)-1; (count = bucket_keys(shard, bucket, keys, 16)) != 0; last = shard->count) {
                if (shard->count >= last)
                    break;
                for (size_t k = 0; k < count; k++)
                    end(keys[k]);
            }
        }
    }
}

size_t wfp_table_count(struct wfp_table *table)
{
    size_t count = 0;

    for (size_t i = 0; i < WFP_SHARDS; i++) {
        nt_short_acquire(&table->shards[i].lock);
        count += table->shards[i].count;
        nt_short_release(&table->shards[i].lock);
    }
    return count;
}

void wfp_table_each(struct wfp_table *table, void (*each)(struct wfp_node *node, void *context), void *context)
{
    for (size_t i = 0; i < WFP_SHARDS; i++) {
        struct wfp_shard *shard = &table->shards[i];

        nt_short_acquire(&shard->lock);
        for (struct wfp_node *node = shard->first; node != NULL; node = node->next)
            each(node, context);
        for (size_t j = 0; j < shard->bucket_count; j++)
            for (struct wfp_node *node = shard->buckets[j]; node != NULL; node = node->next)
                each(node, context);
        nt_short_release(&shard->lock);
    }
}
