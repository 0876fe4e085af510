/* SPDX-License-Identifier: MIT */
/*
 * set_store.h - the sets of a policy, each distinct one once, as gatehouse/rules.h lays them out.
 *
 * A hundred thousand rules name the same few ports and lists again and again. Numbers count in the order of adding;
 * compile.c renumbers them by kind.
 */
#ifndef POLICY_SET_STORE_H
#define POLICY_SET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"
#include "policy/bytes.h"

#define SET_STORE_NONE UINT32_MAX

/* Zeroed: empty. */
struct set_store {
    struct bytes sets;    /* struct gatehouse_set and ranges, one behind the other */
    struct bytes offsets; /* uint32_t each: where a set is */
    uint32_t *slots;      /* hash table of numbers + 1 */
    uint32_t slot_count, count;
    bool failed;
};

/* ranges: joined, of that kind. SET_STORE_NONE: out of memory, or more sets or bytes than an image may have. */
uint32_t set_store_put(struct set_store *store, uint16_t kind, const void *ranges, uint32_t count);
const struct gatehouse_set *set_store_at(const struct set_store *store, uint32_t number);
void set_store_cleanup(struct set_store *store);

/* Bytes of one range. */
uint32_t set_range_size(uint16_t kind);

#endif
