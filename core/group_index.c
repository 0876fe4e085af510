/* SPDX-License-Identifier: MIT */
/*
 * group_index.c - see group_index.h.
 */
#include "core/group_index.h"

bool group_index_init(struct group_index *index, const struct core_memory *memory, uint32_t item_limit, uint64_t seed,
                      group_matches *matches)
{
    index->matches = matches;
    return hash_index_init(&index->hash, memory, item_limit, seed);
}

void group_index_cleanup(struct group_index *index)
{
    hash_index_cleanup(&index->hash);
}

void group_index_insert(struct group_index *index, struct group_link *link, uint32_t hash, const void *key)
{
    struct group_link *leader = group_index_find(index, hash, key);

    link->member = true;
    link->leader = leader == NULL;
    if (leader != NULL) {
        list_insert_last(&leader->ring, &link->ring);
        link->node.hash = hash;
    } else {
        list_init(&link->ring);
        hash_index_insert(&index->hash, &link->node, hash);
    }
}

void group_index_remove(struct group_index *index, struct group_link *link)
{
    if (!link->member)
        return;
    link->member = false;
    if (link->leader) {
        struct list_link *next = list_first(&link->ring);
        hash_index_remove(&index->hash, &link->node);
        link->leader = false;
        if (next != NULL) {
            struct group_link *heir = core_container(next, struct group_link, ring);
            heir->leader = true;
            hash_index_insert(&index->hash, &heir->node, heir->node.hash);
        }
    }
    list_remove(&link->ring);
}

struct group_link *group_index_find(const struct group_index *index, uint32_t hash, const void *key)
{
    for (struct hash_node *node = hash_index_first(&index->hash, hash); node != NULL; node = hash_index_next(node)) {
        struct group_link *link = core_container(node, struct group_link, node);
        if (index->matches(link, key))
            return link;
    }
    return NULL;
}

struct group_link *group_next(const struct group_link *leader, const struct group_link *link)
{
    return link->ring.next == &leader->ring ? NULL : core_container(link->ring.next, struct group_link, ring);
}
