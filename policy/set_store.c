/* SPDX-License-Identifier: MIT */
/*
 * set_store.c - see set_store.h.
 */
#include "policy/set_store.h"

#include <stdlib.h>
#include <string.h>

#include "core/rule_image.h"

#define FIRST_SLOTS 1024u

uint32_t set_range_size(uint16_t kind)
{
    if (kind == GATEHOUSE_SET_V4)
        return sizeof(struct gatehouse_range_v4);
    return kind == GATEHOUSE_SET_V6 ? sizeof(struct gatehouse_range_v6) : sizeof(struct gatehouse_range_port);
}

const struct gatehouse_set *set_store_at(const struct set_store *store, uint32_t number)
{
    const uint32_t *offsets = (const uint32_t *)(const void *)store->offsets.at;

    return (const struct gatehouse_set *)(const void *)(store->sets.at + offsets[number]);
}

/* Where the number of such a set stands, or would. */
static uint32_t find_slot(const struct set_store *store, const struct gatehouse_set *set)
{
    uint32_t slot = (uint32_t)rule_set_hash(set) & (store->slot_count - 1);

    while (store->slots[slot] != 0) {
        const struct gatehouse_set *other = set_store_at(store, store->slots[slot] - 1);

        if (other->size == set->size && memcmp(other, set, set->size) == 0)
            break;
        slot = (slot + 1) & (store->slot_count - 1);
    }
    return slot;
}

static bool grow(struct set_store *store)
{
    uint32_t count = store->slot_count == 0 ? FIRST_SLOTS : store->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof(*slots));

    if (slots == NULL)
        return false;
    free(store->slots);
    store->slots = slots;
    store->slot_count = count;
    for (uint32_t i = 0; i < store->count; i++)
        store->slots[find_slot(store, set_store_at(store, i))] = i + 1;
    return true;
}

uint32_t set_store_put(struct set_store *store, uint16_t kind, const void *ranges, uint32_t count)
{
    struct gatehouse_set header = {.kind = kind, .count = count};
    uint32_t used = (uint32_t)sizeof(header) + count * set_range_size(kind), slot, offset = (uint32_t)store->sets.size;

    if (store->failed || (store->count >= store->slot_count / 2 && !grow(store))) {
        store->failed = true;
        return SET_STORE_NONE;
    }
    header.size = (used + 7u) & ~7u;
    bytes_add(&store->sets, &header, sizeof(header));
    bytes_add(&store->sets, ranges, used - sizeof(header));
    bytes_pad(&store->sets);
    bytes_add(&store->offsets, &offset, sizeof(offset));
    if (store->sets.failed || store->offsets.failed || store->sets.size > GATEHOUSE_IMAGE_MAX_SIZE ||
        store->count == GATEHOUSE_SETS_MAX) {
        store->failed = true;
        return SET_STORE_NONE;
    }
    slot = find_slot(store, (const struct gatehouse_set *)(const void *)(store->sets.at + offset));
    if (store->slots[slot] != 0) {
        store->sets.size = offset;
        store->offsets.size -= sizeof(offset);
    } else {
        store->slots[slot] = ++store->count;
    }
    return store->slots[slot] - 1;
}

void set_store_cleanup(struct set_store *store)
{
    bytes_cleanup(&store->sets);
    bytes_cleanup(&store->offsets);
    free(store->slots);
    *store = (struct set_store){0};
}
