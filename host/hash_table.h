/* SPDX-License-Identifier: MIT */
/*
 * hash_table.h - uthash as host/ uses it: an insertion that finds no memory is no end (the item's tbl is NULL then),
 * and keys, which are whole words here, are mixed word by word. uthash's own function takes three times as long, eight
 * times for each connection. Keys are compared whole, whatever they hash to.
 */
#ifndef HOST_HASH_TABLE_H
#define HOST_HASH_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline unsigned hash_table_mix(const void *key, size_t size)
{
    const uint8_t *bytes = key;
    uint64_t mixed = size;

    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = 0;

        memcpy(&word, bytes + at, size - at < sizeof(word) ? size - at : sizeof(word));
        mixed = (mixed ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        mixed ^= mixed >> 32;
    }
    return (unsigned)mixed;
}

#define HASH_NONFATAL_OOM                1
#define HASH_FUNCTION(key, size, hashed) ((hashed) = hash_table_mix(key, size))
#include <uthash.h>

#endif
