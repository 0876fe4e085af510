/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - a block of bytes that grows, and strings that live as long as their owner. Out of memory is remembered:
 * whoever fills one asks bytes_good once, at the end.
 */
#ifndef POLICY_BYTES_H
#define POLICY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. */
struct bytes {
    uint8_t *at;
    size_t size, capacity;
    bool failed;
};

/* Room for size bytes more, counted in already and not zeroed; NULL: out of memory. Moves what was there. */
void *bytes_grow(struct bytes *bytes, size_t size);
void bytes_add(struct bytes *bytes, const void *more, size_t size);
/* Zeros up to the next multiple of 8. */
void bytes_pad(struct bytes *bytes);
void bytes_cleanup(struct bytes *bytes);

/* Text: as printf, without a NUL. */
void bytes_print(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes as a string of malloc, which the caller frees; bytes is empty then. NULL: something failed. */
char *bytes_string(struct bytes *bytes);

/* Blocks that never move and are freed together. */
struct arena {
    struct arena_block *blocks;
    bool failed;
};

void *arena_take(struct arena *arena, size_t size); /* aligned to 8, not zeroed; NULL: out of memory */
char *arena_copy(struct arena *arena, const char *text, size_t size); /* with a NUL behind it */
void arena_cleanup(struct arena *arena);

#endif
