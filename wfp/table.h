/* SPDX-License-Identifier: MIT */
/*
 * table.h - a hash table of 64-bit keys in 64 shards, each with its own lock.
 *
 * Nodes are embedded in their owners, so inserting never fails; a shard that cannot grow just gets
 * slower. Used for pended operations, flows, endpoints (classify path) and management objects.
 * No other lock of the engine is taken while a shard is held, except where a caller's comment says so.
 */
#ifndef WFP_TABLE_H
#define WFP_TABLE_H

#include "nt/leaf.h"

#include <ntddk.h>

#define WFP_SHARDS 64

struct wfp_node {
    struct wfp_node *next;
    UINT64 key;
};

struct wfp_shard {
    struct nt_short_lock lock;
    struct wfp_node **buckets; /* NULL until the first insert grew it: then first is the only chain */
    struct wfp_node *first;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
} __attribute__((aligned(64)));

struct wfp_table {
    struct wfp_shard shards[WFP_SHARDS];
};

/* Before first use. */
void wfp_table_init(struct wfp_table *table);

/* Frees bucket arrays; the table must be empty and stays usable. */
void wfp_table_trim(struct wfp_table *table);

/* Empty, without touching nodes or buckets: their memory is not the caller's any more. */
void wfp_table_forget(struct wfp_table *table);

struct wfp_shard *wfp_table_lock(struct wfp_table *table, UINT64 key);
void wfp_table_unlock(struct wfp_shard *shard);

/* With the key's shard locked. Keys need not be unique: find returns the newest, next the one before it. */
void wfp_shard_insert(struct wfp_shard *shard, struct wfp_node *node);
void wfp_shard_remove(struct wfp_shard *shard, struct wfp_node *node);
struct wfp_node *wfp_shard_find(struct wfp_shard *shard, UINT64 key);
struct wfp_node *wfp_node_next(struct wfp_node *node);

/* Without: lock, do, unlock. take finds and removes; NULL: none. */
void wfp_table_insert(struct wfp_table *table, struct wfp_node *node);
void wfp_table_remove(struct wfp_table *table, struct wfp_node *node);
struct wfp_node *wfp_table_take(struct wfp_table *table, UINT64 key);

/* For tearing down: all nodes, removed and chained by next. */
struct wfp_node *wfp_table_drain(struct wfp_table *table);

/* For tearing down: calls end with each key that is in the table now; end may change the table. */
void wfp_table_end_all(struct wfp_table *table, void (*end)(UINT64 key));

size_t wfp_table_count(struct wfp_table *table);

/* Calls each for every node, one shard locked at a time; each must not touch the table. */
void wfp_table_each(struct wfp_table *table, void (*each)(struct wfp_node *node, void *context), void *context);

#endif
