/* SPDX-License-Identifier: MIT */
/*
 * pool.h - what pool.c and special_pool.c agree on: the header of a block, and where special blocks come from.
 */
#ifndef NT_EX_POOL_H
#define NT_EX_POOL_H

#include "nt/internal.h"

struct nt_pool_header {
    uint64_t magic;
    LIST_ENTRY link;
    uint64_t serial;
    size_t size;
    void *base; /* what malloc gave; NULL: the block lies in the special pool */
    ULONG tag;
    uint16_t shard;
    bool paged;
    uint64_t reserved;
};

/* Printable, NUL-terminated; gives text back. */
const char *nt_pool_tag_text(ULONG tag, char text[5]);

/*
 * The header of a new special block, or NULL: the special pool is not on for this caller, or full (told once).
 * All but base is the caller's to set. Any thread, any IRQL.
 */
struct nt_pool_header *nt_special_take(size_t size, bool zero);
void *nt_special_block(struct nt_pool_header *header);

/* The header of the special block at this address, live or freed. NULL: none ever began there. */
struct nt_pool_header *nt_special_find(const void *block);
bool nt_special_holds(const void *address);

/* Nobody may touch it from now on. Reports what was written beside it. */
void nt_special_give(struct nt_pool_header *header, const char *routine);

/* Tag, size, where it was allocated and freed: for reports. Gives text back. */
const char *nt_special_tell(const struct nt_pool_header *header, char *text, size_t size);

#endif
