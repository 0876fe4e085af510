/* SPDX-License-Identifier: MIT */
/*
 * in_use.c - see in_use.h.
 */
#include "nt/verify/in_use.h"

#include "nt/internal.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

static const struct {
    const void *(*find)(const void *start, size_t size);
    int most; /* 1: what is found stays where it is */
    const char *what;
} kinds[] = {
    {nt_timer_take_within, 16, "a timer that is set"},
    {nt_dpc_take_within, 16, "a DPC that is queued"},
    {nt_awaited_take_within, 16, "an object that a thread waits for"},
    {nt_work_context_within, 1, "the context of a work item that is queued"},
    {nt_irp_queue_within, 1, "the queue of an IRP that is pended"},
};

void nt_memory_freed(const void *start, size_t size, const char *routine)
{
    nt_locks_freed(start, size, routine);
    for (size_t kind = 0; kind < RTL_NUMBER_OF(kinds); kind++) {
        const void *found;
        for (int tries = 0; tries < kinds[kind].most && (found = kinds[kind].find(start, size)) != NULL; tries++) {
            nt_about(NT_BEGAN_OBJECT, (uintptr_t)found);
            nt_violate("pool-freed-in-use", routine, "%s lies at byte %td of the memory", kinds[kind].what,
                       (const char *)found - (const char *)start);
        }
    }
}
