/* SPDX-License-Identifier: MIT */
/*
 * group_index.h - finds all members that share a key, without walking over anybody else.
 *
 * A plain hash chain would make one lookup walk over ten thousand held connections of one program
 * to one destination to find another key in the same bucket. Here one member of each group, the
 * leader, stands in the hash index; the others hang in a ring at it. Inserting, removing and
 * finding a group cost the same however large groups are.
 *
 * The caller's lock is held for every call.
 */
#ifndef CORE_GROUP_INDEX_H
#define CORE_GROUP_INDEX_H

#include "core/hash_index.h"
#include "core/list.h"

struct group_link {
    struct hash_node node; /* in the index if this is the leader */
    struct list_link ring; /* all members */
    bool leader;
    bool member;
};

/* Does link belong to the group of key? */
typedef bool group_matches(const struct group_link *link, const void *key);

struct group_index {
    struct hash_index hash;
    group_matches *matches;
};

bool group_index_init(struct group_index *index, const struct core_memory *memory, uint32_t item_limit, uint64_t seed,
                      group_matches *matches);
void group_index_cleanup(struct group_index *index);

/* link is zeroed or was removed; it joins the end of key's group. */
void group_index_insert(struct group_index *index, struct group_link *link, uint32_t hash, const void *key);

/* Harmless when link is in no group. */
void group_index_remove(struct group_index *index, struct group_link *link);

/* The leader, or NULL. Walk the group with group_next until it returns NULL. */
struct group_link *group_index_find(const struct group_index *index, uint32_t hash, const void *key);
struct group_link *group_next(const struct group_link *leader, const struct group_link *link);

#endif
