/* SPDX-License-Identifier: MIT */
/*
 * memory.c - pool memory, ids and arenas. Called by every part of the engine; locks none.
 */
#include "wfp/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <nt/nt.h>

void *wfp_alloc(size_t size)
{
    static _Atomic(bool) told;

    if (!atomic_load_explicit(&told, memory_order_relaxed)) {
        nt_pool_keep_tag(WFP_TAG); /* flows and endpoints outlive the driver that saw them */
        atomic_store_explicit(&told, true, memory_order_relaxed);
    }
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, size, WFP_TAG);
}

void wfp_free(void *memory)
{
    if (memory != NULL)
        ExFreePoolWithTag(memory, WFP_TAG);
}

static _Atomic(UINT64) last;

void wfp_restart_ids(void)
{
    atomic_store_explicit(&last, 0, memory_order_relaxed);
}

UINT64 wfp_next_id(void)
{
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

void *wfp_arena_take(struct wfp_arena *arena, size_t size)
{
    size_t at = (arena->used + 7) & ~(size_t)7;

    arena->used = at + size;
    return arena->base == NULL ? NULL : arena->base + at;
}

void *wfp_arena_copy(struct wfp_arena *arena, const void *source, size_t size)
{
    void *copy;

    if (source == NULL || size == 0)
        return NULL;
    copy = wfp_arena_take(arena, size);
    if (copy != NULL)
        memcpy(copy, source, size);
    return copy;
}

wchar_t *wfp_arena_string(struct wfp_arena *arena, const wchar_t *source)
{
    size_t length = 0;

    if (source == NULL)
        return NULL;
    while (source[length] != 0)
        length++;
    return wfp_arena_copy(arena, source, (length + 1) * sizeof(wchar_t));
}

void *wfp_arena_build(wfp_arena_fill *fill, const void *source, size_t head, void **copy, size_t *size)
{
    struct wfp_arena arena = {0};

    wfp_arena_take(&arena, head);
    fill(&arena, source);
    *size = arena.used;
    arena.base = wfp_alloc(arena.used);
    if (arena.base == NULL)
        return NULL;
    arena.used = 0;
    wfp_arena_take(&arena, head);
    *copy = fill(&arena, source);
    return arena.base;
}
