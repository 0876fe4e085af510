/* SPDX-License-Identifier: MIT */
/*
 * pool.h - what the files of the pool agree on: the header of a block, where special blocks come from, and where
 * freed ones wait.
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
    uint8_t red_zone;  /* bytes of NT_POOL_GUARD behind the block */
    const void *from;  /* the code that allocated it */
    uint64_t reserved; /* the size stays a multiple of 16 */
    uint64_t guard;    /* NT_POOL_GUARDS: right before the block */
};

#define NT_POOL_GUARD  0xa5
#define NT_POOL_GUARDS 0xa5a5a5a5a5a5a5a5ull
#define NT_POOL_FREED  0xf5 /* what a freed block is filled with while the verifier is on */

/* Printable, NUL-terminated; gives text back. */
const char *nt_pool_tag_text(ULONG tag, char text[5]);

/*
 * The header of a new special block for this code, or NULL: the special pool is not on for it, or full (told once).
 * All but base is the caller's to set. Any thread, any IRQL.
 */
struct nt_pool_header *nt_special_take(size_t size, bool zero, const void *from);
void *nt_special_block(struct nt_pool_header *header);

/* The header of the special block at this address, live or freed. NULL: none ever began there. */
struct nt_pool_header *nt_special_find(const void *block);
bool nt_special_holds(const void *address);

/* Nobody may touch it from now on. Reports what was written beside it. */
void nt_special_give(struct nt_pool_header *header, const char *routine, const void *from);
/* Begins at its first page again, as the process did, when no block is live. */
void nt_special_reset(void);

/* Tag, size, where it was allocated and freed: for reports. Gives text back. */
const char *nt_special_tell(const struct nt_pool_header *header, char *text, size_t size);

/* Where the pool routine that runs was called from, which returns to address. */
static inline const void *nt_pool_caller(const void *address)
{
    return nt_self.pool_caller != NULL ? nt_self.pool_caller : address;
}

/* The first byte that is not value any more, or NULL. */
const char *nt_pool_spoilt(const char *start, size_t size, uint8_t value);

/*
 * ex/quarantine.c. Freed memory waits in a small ring before malloc gets it back. What was filled when it came is
 * looked at when it goes: a change is violation "pool-use-after-free" or "irp-used-after-completion".
 */
enum nt_quarantine_kind { NT_QUARANTINE_PLAIN, NT_QUARANTINE_POOL, NT_QUARANTINE_CALL, NT_QUARANTINE_BUFFER };
void nt_quarantine_put(void *memory, enum nt_quarantine_kind kind); /* of pool: its header */

void nt_quarantine_reset(void); /* gives all back without a look */

/* ex/system_buffer.c */
#define NT_SYSTEM_BUFFER_TAG 'BSoI'
void nt_system_buffer_check(void *quarantined);

#endif
