/* SPDX-License-Identifier: MIT */
/*
 * system_buffer.c - the one buffer of a device control, which carries the input in and the output out.
 *
 * For a driver binary it comes from the special pool while that is on: tag IoSB, "allocated at" the dispatch routine it
 * is for, gone when its IRP is completed. While the verifier is on, so does every driver's; where the special pool is
 * off, the buffer has a zone behind it that is looked at when the IRP is completed, and then waits in the quarantine.
 * Pages: "Buffer Descriptions for I/O Control Codes"; "Failure to Check the Size of Buffers".
 */
#include "nt/ex/pool.h"
#include "nt/foreign.h"
#include "nt/sanitize.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

/*
 * A decider asks with the same large one again and again, too large for malloc's cache of
 * freed blocks, so the last of about that size is kept; not under ASan, which is to see each use after free.
 */
#define KEPT_LEAST 8193u
#define KEPT_MOST  16384u
#define RED_ZONE   16u
#define GUARDED    0x10000u /* the largest that waits in the quarantine */

struct system_buffer {
    DECLSPEC_ALIGN(16) size_t size;
    size_t guarded; /* the verifier was on: bytes in front of the zone behind it; 0: there is none */
};
static struct system_buffer *kept;

static bool is_kept_size(size_t size)
{
    return !NT_SANITIZED && size >= KEPT_LEAST && size <= KEPT_MOST;
}

static void *guarded_new(size_t size)
{
    struct system_buffer *buffer = malloc(sizeof *buffer + size + RED_ZONE);
    if (buffer == NULL)
        return NULL;
    buffer->size = buffer->guarded = size;
    memset((char *)(buffer + 1) + size, NT_POOL_GUARD, RED_ZONE);
    NT_POISON((char *)(buffer + 1) + size, RED_ZONE);
    return buffer + 1;
}

static void *buffer_new(size_t size)
{
    struct system_buffer *buffer = NULL;
    if (size > SIZE_MAX - sizeof *buffer)
        return NULL;
    if (NT_VERIFYING && size <= GUARDED)
        return guarded_new(size);
    if (is_kept_size(size)) {
        size = KEPT_MOST;
        buffer = __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQUIRE);
    }
    if (buffer == NULL)
        buffer = malloc(sizeof *buffer + size);
    if (buffer == NULL)
        return NULL;
    buffer->size = size;
    buffer->guarded = 0;
    return buffer + 1;
}

static void guarded_free(struct system_buffer *buffer)
{
    char *bytes = (char *)(buffer + 1);
    const char *over = NT_SANITIZED ? NULL : nt_pool_spoilt(bytes + buffer->guarded, RED_ZONE, NT_POOL_GUARD);
    if (over != NULL)
        nt_violate("pool-overrun", "IoCompleteRequest",
                   "byte %td of the system buffer of a device control was written, which has %zu bytes", over - bytes,
                   buffer->guarded);
    if (!NT_SANITIZED)
        memset(bytes, NT_POOL_FREED, buffer->guarded);
    NT_POISON(bytes, buffer->guarded);
    nt_quarantine_put(buffer, NT_QUARANTINE_BUFFER);
}

void nt_system_buffer_check(void *quarantined)
{
    struct system_buffer *buffer = quarantined;
    const char *bytes = (const char *)(buffer + 1);
    const char *changed = NT_SANITIZED ? NULL : nt_pool_spoilt(bytes, buffer->guarded, NT_POOL_FREED);
    if (changed == NULL)
        return;
    nt_about(NT_COMPLETED_IRP, (uintptr_t)bytes);
    nt_violate("irp-used-after-completion", "IoCompleteRequest",
               "byte %td of its system buffer of %zu bytes was written after the IRP was completed", changed - bytes,
               buffer->guarded);
    memset(buffer + 1, NT_POOL_FREED, buffer->guarded);
}

static void buffer_free(void *memory)
{
    struct system_buffer *buffer = memory == NULL ? NULL : (struct system_buffer *)memory - 1;
    if (buffer != NULL && buffer->guarded != 0) {
        guarded_free(buffer);
        return;
    }
    if (buffer != NULL && is_kept_size(buffer->size))
        buffer = __atomic_exchange_n(&kept, buffer, __ATOMIC_ACQ_REL);
    free(buffer);
}

void *nt_system_buffer_new(size_t size, PDRIVER_DISPATCH dispatch)
{
    const void *code = (const void *)(uintptr_t)dispatch;
    bool special = NT_IS_FOREIGN(dispatch) || (NT_VERIFYING && nt_is_driver_code(code));
    struct nt_pool_header *header = special ? nt_special_take(size, false, code) : NULL;
    if (header == NULL)
        return buffer_new(size);
    header->size = size;
    header->tag = NT_SYSTEM_BUFFER_TAG;
    if (NT_VERIFYING)
        nt_begin(NT_BEGAN_BLOCK, (uintptr_t)nt_special_block(header));
    return nt_special_block(header);
}

void nt_system_buffer_free(void *buffer)
{
    struct nt_pool_header *header = buffer != NULL && nt_special_holds(buffer) ? nt_special_find(buffer) : NULL;
    if (header != NULL)
        nt_special_give(header, "IoCompleteRequest", nt_pool_caller(NULL));
    else
        buffer_free(buffer);
}
