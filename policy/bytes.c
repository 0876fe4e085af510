/* SPDX-License-Identifier: MIT */
/*
 * bytes.c - see bytes.h.
 */
#include "policy/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256u
#define BLOCK_SIZE     16384u

void *bytes_grow(struct bytes *bytes, size_t size)
{
    uint8_t *place;

    if (bytes->failed || size > SIZE_MAX / 2 - bytes->size) {
        bytes->failed = true;
        return NULL;
    }
    if (bytes->at == NULL || bytes->capacity - bytes->size < size) {
        size_t capacity = bytes->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : bytes->capacity + bytes->capacity / 2;

        if (capacity < bytes->size + size)
            capacity = bytes->size + size;
        place = realloc(bytes->at, capacity);
        if (place == NULL) {
            bytes->failed = true;
            return NULL;
        }
        bytes->at = place;
        bytes->capacity = capacity;
    }
    place = bytes->at + bytes->size;
    bytes->size += size;
    return place;
}

void bytes_add(struct bytes *bytes, const void *more, size_t size)
{
    void *place = bytes_grow(bytes, size);

    if (place != NULL && size != 0)
        memcpy(place, more, size);
}

void bytes_pad(struct bytes *bytes)
{
    static const uint8_t zeros[8] = {0};

    bytes_add(bytes, zeros, (8 - bytes->size % 8) % 8);
}

void bytes_cleanup(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

void bytes_print(struct bytes *bytes, const char *format, ...)
{
    char text[512];
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (length < 0 || (size_t)length >= sizeof(text))
        bytes->failed = true;
    else
        bytes_add(bytes, text, (size_t)length);
}

char *bytes_string(struct bytes *bytes)
{
    char *text;

    bytes_add(bytes, "", 1);
    text = bytes->failed ? NULL : (char *)bytes->at;
    if (text == NULL)
        free(bytes->at);
    *bytes = (struct bytes){0};
    return text;
}

struct arena_block {
    struct arena_block *next;
    size_t used, size;
};

void *arena_take(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->blocks;
    void *place;

    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size = (size + 7u) & ~(size_t)7u;
    if (block == NULL || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = malloc(sizeof(*block) + room);
        if (block == NULL) {
            arena->failed = true;
            return NULL;
        }
        *block = (struct arena_block){arena->blocks, 0, room};
        arena->blocks = block;
    }
    place = (uint8_t *)(block + 1) + block->used;
    block->used += size;
    return place;
}

char *arena_copy(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_take(arena, size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

void arena_cleanup(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    arena->failed = false;
}
