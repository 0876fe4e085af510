/* SPDX-License-Identifier: MIT */
/*
 * callout.c - slots, registration (Fwps) and callout objects (Fwpm).
 *
 * Lock: one mutex over the slots' tables and reference counts; never held while a driver is called.
 * Registration writes a slot's run and version before it sets WFP_REGISTERED, and only when nobody is
 * inside, so classify reads them without a lock.
 *
 * Pages: FwpsCalloutRegister1, FwpsCalloutUnregisterById0 (fwpsk.h), FwpmCalloutAdd0,
 * FwpmCalloutDeleteById0 (fwpmk.h).
 */
#include "wfp/callout.h"
#include "nt/leaf.h"
#include "nt/verify/verify.h"
#include "wfp/layer.h"
#include "wfp/looked.h"
#include "wfp/memory.h"
#include "wfp/transaction.h"

#include <nt/nt.h>

#include <string.h>

#define KNOWN_FLAGS                                                                                                    \
    (FWPM_CALLOUT_FLAG_PERSISTENT | FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT | FWPM_CALLOUT_FLAG_REGISTERED)
#define KNOWN_RUN_FLAGS 0x3ffu
#define FIRST_ID        0x101u /* Windows' own callouts have those before */

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wfp_table slots_by_key;
static struct wfp_table slots_by_id;
static struct wfp_table callouts_by_id;
static _Atomic(size_t) registered;
static UINT32 last_id = FIRST_ID - 1;

void wfp_callout_init(void)
{
    wfp_table_init(&slots_by_key);
    wfp_table_init(&slots_by_id);
    wfp_table_init(&callouts_by_id);
}

static UINT64 hash_key(const GUID *key)
{
    UINT64 halves[2];

    memcpy(halves, key, sizeof(halves));
    return halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15ull);
}

/* With slots_lock held. */
static struct wfp_callout_slot *find_slot(const GUID *key)
{
    UINT64 hash = hash_key(key);
    struct wfp_shard *shard = wfp_table_lock(&slots_by_key, hash);
    struct wfp_node *node = wfp_shard_find(shard, hash);

    while (node != NULL && !IsEqualGUID(&CONTAINING_RECORD(node, struct wfp_callout_slot, by_key)->key, key))
        node = wfp_node_next(node);
    wfp_table_unlock(shard);
    return node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_callout_slot, by_key);
}

struct wfp_callout_slot *wfp_slot_get(const GUID *key)
{
    struct wfp_callout_slot *slot;

    nt_leaf_lock(&slots_lock);
    slot = find_slot(key);
    if (slot != NULL) {
        slot->refs++;
    } else {
        slot = wfp_alloc(sizeof(*slot));
        if (slot != NULL) {
            slot->key = *key;
            slot->id = ++last_id;
            slot->refs = 1;
            slot->by_key.key = hash_key(key);
            slot->by_id.key = slot->id;
            slot->looks = wfp_promise_of(key);
            wfp_table_insert(&slots_by_key, &slot->by_key);
            wfp_table_insert(&slots_by_id, &slot->by_id);
        }
    }
    nt_leaf_unlock(&slots_lock);
    return slot;
}

void wfp_callout_looks(const GUID *key, UINT64 fields, BOOLEAN answers)
{
    nt_leaf_lock(&slots_lock);
    struct wfp_callout_slot *slot = find_slot(key);

    wfp_promise_keep(key, fields | WFP_LOOKS_PROMISED | (answers ? WFP_LOOKS_ANSWERS : 0));
    if (slot != NULL)
        atomic_store(&slot->looks, wfp_promise_of(key));
    nt_leaf_unlock(&slots_lock);
}

void wfp_slot_put(struct wfp_callout_slot *slot)
{
    nt_leaf_lock(&slots_lock);
    if (--slot->refs == 0) {
        wfp_table_remove(&slots_by_key, &slot->by_key);
        wfp_table_remove(&slots_by_id, &slot->by_id);
        wfp_free(slot);
    }
    nt_leaf_unlock(&slots_lock);
}

BOOLEAN wfp_slot_enter(struct wfp_callout_slot *slot)
{
    if ((atomic_load_explicit(&slot->inside, memory_order_relaxed) & WFP_REGISTERED) == 0)
        return FALSE;
    if ((atomic_fetch_add_explicit(&slot->inside, 1, memory_order_acquire) & WFP_REGISTERED) != 0)
        return TRUE;
    /* Unregistered between the two looks: take the step back. */
    atomic_fetch_sub_explicit(&slot->inside, 1, memory_order_release);
    return FALSE;
}

void wfp_slot_leave(struct wfp_callout_slot *slot)
{
    atomic_fetch_sub_explicit(&slot->inside, 1, memory_order_release);
}

struct wfp_callout_slot *wfp_slot_enter_by_id(UINT32 id)
{
    struct wfp_callout_slot *slot = NULL;
    struct wfp_shard *shard = wfp_table_lock(&slots_by_id, id);
    struct wfp_node *node = wfp_shard_find(shard, id);

    if (node != NULL) {
        slot = CONTAINING_RECORD(node, struct wfp_callout_slot, by_id);
        if (!wfp_slot_enter(slot))
            slot = NULL;
    }
    wfp_table_unlock(shard);
    return slot;
}

static NTSTATUS register_callout(const char *routine, void *device, const FWPS_CALLOUT3 *callout, UINT32 version,
                                 UINT32 *id)
{
    struct wfp_callout_slot *slot;
    UINT64 expected = 0;

    nt_require_irql(routine, PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (device == NULL || callout == NULL || callout->classifyFn == NULL || callout->notifyFn == NULL)
        return STATUS_INVALID_PARAMETER;
    if (wfp_guid_is_zero(&callout->calloutKey) || (callout->flags & ~KNOWN_RUN_FLAGS) != 0)
        return STATUS_INVALID_PARAMETER;
    if (nt_fails(routine))
        return STATUS_INSUFFICIENT_RESOURCES;
    slot = wfp_slot_get(&callout->calloutKey);
    if (slot == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    nt_leaf_lock(&slots_lock);
    if ((atomic_load(&slot->inside) & WFP_REGISTERED) != 0) {
        nt_leaf_unlock(&slots_lock);
        wfp_slot_put(slot);
        return STATUS_FWP_ALREADY_EXISTS;
    }
    slot->run = *callout;
    slot->version = version;
    slot->driver = nt_current_driver();
    atomic_store(&slot->gone, false);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)slot);
    /* Only a passing wfp_slot_enter can be inside; it steps back at once. */
    while (!atomic_compare_exchange_weak(&slot->inside, &expected, WFP_REGISTERED))
        expected = 0;
    atomic_fetch_add(&registered, 1);
    if (id != NULL)
        *id = slot->id;
    nt_leaf_unlock(&slots_lock);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpsCalloutRegister0(void *deviceObject, const FWPS_CALLOUT0 *callout, UINT32 *calloutId)
{
    return register_callout("FwpsCalloutRegister0", deviceObject, (const FWPS_CALLOUT3 *)(const void *)callout, 0,
                            calloutId);
}

NTSTATUS NTAPI FwpsCalloutRegister1(void *deviceObject, const FWPS_CALLOUT1 *callout, UINT32 *calloutId)
{
    return register_callout("FwpsCalloutRegister1", deviceObject, (const FWPS_CALLOUT3 *)(const void *)callout, 1,
                            calloutId);
}

NTSTATUS NTAPI FwpsCalloutRegister2(void *deviceObject, const FWPS_CALLOUT2 *callout, UINT32 *calloutId)
{
    return register_callout("FwpsCalloutRegister2", deviceObject, (const FWPS_CALLOUT3 *)(const void *)callout, 2,
                            calloutId);
}

NTSTATUS NTAPI FwpsCalloutRegister3(void *deviceObject, const FWPS_CALLOUT3 *callout, UINT32 *calloutId)
{
    return register_callout("FwpsCalloutRegister3", deviceObject, callout, 3, calloutId);
}

/* With slots_lock held; unlocks it. */
static NTSTATUS unregister_locked(struct wfp_callout_slot *slot)
{
    UINT64 expected = WFP_REGISTERED;
    NTSTATUS status = STATUS_SUCCESS;

    if (slot == NULL || (atomic_load(&slot->inside) & WFP_REGISTERED) == 0)
        status = STATUS_FWP_CALLOUT_NOT_FOUND;
    else if (atomic_load(&slot->flow_contexts) != 0 || !atomic_compare_exchange_strong(&slot->inside, &expected, 0))
        status = STATUS_DEVICE_BUSY;
    if (NT_SUCCESS(status) && atomic_load(&slot->flow_contexts) != 0) {
        /* One was associated between the two looks. */
        atomic_fetch_or(&slot->inside, WFP_REGISTERED);
        status = STATUS_DEVICE_BUSY;
    }
    nt_leaf_unlock(&slots_lock);
    if (NT_SUCCESS(status)) {
        nt_end(NT_BEGAN_OBJECT, (uintptr_t)slot);
        atomic_fetch_sub(&registered, 1);
        wfp_slot_put(slot);
    }
    return status;
}

NTSTATUS NTAPI FwpsCalloutUnregisterById0(const UINT32 calloutId)
{
    nt_require_irql("FwpsCalloutUnregisterById0", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (nt_fails("FwpsCalloutUnregisterById0"))
        return STATUS_DEVICE_BUSY; /* as if a classify were in it */
    nt_leaf_lock(&slots_lock);

    struct wfp_shard *shard = wfp_table_lock(&slots_by_id, calloutId);
    struct wfp_node *node = wfp_shard_find(shard, calloutId);

    wfp_table_unlock(shard);
    return unregister_locked(node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_callout_slot, by_id));
}

NTSTATUS NTAPI FwpsCalloutUnregisterByKey0(const GUID *calloutKey)
{
    nt_require_irql("FwpsCalloutUnregisterByKey0", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (calloutKey == NULL)
        return STATUS_INVALID_PARAMETER;
    if (nt_fails("FwpsCalloutUnregisterByKey0"))
        return STATUS_DEVICE_BUSY;
    nt_leaf_lock(&slots_lock);
    return unregister_locked(find_slot(calloutKey));
}

size_t wfp_registered_count(void)
{
    return atomic_load(&registered);
}

/* --- FwpmCallout... ------------------------------------------------------------------------- */

void wfp_callout_link(struct wfp_callout *callout)
{
    wfp_table_insert(&callouts_by_id, &callout->by_id);
}

void wfp_callout_unlink(struct wfp_callout *callout)
{
    wfp_table_remove(&callouts_by_id, &callout->by_id);
}

void wfp_callout_free(struct wfp_callout *callout)
{
    if (callout->slot != NULL)
        wfp_slot_put(callout->slot);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)&callout->object);
    wfp_free(callout->template);
    wfp_free(callout);
}

/* NULL while measuring. */
static FWPM_CALLOUT0 *copy_into(struct wfp_arena *arena, const FWPM_CALLOUT0 *source)
{
    FWPM_CALLOUT0 measured;
    FWPM_CALLOUT0 *result = wfp_arena_take(arena, sizeof(*result));
    FWPM_CALLOUT0 *copy = result == NULL ? &measured : result;

    *copy = *source;
    copy->displayData.name = wfp_arena_string(arena, source->displayData.name);
    copy->displayData.description = wfp_arena_string(arena, source->displayData.description);
    copy->providerKey = wfp_arena_copy(arena, source->providerKey, sizeof(GUID));
    copy->providerData.data = wfp_arena_copy(arena, source->providerData.data, source->providerData.size);
    return result;
}

/* Deep copy in one block; NULL: no memory. */
static FWPM_CALLOUT0 *copy_template(const FWPM_CALLOUT0 *source)
{
    struct wfp_arena arena = {0};

    copy_into(&arena, source);
    arena.base = wfp_alloc(arena.used);
    if (arena.base == NULL)
        return NULL;
    arena.used = 0;
    return copy_into(&arena, source);
}

struct add {
    const FWPM_CALLOUT0 *callout;
    UINT32 *id;
};

static NTSTATUS add_callout(struct wfp_session *session, void *context)
{
    const FWPM_CALLOUT0 *source = ((struct add *)context)->callout;
    unsigned layer = wfp_layer_by_key(&source->applicableLayer);
    struct wfp_callout *callout;
    NTSTATUS status;

    if ((source->flags & ~(UINT32)KNOWN_FLAGS) != 0)
        return STATUS_FWP_INVALID_FLAGS;
    if (layer == WFP_LAYER_COUNT)
        return STATUS_FWP_LAYER_NOT_FOUND;
    callout = wfp_alloc(sizeof(*callout));
    if (callout == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    callout->layer = layer;
    status = wfp_object_setup(&callout->object, &(struct wfp_object_setup){
                                                    .kind = WFP_CALLOUT,
                                                    .session = session,
                                                    .key = &source->calloutKey,
                                                    .display = &source->displayData,
                                                    .provider_key = source->providerKey,
                                                    .persistent = (source->flags & FWPM_CALLOUT_FLAG_PERSISTENT) != 0,
                                                });
    if (!NT_SUCCESS(status))
        goto out;
    status = STATUS_INSUFFICIENT_RESOURCES;
    callout->slot = wfp_slot_get(&callout->object.key);
    callout->template = callout->slot == NULL ? NULL : copy_template(source);
    if (callout->template == NULL)
        goto out;
    callout->template->calloutKey = callout->object.key;
    callout->template->calloutId = callout->slot->id;
    callout->by_id.key = callout->slot->id;
    wfp_transaction_add(&callout->object);
    if (((struct add *)context)->id != NULL)
        *((struct add *)context)->id = callout->slot->id;
    status = STATUS_SUCCESS;
out:
    if (!NT_SUCCESS(status)) {
        wfp_object_unset(&callout->object);
        wfp_callout_free(callout);
    }
    return status;
}

NTSTATUS NTAPI FwpmCalloutAdd0(HANDLE engineHandle, const FWPM_CALLOUT0 *callout, PSECURITY_DESCRIPTOR sd, UINT32 *id)
{
    UINT32 added = 0;
    NTSTATUS status;

    (void)sd;
    if (callout == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_run("FwpmCalloutAdd0", engineHandle, add_callout, &(struct add){callout, &added});
    if (NT_SUCCESS(status) && id != NULL)
        *id = added;
    return status;
}

static NTSTATUS delete_callout(struct wfp_session *session, struct wfp_object *object)
{
    NTSTATUS status;

    if (object == NULL)
        return STATUS_FWP_CALLOUT_NOT_FOUND;
    status = wfp_object_deletable(object, session);
    if (NT_SUCCESS(status))
        wfp_transaction_remove(object);
    return status;
}

static NTSTATUS delete_by_key(struct wfp_session *session, void *context)
{
    return delete_callout(session, wfp_object_find(WFP_CALLOUT, context));
}

static NTSTATUS delete_by_id(struct wfp_session *session, void *context)
{
    UINT32 id = *(UINT32 *)context;
    struct wfp_shard *shard = wfp_table_lock(&callouts_by_id, id);
    struct wfp_node *node = wfp_shard_find(shard, id);

    wfp_table_unlock(shard);
    return delete_callout(session, node == NULL ? NULL : &CONTAINING_RECORD(node, struct wfp_callout, by_id)->object);
}

NTSTATUS NTAPI FwpmCalloutDeleteById0(HANDLE engineHandle, UINT32 id)
{
    return wfp_transaction_run("FwpmCalloutDeleteById0", engineHandle, delete_by_id, &id);
}

NTSTATUS NTAPI FwpmCalloutDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    GUID copy;

    if (key == NULL)
        return STATUS_FWP_NULL_POINTER;
    copy = *key;
    return wfp_transaction_run("FwpmCalloutDeleteByKey0", engineHandle, delete_by_key, &copy);
}

struct get {
    const GUID *key;
    FWPM_CALLOUT0 *copy;
};

static NTSTATUS get_callout(struct wfp_session *session, void *context)
{
    struct get *get = context;
    struct wfp_object *object = wfp_object_find(WFP_CALLOUT, get->key);

    (void)session;
    if (object == NULL)
        return STATUS_FWP_CALLOUT_NOT_FOUND;
    struct wfp_callout *callout = CONTAINING_RECORD(object, struct wfp_callout, object);
    get->copy = copy_template(callout->template);
    if (get->copy == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    if ((atomic_load(&callout->slot->inside) & WFP_REGISTERED) != 0)
        get->copy->flags |= FWPM_CALLOUT_FLAG_REGISTERED;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmCalloutGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_CALLOUT0 **callout)
{
    struct get get = {key, NULL};
    NTSTATUS status;

    if (key == NULL || callout == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_read("FwpmCalloutGetByKey0", engineHandle, get_callout, &get);
    if (NT_SUCCESS(status))
        *callout = get.copy;
    return status;
}

struct wfp_table *wfp_slot_table(void)
{
    return &slots_by_id;
}

static void report_left(const struct wfp_callout_slot *slot, const char *routine)
{
    nt_about(NT_BEGAN_OBJECT, (uintptr_t)slot);
    nt_violate("left-registration", routine, "callout 0x%x is still registered; unregister it before unloading",
               slot->id);
}

void wfp_slot_abandon(UINT32 id)
{
    struct wfp_callout_slot *slot = wfp_slot_enter_by_id(id);

    if (slot == NULL)
        return;
    report_left(slot, "DriverUnload");
    atomic_store(&slot->gone, true);
    slot->driver = NULL;
    BOOLEAN was_registered = (atomic_fetch_and(&slot->inside, ~WFP_REGISTERED) & WFP_REGISTERED) != 0;
    wfp_slot_leave(slot);
    if (was_registered) {
        nt_end(NT_BEGAN_OBJECT, (uintptr_t)slot);
        atomic_fetch_sub(&registered, 1);
        wfp_slot_put(slot);
    }
}

void wfp_callout_reset(void)
{
    struct wfp_node *next;

    for (struct wfp_node *node = wfp_table_drain(&slots_by_id); node != NULL; node = next) {
        struct wfp_callout_slot *slot = CONTAINING_RECORD(node, struct wfp_callout_slot, by_id);

        next = node->next;
        if ((atomic_load(&slot->inside) & WFP_REGISTERED) != 0) {
            report_left(slot, "wfp_reset");
            nt_end(NT_BEGAN_OBJECT, (uintptr_t)slot);
            atomic_fetch_sub(&registered, 1);
        }
        wfp_table_remove(&slots_by_key, &slot->by_key);
        wfp_free(slot);
    }
    wfp_table_trim(&slots_by_id);
    wfp_promises_forget();
    wfp_table_trim(&slots_by_key);
    wfp_table_trim(&callouts_by_id);
    last_id = FIRST_ID - 1;
}

void wfp_callout_forget(void)
{
    wfp_table_forget(&slots_by_id);
    wfp_promises_forget();
    wfp_table_forget(&slots_by_key);
    wfp_table_forget(&callouts_by_id);
    atomic_store(&registered, 0);
    last_id = FIRST_ID - 1;
}
