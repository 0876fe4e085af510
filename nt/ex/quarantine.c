/* SPDX-License-Identifier: MIT */
/*
 * quarantine.c - freed memory that stays out of use for a while.
 *
 * A second free or completion is then recognised in every build. While the verifier is on, pool blocks and completed
 * IRPs come here filled, and what wrote to them since is found when they leave, or when nt_quarantine_check looks.
 * The kind is kept in the low bits of the ring's pointers.
 * Pages: Driver Verifier, "Special Pool", "I/O Verification"; wdm.h ExFreePoolWithTag, IoCompleteRequest.
 */
#include "nt/ex/pool.h"
#include "nt/sanitize.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

#define RING  256u
#define KINDS 3u

static void *ring[RING];
static unsigned ring_next;

static void check_pool(struct nt_pool_header *header)
{
    char tag[5];
    uintptr_t block = (uintptr_t)(header + 1);
    const char *bytes = (const char *)(header + 1);
    const char *changed = NT_SANITIZED ? NULL : nt_pool_spoilt(bytes, header->size, NT_POOL_FREED);
    if (changed == NULL)
        return;
    nt_about(NT_FREED_BLOCK, block);
    nt_violate("pool-use-after-free", "ExFreePoolWithTag",
               "byte %td of a block of %zu bytes with tag '%s' was written after the block was freed", changed - bytes,
               header->size, nt_pool_tag_text(header->tag, tag));
    memset(header + 1, NT_POOL_FREED, header->size);
}

static void check(void *entry)
{
    void *memory = (char *)entry - ((uintptr_t)entry & KINDS);
    if (((uintptr_t)entry & KINDS) == NT_QUARANTINE_POOL)
        check_pool(memory);
    else if (((uintptr_t)entry & KINDS) == NT_QUARANTINE_CALL)
        nt_call_check_untouched(memory);
    else if (((uintptr_t)entry & KINDS) == NT_QUARANTINE_BUFFER)
        nt_system_buffer_check(memory);
}

static void give_back(void *entry)
{
    if (entry == NULL)
        return;
    void *memory = (char *)entry - ((uintptr_t)entry & KINDS);
    if (((uintptr_t)entry & KINDS) == NT_QUARANTINE_POOL)
        memory = ((struct nt_pool_header *)memory)->base;
    free(memory);
}

static void leave(void *entry)
{
    if (((uintptr_t)entry & KINDS) == NT_QUARANTINE_PLAIN) {
        free(entry);
        return;
    }
    check(entry);
    give_back(entry);
}

void nt_quarantine_put(void *memory, enum nt_quarantine_kind kind)
{
    unsigned at = __atomic_fetch_add(&ring_next, 1, __ATOMIC_RELAXED) % RING;
    leave(__atomic_exchange_n(&ring[at], (char *)memory + kind, __ATOMIC_ACQ_REL));
}

/* Out of the ring while it is looked at: a thread that just ends may put its own there, and give this one back. */
static void check_at(unsigned at)
{
    void *free_place = NULL;
    void *entry = __atomic_exchange_n(&ring[at], NULL, __ATOMIC_ACQ_REL);
    if (entry == NULL)
        return;
    check(entry);
    if (!__atomic_compare_exchange_n(&ring[at], &free_place, entry, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        give_back(entry);
}

void nt_quarantine_check(bool emptied)
{
    for (unsigned at = 0; at < RING; at++) {
        if (emptied)
            leave(__atomic_exchange_n(&ring[at], NULL, __ATOMIC_ACQ_REL));
        else
            check_at(at);
    }
}

void nt_quarantine_reset(void)
{
    unsigned used = __atomic_exchange_n(&ring_next, 0, __ATOMIC_RELAXED);
    for (unsigned at = 0; at < RING && at < used; at++)
        give_back(__atomic_exchange_n(&ring[at], NULL, __ATOMIC_ACQ_REL));
}
