/* SPDX-License-Identifier: MIT */
/*
 * pend.c - FwpsPendOperation0 and FwpsCompleteOperation0.
 *
 * A completion context is a number that never comes again; completing takes it out of the table, so
 * exactly one completion wins and every other is a violation, not a use after free.
 *
 * The authorization counts the classify and each pend. Who brings the count to 0 reauthorizes: the
 * completer, on its own stack - or, if it completed inside the classify, the classify when it is over.
 *
 * Pages: FwpsPendOperation0, FwpsCompleteOperation0 (fwpsk.h), Processing Classify Callouts
 * Asynchronously (windows-driver-docs), ALE Reauthorization (win32 desktop-src/FWP).
 */
#include "wfp/pend.h"
#include "wfp/classify.h"
#include "wfp/memory.h"
#include "nt/verify/scheduler.h"

#include <nt/nt.h>

static struct wfp_table pends;

void wfp_pend_init(void)
{
    wfp_table_init(&pends);
}

NTSTATUS NTAPI FwpsPendOperation0(HANDLE completionHandle, HANDLE *completionContext)
{
    struct wfp_frame *frame = wfp_frame_current();
    struct wfp_pend *pend;

    nt_require_irql("FwpsPendOperation0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    if (completionHandle == NULL || completionContext == NULL)
        return STATUS_FWP_NULL_POINTER;
    if (frame == NULL) {
        nt_violate("pend-outside-classify", "FwpsPendOperation0", "call it from classifyFn, on its thread");
        return STATUS_FWP_NULL_POINTER;
    }
    if (completionHandle != frame->completion_handle)
        return STATUS_FWP_NULL_POINTER;
    if (frame->reauthorize)
        return STATUS_FWP_CANNOT_PEND;
    if (nt_fails("FwpsPendOperation0"))
        return STATUS_INSUFFICIENT_RESOURCES;
    pend = frame->pends == 0 ? &frame->authorization->pend : wfp_alloc(sizeof(*pend));
    if (pend == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    pend->authorization = frame->authorization;
    pend->node.key = wfp_next_id();
    frame->pends++;
    atomic_fetch_add_explicit(&frame->authorization->outstanding, 1, memory_order_relaxed);
    *completionContext = (HANDLE)(uintptr_t)pend->node.key;
    wfp_table_insert(&pends, &pend->node);
    return STATUS_SUCCESS;
}

/* Takes one pend out; its authorization, still referenced by the operation. NULL: no such context. */
static struct wfp_authorization *take(UINT64 key)
{
    struct wfp_node *node = wfp_table_take(&pends, key);
    struct wfp_authorization *authorization;
    struct wfp_pend *pend;

    if (node == NULL)
        return NULL;
    pend = CONTAINING_RECORD(node, struct wfp_pend, node);
    authorization = pend->authorization;
    if (pend != &authorization->pend)
        wfp_free(pend);
    return authorization;
}

void NTAPI FwpsCompleteOperation0(HANDLE completionContext, PNET_BUFFER_LIST netBufferList)
{
    struct wfp_authorization *authorization;

    (void)netBufferList;
    nt_require_irql("FwpsCompleteOperation0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    if (nt_spin_locks_held() != 0)
        nt_violate("complete-under-lock", "FwpsCompleteOperation0",
                   "%u spin locks held; the reauthorization classify runs on this stack and may want them",
                   nt_spin_locks_held());
    authorization = take((UINT64)(uintptr_t)completionContext);
    if (authorization == NULL) {
        nt_violate("complete-unknown", "FwpsCompleteOperation0",
                   "completion context %p was never given out, or is completed already", completionContext);
        return;
    }
    if (atomic_fetch_sub_explicit(&authorization->outstanding, 1, memory_order_acq_rel) == 1)
        wfp_authorization_resume(authorization);
    NT_POINT("FwpsCompleteOperation0");
}

size_t wfp_pend_count(void)
{
    return wfp_table_count(&pends);
}

static void end_pend(UINT64 key)
{
    struct wfp_authorization *authorization = take(key);

    if (authorization == NULL)
        return;
    nt_violate("wfp-left", "wfp_reset", "operation %llu is still pended; complete it before unloading",
               (unsigned long long)authorization->flow.key);
    atomic_store(&authorization->dead, true);
    if (atomic_fetch_sub(&authorization->outstanding, 1) == 1)
        wfp_authorization_resume(authorization);
}

void wfp_pend_reset(void)
{
    wfp_table_end_all(&pends, end_pend);
    wfp_table_trim(&pends);
}

void wfp_pend_forget(void)
{
    wfp_table_forget(&pends);
}
