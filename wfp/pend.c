/* SPDX-License-Identifier: MIT */
/*
 * pend.c - FwpsPendOperation0 and FwpsCompleteOperation0.
 *
 * A completion context is a number that never comes again; completing takes it out of the table, so
 * exactly one completion wins and every other is a violation, not a use after free. The last ones that were
 * completed are remembered, to tell a second completion from a context that never was.
 *
 * The authorization counts the classify and each pend. Who brings the count to 0 reauthorizes: the
 * completer, on its own stack - or, if it completed inside the classify, the classify when it is over.
 *
 * Choices where the pages are silent:
 * - pend-in-reauthorization. "STATUS_FWP_CANNOT_PEND: a call was made in a reauthorization" is an answer that a driver
 *   has to expect where another one pended, so asking alone breaks nothing. It is a warning where the callout itself
 *   pended and completed this connection, which then has an answer: it did not ask whether this is a reauthorization.
 * And where it answers as if it held (answer.c).
 * - pend-under-lock is a note: the call classifies nothing, and Microsoft's samples make it under their list's lock.
 * - Pending without ACTION_WRITE (action-without-right) is reported unless another callout pended the same classify:
 *   Types of Callouts has the right cleared by who pends, so it has to be there; but each of several callouts may pend
 *   one classify, and the second finds the right cleared by the first.
 *
 * Pages: FwpsPendOperation0, FwpsCompleteOperation0 (fwpsk.h), Processing Classify Callouts
 * Asynchronously (windows-driver-docs), ALE Reauthorization (win32 desktop-src/FWP).
 */
#include "wfp/pend.h"
#include "nt/verify/scheduler.h"
#include "wfp/classify.h"
#include "wfp/history.h"
#include "wfp/memory.h"
#include "wfp/verify_private.h"

#include <nt/nt.h>

#include <string.h>

#define REMEMBERED 1024u

/* The last completed ones: context, and operation of each. */
static struct {
    _Atomic(UINT64) context, operation;
} completed[REMEMBERED];
static _Atomic(UINT32) completed_count;
static struct wfp_table pends;

void wfp_pend_init(void)
{
    wfp_table_init(&pends);
}

size_t wfp_pend_count(void)
{
    return wfp_table_count(&pends);
}

struct wfp_table *wfp_pend_table(void)
{
    return &pends;
}

/* --- FwpsPendOperation0 --------------------------------------------------------------------------- */

static BOOLEAN may_pend_at(unsigned layer)
{
    return layer < WFP_FLOW_ESTABLISHED_V4;
}

static void violate_pend(const struct wfp_frame *frame, const char *rule, const char *detail)
{
    nt_about_connection(frame->authorization->flow.key);
    nt_violate(rule, "FwpsPendOperation0", "%s", detail);
}

static BOOLEAN has_pended(const struct wfp_frame *frame)
{
    for (unsigned i = 0; i < WFP_PENDERS; i++)
        if (frame->authorization->penders[i] == frame->slot->id)
            return TRUE;
    return FALSE;
}

static void remember_pender(const struct wfp_frame *frame)
{
    unsigned i = 0;

    while (i < WFP_PENDERS && frame->authorization->penders[i] != 0)
        i++;
    if (i < WFP_PENDERS)
        frame->authorization->penders[i] = frame->slot->id;
}

/* Is it this classify's to pend? */
static NTSTATUS check_place(struct wfp_frame *frame, HANDLE handle)
{
    if (frame == NULL || frame->slot == NULL) {
        nt_violate("pend-outside-classify", "FwpsPendOperation0", "call it from classifyFn, on its thread");
        return STATUS_FWP_NULL_POINTER;
    }
    if (!may_pend_at(frame->layer)) {
        nt_about_connection(frame->authorization->flow.key);
        nt_violate("pend-wrong-layer", "FwpsPendOperation0", "nothing can be pended at %s",
                   wfp_layers[frame->layer].name);
        return STATUS_FWP_NULL_POINTER;
    }
    if (handle != frame->completion_handle) {
        violate_pend(frame, "pend-without-handle",
                     frame->completion_handle == NULL ? "the metadata of this classify has no completionHandle"
                                                      : "that is not the completionHandle of this classify");
        return STATUS_FWP_NULL_POINTER;
    }
    if (frame->reauthorize) {
        frame->refused = WFP_REFUSED;
        if (NT_VERIFYING && frame->reason == FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION &&
            has_pended(frame)) {
            frame->refused = WFP_REFUSED_AND_TOLD;
            violate_pend(frame, "pend-in-reauthorization",
                         "the callout pended this connection, completed it, and asks to pend it again");
        }
        WFP_NOTE(frame->authorization, "callout 0x%x asks to pend a reauthorization: STATUS_FWP_CANNOT_PEND",
                 frame->slot->id);
        return STATUS_FWP_CANNOT_PEND;
    }
    return STATUS_SUCCESS;
}

static void check_manner(const struct wfp_frame *frame)
{
    if (nt_spin_locks_held() != 0)
        violate_pend(frame, "pend-under-lock", "a spin lock is held; keep what runs under it short");
    if (!frame->had_right && frame->pends == 0)
        violate_pend(frame, "action-without-right",
                     "ACTION_WRITE is not there: somebody else has decided, and there is nothing to hold");
    if (frame->authorization->facts.protocol != 6 && !frame->authorization->facts.inbound)
        violate_pend(frame, "datagram-lost",
                     "on Windows the datagram is thrown away, unless the driver cloned it before and injects the "
                     "clone later");
}

NTSTATUS NTAPI FwpsPendOperation0(HANDLE completionHandle, HANDLE *completionContext)
{
    struct wfp_frame *frame = wfp_frame_current();
    struct wfp_pend *pend;
    NTSTATUS status;

    nt_require_irql("FwpsPendOperation0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    if (completionContext == NULL || (completionHandle == NULL && frame == NULL))
        return STATUS_FWP_NULL_POINTER;
    status = check_place(frame, completionHandle);
    if (!NT_SUCCESS(status))
        return status;
    if (NT_VERIFYING)
        check_manner(frame);
    if (nt_fails("FwpsPendOperation0"))
        return STATUS_INSUFFICIENT_RESOURCES;
    pend = frame->pends == 0 ? &frame->authorization->pend : wfp_alloc(sizeof(*pend));
    if (pend == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    pend->authorization = frame->authorization;
    pend->node.key = frame->context = wfp_next_id();
    pend->callout_id = frame->slot->id;
    pend->driver = frame->slot->driver;
    pend->since = NT_VERIFYING ? nt_now() : 0;
    if (NT_VERIFYING)
        remember_pender(frame);
    frame->pends++;
    atomic_fetch_add_explicit(&frame->authorization->outstanding, 1, memory_order_relaxed);
    *completionContext = (HANDLE)(uintptr_t)pend->node.key;
    nt_begin(NT_BEGAN_OPERATION, pend->node.key);
    WFP_NOTE(frame->authorization, "pended by callout 0x%x, completion context %llu", pend->callout_id,
             (unsigned long long)pend->node.key);
    wfp_table_insert(&pends, &pend->node);
    return STATUS_SUCCESS;
}

/* --- FwpsCompleteOperation0 ----------------------------------------------------------------------- */

static void remember(const struct wfp_pend *pend)
{
    UINT32 at = atomic_fetch_add_explicit(&completed_count, 1, memory_order_relaxed) % REMEMBERED;

    atomic_store_explicit(&completed[at].operation, pend->authorization->flow.key, memory_order_relaxed);
    atomic_store_explicit(&completed[at].context, pend->node.key, memory_order_release);
}

/* Takes one pend out; its authorization, still referenced by the operation. NULL: no such context. */
static struct wfp_authorization *take(UINT64 key)
{
    struct wfp_shard *shard = wfp_table_lock(&pends, key);
    struct wfp_node *node = wfp_shard_find(shard, key);
    struct wfp_pend *pend = node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_pend, node);

    /* Together: whoever comes too late finds it here or there. */
    if (pend != NULL) {
        wfp_shard_remove(shard, node);
        remember(pend);
    }
    wfp_table_unlock(shard);
    if (pend == NULL)
        return NULL;
    struct wfp_authorization *authorization = pend->authorization;
    if (pend != &authorization->pend)
        wfp_free(pend);
    nt_end(NT_BEGAN_OPERATION, key);
    nt_begin(NT_COMPLETED_OPERATION, key);
    return authorization;
}

static void violate_unknown(UINT64 context)
{
    for (UINT32 i = 0; i < REMEMBERED && context != 0; i++) {
        if (atomic_load(&completed[i].context) != context)
            continue;
        nt_about(NT_COMPLETED_OPERATION, context);
        nt_about_connection(atomic_load(&completed[i].operation));
        nt_violate("operation-completed-twice", "FwpsCompleteOperation0",
                   "completion context %llu is completed already", (unsigned long long)context);
        return;
    }
    nt_violate("operation-unknown", "FwpsCompleteOperation0", "completion context %p was never given out",
               (void *)(uintptr_t)context);
}

/* What a report shows of a held operation; copied, since another thread may complete it meanwhile. */
struct held {
    UINT64 operation, since;
    BOOLEAN dead, in_classify;
};

static BOOLEAN is_in_classify(const struct wfp_authorization *authorization)
{
    const struct wfp_frame *frame = wfp_frame_current();

    while (frame != NULL && (frame->authorization != authorization || frame->reauthorize || frame->pends == 0))
        frame = frame->outer;
    return frame != NULL;
}

/* Where the rule operation-endpoint-dead wants it completed. */
static BOOLEAN is_in_closure(const struct wfp_authorization *authorization)
{
    const struct wfp_frame *frame = wfp_frame_current();

    while (frame != NULL && (frame->layer < WFP_ENDPOINT_CLOSURE_V4 ||
                             frame->authorization->facts.endpoint != authorization->facts.endpoint))
        frame = frame->outer;
    return frame != NULL;
}

static BOOLEAN look(UINT64 context, struct held *held)
{
    struct wfp_shard *shard = wfp_table_lock(&pends, context);
    struct wfp_node *node = wfp_shard_find(shard, context);

    if (node != NULL) {
        const struct wfp_pend *pend = CONTAINING_RECORD(node, struct wfp_pend, node);

        *held = (struct held){.operation = pend->authorization->flow.key,
                              .since = pend->since,
                              .dead = atomic_load(&pend->authorization->dead) && !is_in_closure(pend->authorization),
                              .in_classify = is_in_classify(pend->authorization)};
    }
    wfp_table_unlock(shard);
    return node != NULL;
}

static void violate_held(UINT64 context, const struct held *held, const char *rule, const char *detail)
{
    nt_about(NT_BEGAN_OPERATION, context);
    nt_about_connection(held->operation);
    nt_violate(rule, "FwpsCompleteOperation0", "%s", detail);
}

static void check_completion(UINT64 context)
{
    struct held held;

    if (!look(context, &held))
        return;
    if (nt_spin_locks_held() != 0)
        violate_held(context, &held, "operation-completed-under-lock",
                     "a spin lock is held; the reauthorization classify runs on this stack and may want it");
    if (!NT_VERIFYING)
        return;
    if (held.in_classify)
        violate_held(context, &held, "operation-completed-in-classify",
                     "completed inside the classifyFn that pended it: it is reauthorized only after that returned");
    if (held.dead && !wfp_verify_options.endpoint_dead_is_fine)
        violate_held(context, &held, "operation-endpoint-dead", "its endpoint was closed while it was held");
    nt_note(held.operation, "completed: context %llu, at IRQL %u%s", (unsigned long long)context, KeGetCurrentIrql(),
            held.in_classify ? ", inside its own classify" : "");
}

void NTAPI FwpsCompleteOperation0(HANDLE completionContext, PNET_BUFFER_LIST netBufferList)
{
    UINT64 context = (UINT64)(uintptr_t)completionContext;
    struct wfp_authorization *authorization;

    (void)netBufferList;
    nt_require_irql("FwpsCompleteOperation0", PASSIVE_LEVEL, DISPATCH_LEVEL);
    if (NT_VERIFYING)
        wfp_check_ages();
    if (NT_VERIFYING || nt_spin_locks_held() != 0)
        check_completion(context);
    authorization = take(context);
    if (authorization == NULL) {
        violate_unknown(context);
        return;
    }
    if (atomic_fetch_sub_explicit(&authorization->outstanding, 1, memory_order_acq_rel) == 1)
        wfp_authorization_resume(authorization);
    NT_POINT("FwpsCompleteOperation0");
}

/* --- What is held too long, and what is left ------------------------------------------------------ */

struct old {
    UINT64 context, operation, age;
};

static void find_old(struct wfp_node *node, void *context)
{
    struct wfp_pend *pend = CONTAINING_RECORD(node, struct wfp_pend, node);
    struct old *old = context;
    UINT64 age = nt_now() - pend->since;

    if (pend->since == 0 || pend->is_old || age <= wfp_verify_options.oldest ||
        (old->context != 0 && node->key > old->context))
        return;
    *old = (struct old){node->key, pend->authorization->flow.key, age};
}

static void mark_old(UINT64 key)
{
    struct wfp_shard *shard = wfp_table_lock(&pends, key);
    struct wfp_node *node = wfp_shard_find(shard, key);

    if (node != NULL)
        CONTAINING_RECORD(node, struct wfp_pend, node)->is_old = TRUE;
    wfp_table_unlock(shard);
}

void wfp_check_ages(void)
{
    for (;;) {
        struct old old = {0};

        if (wfp_verify_options.oldest != 0)
            wfp_table_each(&pends, find_old, &old);
        if (old.context == 0)
            break;
        mark_old(old.context);
        nt_about(NT_BEGAN_OPERATION, old.context);
        nt_about_connection(old.operation);
        nt_violate("operation-too-old", "FwpsPendOperation0", "held for %llu s and not completed",
                   (unsigned long long)(old.age / 10000000));
    }
}

void wfp_pend_abandon(UINT64 key, const char *routine)
{
    struct held held;

    if (!look(key, &held))
        return;
    nt_about(NT_BEGAN_OPERATION, key);
    nt_about_connection(held.operation);
    nt_violate("left-operation", routine, "operation %llu is still pended; complete it before unloading",
               (unsigned long long)held.operation);
    struct wfp_authorization *authorization = take(key);
    if (authorization == NULL)
        return;
    atomic_store(&authorization->dead, true);
    if (atomic_fetch_sub(&authorization->outstanding, 1) == 1)
        wfp_authorization_resume(authorization);
}

static void forget_completed(void)
{
    memset(completed, 0, sizeof(completed));
    atomic_store(&completed_count, 0);
}

static void end_pend(UINT64 key)
{
    wfp_pend_abandon(key, "wfp_reset");
}

void wfp_pend_reset(void)
{
    wfp_table_end_all(&pends, end_pend);
    wfp_table_trim(&pends);
    forget_completed();
}

void wfp_pend_forget(void)
{
    wfp_table_forget(&pends);
    forget_completed();
}
