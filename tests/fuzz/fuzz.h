/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzz targets share: taking values out of the input, and saying what does not hold.
 *
 * A target is one file with LLVMFuzzerTestOneInput. Linked with replay.c it replays files; built by clang with
 * -fsanitize=fuzzer it searches (tools/fuzz). It leaves nothing behind from one input to the next. docs/fuzzing.md
 * lists the targets; a new one has its row there, in meson.build and in tools/fuzz.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The oracle's last word. The text begins with "fuzz:", by which tests tell it from any other crash. */
#define fuzz_check(holds) ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))

_Noreturn static inline void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "fuzz: %s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* The input, taken from its front. Behind its end there are zeros. */
struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
};

static inline uint64_t fuzz_number(struct fuzz_bytes *bytes, unsigned size)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < size && bytes->left != 0; i++) {
        number |= (uint64_t)*bytes->at++ << (8 * i);
        bytes->left--;
    }
    return number;
}

static inline uint8_t fuzz_byte(struct fuzz_bytes *bytes)
{
    return (uint8_t)fuzz_number(bytes, 1);
}

static inline unsigned fuzz_below(struct fuzz_bytes *bytes, unsigned limit)
{
    return (unsigned)fuzz_number(bytes, limit > 256 ? 2 : 1) % limit;
}

/* At most size bytes; how many. */
static inline size_t fuzz_take(struct fuzz_bytes *bytes, size_t size, const uint8_t **taken)
{
    if (size > bytes->left)
        size = bytes->left;
    *taken = bytes->at;
    bytes->at += size;
    bytes->left -= size;
    return size;
}

#endif
