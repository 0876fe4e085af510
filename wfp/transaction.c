/* SPDX-License-Identifier: MIT */
/*
 * transaction.c - touched objects, commit and abort. Callers hold the gate, so there is one list.
 *
 * notifyFn: ADD_FILTER is told when the filter is added (filter.c), DELETE_FILTER when its deletion
 * commits or its addition is undone, ADD_FILTER_POST_COMMIT to callouts that asked for it.
 *
 * Page: Transaction Management (win32 desktop-src/FWP); FwpmTransactionBegin0/Commit0/Abort0 (fwpmk.h).
 */
#include "wfp/transaction.h"
#include "nt/verify/verify.h"
#include "wfp/ale.h"
#include "wfp/memory.h"
#include "wfp/notification.h"
#include "wfp/policy.h"

#include <nt/nt.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct wfp_object *touched; /* latest first, by older */
static PDRIVER_OBJECT excused;

static pthread_mutex_t listener_lock = PTHREAD_MUTEX_INITIALIZER;
static wfp_policy_changed *listener;
static void *listener_context;

static struct wfp_filter *filter_of(struct wfp_object *object)
{
    return CONTAINING_RECORD(object, struct wfp_filter, object);
}

/* A boot-time filter is kept for the next boot and enforced only until BFE runs (page WFP Operation): it is in no
 * policy here, where the management API answers from the start. */
static BOOLEAN is_enforced(const struct wfp_object *object)
{
    return object->kind == WFP_FILTER &&
           (CONTAINING_RECORD(object, const struct wfp_filter, object)->flags & FWPM_FILTER_FLAG_BOOTTIME) == 0;
}

static void touch(struct wfp_object *object)
{
    if (!object->added && !object->deleted) {
        object->older = touched;
        touched = object;
    }
}

static void link_object(struct wfp_object *object)
{
    wfp_table_insert(wfp_object_table(object->kind), &object->node);
    if (object->session != NULL)
        InsertTailList(&object->session->objects, &object->session_link);
    if (object->kind == WFP_FILTER)
        wfp_filter_link(filter_of(object));
    else if (object->kind == WFP_CALLOUT)
        wfp_callout_link(CONTAINING_RECORD(object, struct wfp_callout, object));
}

static void unlink_object(struct wfp_object *object)
{
    wfp_table_remove(wfp_object_table(object->kind), &object->node);
    if (object->session != NULL)
        RemoveEntryList(&object->session_link);
    if (object->kind == WFP_FILTER)
        wfp_filter_unlink(filter_of(object));
    else if (object->kind == WFP_CALLOUT)
        wfp_callout_unlink(CONTAINING_RECORD(object, struct wfp_callout, object));
}

/* Adds step (+1 or -1) to the references that object holds. */
static void refer(struct wfp_object *object, int step)
{
    if (object->provider != NULL)
        object->provider->refs += (UINT32)step;
    if (object->kind == WFP_FILTER) {
        filter_of(object)->sublayer->refs += (UINT32)step;
        if (filter_of(object)->call != NULL)
            filter_of(object)->call->callout->refs += (UINT32)step;
    }
}

static void free_object(struct wfp_object *object)
{
    if (object->kind == WFP_FILTER) {
        wfp_filter_free(filter_of(object));
    } else if (object->kind == WFP_CALLOUT) {
        wfp_callout_free(CONTAINING_RECORD(object, struct wfp_callout, object));
    } else {
        nt_end(NT_BEGAN_OBJECT, (uintptr_t)object);
        wfp_object_uncharge(object);
        wfp_free(object);
    }
}

void wfp_transaction_add(struct wfp_object *object)
{
    touch(object);
    object->added = TRUE;
    link_object(object);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)object);
}

void wfp_transaction_remove(struct wfp_object *object)
{
    touch(object);
    object->deleted = TRUE;
    unlink_object(object);
    refer(object, -1);
}

void wfp_transaction_abort(void)
{
    while (touched != NULL) {
        struct wfp_object *object = touched;

        touched = object->older;
        if (object->added) {
            if (!object->deleted) {
                unlink_object(object);
                refer(object, -1);
            }
            if (object->kind == WFP_FILTER)
                (void)wfp_notify(filter_of(object), FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
            free_object(object);
            continue;
        }
        object->deleted = FALSE;
        link_object(object);
        refer(object, 1);
    }
}

void wfp_transaction_forget(void)
{
    touched = NULL;
}

struct layer_change {
    BOOLEAN changed;
    struct wfp_policy_change change;
    struct wfp_policy *policy;
};

/*
 * Counts, then collects, the filters that each layer gained and lost; a filter added and deleted never was. The lost
 * ones are freed with the layer's old policy.
 */
static NTSTATUS collect(struct layer_change *changes)
{
    for (struct wfp_object *object = touched; object != NULL; object = object->older) {
        if (!is_enforced(object) || (object->added && object->deleted))
            continue;
        changes[filter_of(object)->layer].changed = TRUE;
        changes[filter_of(object)->layer].change.added_count += object->added;
    }
    for (unsigned i = 0; i < WFP_LAYER_COUNT; i++) {
        struct wfp_policy_change *change = &changes[i].change;

        if (change->added_count == 0)
            continue;
        change->added = wfp_alloc(change->added_count * sizeof(change->added[0]));
        if (change->added == NULL)
            return STATUS_INSUFFICIENT_RESOURCES;
        change->added_count = 0;
    }
    for (struct wfp_object *object = touched; object != NULL; object = object->older) {
        if (!is_enforced(object) || (object->added && object->deleted))
            continue;
        struct wfp_policy_change *change = &changes[filter_of(object)->layer].change;
        if (object->added) {
            change->added[change->added_count++] = filter_of(object);
        } else {
            filter_of(object)->retired_next = change->deleted;
            change->deleted = filter_of(object);
        }
    }
    return STATUS_SUCCESS;
}

static NTSTATUS build(struct layer_change *changes, BOOLEAN certain)
{
    BOOLEAN built = TRUE;

    for (unsigned i = 0; i < WFP_LAYER_COUNT && built; i++)
        if (changes[i].changed)
            changes[i].policy = wfp_policy_build(&wfp_live_layers[i], &changes[i].change, certain, &built);
    return built ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/* Ends the list: nothing can fail any more. */
static void settle(void)
{
    while (touched != NULL) {
        struct wfp_object *object = touched;
        BOOLEAN was_live = !object->added;

        touched = object->older;
        object->added = FALSE;
        if (object->kind == WFP_FILTER && object->deleted)
            (void)wfp_notify(filter_of(object), FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
        else if (object->kind == WFP_FILTER)
            (void)wfp_notify(filter_of(object), FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT);
        if (object->deleted && !(is_enforced(object) && was_live))
            free_object(object);
    }
}

/* Swaps the policies in, then tells callouts; the old ones are held so that retired filters live until they are told.
 */
static void publish(struct layer_change *changes, struct wfp_changes *told)
{
    struct wfp_policy *old[WFP_LAYER_COUNT];

    for (unsigned i = 0; i < WFP_LAYER_COUNT; i++) {
        if (!changes[i].changed)
            continue;
        told->generation[i] = atomic_load_explicit(&wfp_live_layers[i].generation, memory_order_relaxed) + 1;
        old[i] = wfp_policy_acquire(&wfp_live_layers[i]);
        wfp_policy_swap(&wfp_live_layers[i], changes[i].policy, told->generation[i], changes[i].change.deleted);
    }
    settle();
    for (unsigned i = 0; i < WFP_LAYER_COUNT; i++)
        if (changes[i].changed)
            wfp_policy_release(&wfp_live_layers[i], old[i]);
}

NTSTATUS wfp_transaction_commit(BOOLEAN certain, struct wfp_changes *told)
{
    struct layer_change changes[WFP_LAYER_COUNT];
    NTSTATUS status;

    memset(changes, 0, sizeof(changes));
    status = collect(changes);
    if (NT_SUCCESS(status))
        status = build(changes, certain);
    for (unsigned i = 0; i < WFP_LAYER_COUNT; i++) {
        wfp_free(changes[i].change.added);
        if (!NT_SUCCESS(status))
            wfp_policy_drop(changes[i].policy);
    }
    if (!NT_SUCCESS(status)) {
        wfp_transaction_abort();
        return status;
    }
    publish(changes, told);
    return STATUS_SUCCESS;
}

NTSTATUS wfp_transaction_run(const char *routine, HANDLE engine, wfp_change *change, void *context)
{
    struct wfp_changes changes = {0};
    struct wfp_session *session;
    NTSTATUS status = wfp_gate_enter(routine, engine, &session);

    if (!NT_SUCCESS(status))
        return status;
    if (session->aborted) {
        status = STATUS_FWP_TXN_ABORTED;
    } else if (nt_fails(routine)) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    } else if (wfp_gate_owned(session)) {
        status = session->read_only ? STATUS_FWP_INCOMPATIBLE_TXN : change(session, context);
    } else {
        status = change(session, context);
        if (NT_SUCCESS(status))
            status = wfp_transaction_commit(FALSE, &changes);
        else
            wfp_transaction_abort();
    }
    wfp_gate_leave(session);
    wfp_changes_tell(&changes);
    return strstr(routine, "Add") == NULL ? wfp_excuse(status) : status;
}

NTSTATUS wfp_excuse(NTSTATUS status)
{
    if (status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_FWP_TIMEOUT)
        excused = nt_current_driver();
    return status;
}

BOOLEAN wfp_is_excused(PDRIVER_OBJECT driver)
{
    return excused == driver;
}

void wfp_transaction_reset(void)
{
    excused = NULL;
}

NTSTATUS wfp_transaction_read(const char *routine, HANDLE engine, wfp_change *read, void *context)
{
    struct wfp_session *session;
    NTSTATUS status = wfp_gate_enter(routine, engine, &session);

    if (NT_SUCCESS(status)) {
        status = session->aborted    ? STATUS_FWP_TXN_ABORTED
                 : nt_fails(routine) ? STATUS_INSUFFICIENT_RESOURCES
                                     : read(session, context);
        wfp_gate_leave(session);
    }
    return wfp_excuse(status);
}

NTSTATUS NTAPI FwpmTransactionBegin0(HANDLE engineHandle, UINT32 flags)
{
    struct wfp_session *session;
    NTSTATUS status = wfp_gate_enter("FwpmTransactionBegin0", engineHandle, &session);

    if (!NT_SUCCESS(status))
        return status;
    if ((flags & ~(UINT32)FWPM_TXN_READ_ONLY) != 0) {
        status = STATUS_FWP_INVALID_FLAGS;
    } else if (session->aborted) {
        status = STATUS_FWP_TXN_ABORTED;
    } else if (wfp_gate_owned(session)) {
        status = STATUS_FWP_TXN_IN_PROGRESS;
    } else if (nt_fails("FwpmTransactionBegin0")) {
        status = STATUS_FWP_TIMEOUT; /* another session keeps its transaction open */
    } else {
        session->read_only = (flags & FWPM_TXN_READ_ONLY) != 0;
        wfp_gate_own(session);
    }
    wfp_gate_leave(session);
    return wfp_excuse(status);
}

static NTSTATUS end(const char *routine, HANDLE engine, BOOLEAN commit)
{
    struct wfp_changes changes = {0};
    struct wfp_session *session;
    NTSTATUS status = wfp_gate_enter(routine, engine, &session);

    if (!NT_SUCCESS(status))
        return status;
    if (session->aborted) {
        session->aborted = FALSE;
        status = commit ? STATUS_FWP_TXN_ABORTED : STATUS_SUCCESS;
    } else if (!wfp_gate_owned(session)) {
        status = STATUS_FWP_NO_TXN_IN_PROGRESS;
    } else {
        if (commit && nt_fails(routine))
            status = STATUS_INSUFFICIENT_RESOURCES;
        if (commit && NT_SUCCESS(status))
            status = wfp_transaction_commit(FALSE, &changes);
        else
            wfp_transaction_abort();
        wfp_gate_own(NULL);
    }
    wfp_gate_leave(session);
    wfp_changes_tell(&changes);
    return wfp_excuse(status);
}

NTSTATUS NTAPI FwpmTransactionCommit0(HANDLE engineHandle)
{
    return end("FwpmTransactionCommit0", engineHandle, TRUE);
}

NTSTATUS NTAPI FwpmTransactionAbort0(HANDLE engineHandle)
{
    return end("FwpmTransactionAbort0", engineHandle, FALSE);
}

void wfp_set_policy_changed(wfp_policy_changed *changed, void *context)
{
    pthread_mutex_lock(&listener_lock);
    listener = changed;
    listener_context = context;
    pthread_mutex_unlock(&listener_lock);
}

void wfp_changes_tell(const struct wfp_changes *changes)
{
    pthread_mutex_lock(&listener_lock);
    wfp_policy_changed *changed = listener;
    void *context = listener_context;
    pthread_mutex_unlock(&listener_lock);
    for (unsigned i = 0; changed != NULL && i < WFP_LAYER_COUNT; i++)
        if (changes->generation[i] != 0)
            changed(context, wfp_layers[i].id, changes->generation[i]);
}
