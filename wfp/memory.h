/* SPDX-License-Identifier: MIT */
/*
 * memory.h - the engine's pool memory, and deep copies of management structures in one block.
 *
 * All of it comes from ExAllocatePool2 (non-paged, zeroed, tag "wfpE"), so that the platform's fault
 * injection and leak accounting see it. Any thread, IRQL <= DISPATCH_LEVEL.
 */
#ifndef WFP_MEMORY_H
#define WFP_MEMORY_H

#include <ntddk.h>
#include <fwptypes.h>

#define WFP_TAG 'Epfw'

void *wfp_alloc(size_t size); /* zeroed; NULL: no memory */
void wfp_free(void *memory);  /* NULL is fine */

/* Never reused while the engine lives: sessions, filters, flows, pended operations all draw from here. Starts at 1. */
UINT64 wfp_next_id(void);
void wfp_restart_ids(void); /* a new life: nothing that has one is left */

/*
 * A block filled front to back. Run the same copying code twice: first with base NULL, which only
 * adds up the size (take returns NULL), then with a block of that size.
 */
struct wfp_arena {
    UINT8 *base;
    size_t used;
};

/* 8-byte aligned. NULL while measuring. */
void *wfp_arena_take(struct wfp_arena *arena, size_t size);

/* Copies size bytes; NULL while measuring or when size is 0. */
void *wfp_arena_copy(struct wfp_arena *arena, const void *source, size_t size);

/* Copies a NUL-terminated UTF-16 string; NULL stays NULL. */
wchar_t *wfp_arena_string(struct wfp_arena *arena, const wchar_t *source);

/* Copies what source is; the copy, or NULL while measuring. */
typedef void *wfp_arena_fill(struct wfp_arena *arena, const void *source);

/* Both passes: a block of *size bytes, which the caller frees; fill's copy, *copy, lies behind head bytes. NULL: no
 * memory. */
void *wfp_arena_build(wfp_arena_fill *fill, const void *source, size_t head, void **copy, size_t *size);

#endif
