/* SPDX-License-Identifier: MIT */
/*
 * filter.c - FwpmFilterAdd0 and deletes, and telling the callout about it. Callers of the inner functions hold the
 * gate.
 *
 * Pages: FWPM_FILTER0, FwpmFilterAdd0 (Windows API reference), FWPS_CALLOUT_NOTIFY_FN1 (fwpsk.h).
 */
#include "wfp/filter.h"
#include "nt/verify/verify.h"
#include "wfp/ale.h"
#include "wfp/condition.h"
#include "wfp/condition_set.h"
#include "wfp/filter_block.h"
#include "wfp/filter_copy.h"
#include "wfp/filter_name.h"
#include "wfp/looked.h"
#include "wfp/notification.h"
#include "wfp/sublayer.h"
#include "wfp/transaction.h"
#include "wfp/weight.h"

#include <nt/nt.h>

#define KNOWN_FLAGS                                                                                                    \
    (FWPM_FILTER_FLAG_PERSISTENT | FWPM_FILTER_FLAG_BOOTTIME | FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT |                   \
     FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED | FWPM_FILTER_FLAG_INDEXED | FWPM_FILTER_FLAG_SILENT_MODE |       \
     FWPM_FILTER_FLAG_IPSEC_NO_ACQUIRE_INITIATE)

static struct wfp_table filters_by_id;
static _Atomic(UINT32) filter_count; /* in it */

/* Filters with a condition on ALE_PACKAGE_ID. */
static _Atomic(UINT64) on_package;

void wfp_filter_init(void)
{
    wfp_table_init(&filters_by_id);
    wfp_looked_init();
}

void wfp_filter_reset(void)
{
    wfp_table_trim(&filters_by_id);
    wfp_filter_name_reset();
}

void wfp_filter_forget(void)
{
    wfp_table_forget(&filters_by_id);
    wfp_filter_blocks_forget();
    wfp_filter_name_forget();
    atomic_store(&filter_count, 0);
    atomic_store(&on_package, 0);
}

static BOOLEAN is_on_package(const struct wfp_filter *filter)
{
    int field =
        filter->condition_count == 0 ? -1 : wfp_layer_field(&wfp_layers[filter->layer], &FWPM_CONDITION_ALE_PACKAGE_ID);

    for (UINT32 i = 0; field >= 0 && i < filter->condition_count; i++)
        if (wfp_filter_field(filter, i) == field)
            return TRUE;
    return FALSE;
}

BOOLEAN wfp_package_wanted(void)
{
    return atomic_load_explicit(&on_package, memory_order_relaxed) != 0;
}

void wfp_filter_link(struct wfp_filter *filter)
{
    if (is_on_package(filter))
        atomic_fetch_add(&on_package, 1);
    wfp_table_insert(&filters_by_id, &filter->by_id);
    atomic_fetch_add_explicit(&filter_count, 1, memory_order_relaxed);
}

void wfp_filter_unlink(struct wfp_filter *filter)
{
    if (is_on_package(filter))
        atomic_fetch_sub(&on_package, 1);
    wfp_table_remove(&filters_by_id, &filter->by_id);
    atomic_fetch_sub_explicit(&filter_count, 1, memory_order_relaxed);
}

void wfp_filter_free(struct wfp_filter *filter)
{
    if (wfp_filter_slot(filter) != NULL)
        wfp_slot_put(filter->call->slot);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)&filter->object);
    wfp_object_uncharge(&filter->object);
    wfp_condition_sets_free(wfp_filter_sets(filter));
    wfp_filter_name_put(filter->name);
    wfp_filter_block_put(filter);
}

static NTSTATUS check_flags(const FWPM_FILTER0 *source)
{
    UINT32 flags = source->flags;
    FWP_ACTION_TYPE action = source->action.type;

    if ((flags & FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT) != 0)
        return STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND;
    if ((flags & ~(UINT32)KNOWN_FLAGS) != 0 ||
        ((flags & FWPM_FILTER_FLAG_PERSISTENT) != 0 && (flags & FWPM_FILTER_FLAG_BOOTTIME) != 0))
        return STATUS_FWP_INVALID_FLAGS;
    if (action != FWP_ACTION_PERMIT && action != FWP_ACTION_BLOCK && action != FWP_ACTION_CALLOUT_TERMINATING &&
        action != FWP_ACTION_CALLOUT_INSPECTION && action != FWP_ACTION_CALLOUT_UNKNOWN &&
        action != FWP_ACTION_CONTINUE)
        return STATUS_FWP_INVALID_ACTION_TYPE;
    if ((flags & FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0 && action != FWP_ACTION_CALLOUT_TERMINATING &&
        action != FWP_ACTION_CALLOUT_UNKNOWN)
        return STATUS_FWP_INVALID_FLAGS;
    if ((source->weight.type == FWP_UINT64 && source->weight.uint64 == NULL) ||
        (source->providerData.size != 0 && source->providerData.data == NULL))
        return STATUS_FWP_NULL_POINTER;
    return STATUS_SUCCESS;
}

static NTSTATUS check_conditions(const FWPM_FILTER0 *source, const struct wfp_layer *layer)
{
    int field = -1;

    if (source->numFilterConditions != 0 && source->filterCondition == NULL)
        return STATUS_FWP_NULL_POINTER;
    if (source->numFilterConditions > WFP_MAX_CONDITIONS)
        return STATUS_FWP_OUT_OF_BOUNDS;
    for (UINT32 i = 0; i < source->numFilterConditions; i++) {
        NTSTATUS status;

        field = wfp_layer_field_near(layer, &source->filterCondition[i].fieldKey, field);
        if (field < 0)
            return STATUS_FWP_CONDITION_NOT_FOUND;
        status = wfp_condition_check(layer->fields[field].type, &source->filterCondition[i]);
        if (!NT_SUCCESS(status))
            return status;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS refer_callout(struct wfp_filter *filter, const FWPM_FILTER0 *source)
{
    struct wfp_object *object = wfp_object_find(WFP_CALLOUT, &source->action.calloutKey);
    NTSTATUS status;

    if (object == NULL)
        return STATUS_FWP_CALLOUT_NOT_FOUND;
    if (CONTAINING_RECORD(object, struct wfp_callout, object)->layer != filter->layer)
        return STATUS_FWP_INCOMPATIBLE_LAYER;
    status = wfp_object_refer(&filter->object, object);
    if (!NT_SUCCESS(status))
        return status;
    filter->call->callout = object;
    filter->call->slot = wfp_slot_get(&object->key);
    return filter->call->slot == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

/* The references of a filter that is complete but for its copy. Undone by forget. */
static NTSTATUS refer(struct wfp_filter *filter, struct wfp_session *session, const FWPM_FILTER0 *source)
{
    BOOLEAN persistent = (source->flags & (FWPM_FILTER_FLAG_PERSISTENT | FWPM_FILTER_FLAG_BOOTTIME)) != 0;
    struct wfp_sublayer *sublayer;
    NTSTATUS status;

    status = wfp_object_setup(&filter->object, &(struct wfp_object_setup){
                                                   .kind = WFP_FILTER,
                                                   .session = session,
                                                   .key = &source->filterKey,
                                                   .display = &source->displayData,
                                                   .provider_key = source->providerKey,
                                                   .persistent = persistent,
                                               });
    if (!NT_SUCCESS(status))
        return status;
    sublayer = wfp_sublayer_find(&source->subLayerKey);
    if (sublayer == NULL)
        return STATUS_FWP_SUBLAYER_NOT_FOUND;
    status = wfp_object_refer(&filter->object, &sublayer->object);
    if (!NT_SUCCESS(status))
        return status;
    filter->sublayer = &sublayer->object;
    filter->sublayer_weight = sublayer->weight;
    return filter->call != NULL ? refer_callout(filter, source) : STATUS_SUCCESS;
}

static void forget(struct wfp_filter *filter)
{
    wfp_object_unset(&filter->object);
    if (filter->sublayer != NULL)
        filter->sublayer->refs--;
    if (filter->call != NULL && filter->call->callout != NULL)
        filter->call->callout->refs--;
    wfp_filter_free(filter);
}

/* What the callout gets. */
static void show(struct wfp_filter *filter)
{
    FWPS_FILTER3 *run = &filter->call->run;

    run->filterId = wfp_filter_id(filter);
    run->weight.type = FWP_UINT64;
    run->weight.uint64 = &filter->weight;
    run->subLayerWeight = filter->sublayer_weight;
    run->flags = filter->run_flags;
    run->action.type = filter->action;
    run->action.calloutId = filter->call->slot->id;
}

static NTSTATUS finish(struct wfp_filter *filter, const struct wfp_session *session, const FWPM_FILTER0 *source,
                       size_t size)
{
    NTSTATUS status;

    filter->by_id.key = wfp_next_id();
    if ((source->flags & FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0)
        filter->run_flags |= FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT;
    if ((source->flags & FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0)
        filter->run_flags |= FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED;
    status = wfp_object_charge(&filter->object, session, size);
    if (!NT_SUCCESS(status))
        return status;
    if (filter->more != NULL && !wfp_condition_sets_make(filter, &filter->more->sets))
        return STATUS_INSUFFICIENT_RESOURCES;
    status = wfp_weight(&source->weight, filter, &filter->weight);
    if (!NT_SUCCESS(status))
        return status;
    if (filter->call != NULL)
        show(filter);
    if (!NT_SUCCESS(wfp_notify(filter, FWPS_CALLOUT_NOTIFY_ADD_FILTER)))
        return STATUS_FWP_CALLOUT_NOTIFICATION_FAILED;
    return STATUS_SUCCESS;
}

struct add {
    const FWPM_FILTER0 *source;
    UINT64 id;
};

static NTSTATUS add_filter(struct wfp_session *session, void *context)
{
    struct add *add = context;
    unsigned layer = wfp_layer_by_key(&add->source->layerKey);
    struct wfp_filter *filter;
    size_t size;
    NTSTATUS status = check_flags(add->source);

    if (!NT_SUCCESS(status))
        return status;
    if (layer == WFP_LAYER_COUNT)
        return STATUS_FWP_LAYER_NOT_FOUND;
    status = check_conditions(add->source, &wfp_layers[layer]);
    if (!NT_SUCCESS(status))
        return status;
    if (atomic_load_explicit(&filter_count, memory_order_relaxed) >= WFP_MAX_FILTERS)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (add->source->displayData.name == NULL)
        return STATUS_FWP_NULL_DISPLAY_NAME;
    filter = wfp_filter_pack(add->source, layer, &size);
    if (filter == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = refer(filter, session, add->source);
    if (NT_SUCCESS(status))
        status = finish(filter, session, add->source, size);
    if (!NT_SUCCESS(status)) {
        forget(filter);
        return status;
    }
    add->id = wfp_filter_id(filter);
    wfp_transaction_add(&filter->object);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmFilterAdd0(HANDLE engineHandle, const FWPM_FILTER0 *filter, PSECURITY_DESCRIPTOR sd, UINT64 *id)
{
    struct add add = {filter, 0};
    NTSTATUS status;

    (void)sd;
    if (filter == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_run("FwpmFilterAdd0", engineHandle, add_filter, &add);
    if (NT_SUCCESS(status) && id != NULL)
        *id = add.id;
    return status;
}

struct wfp_filter *wfp_filter_find(UINT64 id)
{
    struct wfp_shard *shard = wfp_table_lock(&filters_by_id, id);
    struct wfp_node *node = wfp_shard_find(shard, id);

    wfp_table_unlock(shard);
    return node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_filter, by_id);
}

BOOLEAN wfp_filter_key(UINT64 id, GUID *key)
{
    struct wfp_shard *shard = wfp_table_lock(&filters_by_id, id);
    struct wfp_node *node = wfp_shard_find(shard, id);

    if (node != NULL)
        *key = CONTAINING_RECORD(node, struct wfp_filter, by_id)->object.key;
    wfp_table_unlock(shard);
    return node != NULL;
}

BOOLEAN wfp_filter_data(UINT64 id, void *data, UINT32 size)
{
    struct wfp_shard *shard = wfp_table_lock(&filters_by_id, id);
    struct wfp_node *node = wfp_shard_find(shard, id);
    const struct wfp_filter_more *more = node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_filter, by_id)->more;
    BOOLEAN has = more != NULL && more->data.size == size && size != 0;

    if (has)
        memcpy(data, more->data.data, size);
    wfp_table_unlock(shard);
    return has;
}

static struct wfp_object *find_by_id(UINT64 id)
{
    struct wfp_filter *filter = wfp_filter_find(id);

    return filter == NULL ? NULL : &filter->object;
}

static NTSTATUS delete_filter(struct wfp_session *session, struct wfp_object *object)
{
    NTSTATUS status;

    if (object == NULL)
        return STATUS_FWP_FILTER_NOT_FOUND;
    status = wfp_object_deletable(object, session);
    if (NT_SUCCESS(status))
        wfp_transaction_remove(object);
    return status;
}

static NTSTATUS delete_by_id(struct wfp_session *session, void *context)
{
    return delete_filter(session, find_by_id(*(UINT64 *)context));
}

static NTSTATUS delete_by_key(struct wfp_session *session, void *context)
{
    return delete_filter(session, wfp_object_find(WFP_FILTER, context));
}

NTSTATUS NTAPI FwpmFilterDeleteById0(HANDLE engineHandle, UINT64 id)
{
    return wfp_transaction_run("FwpmFilterDeleteById0", engineHandle, delete_by_id, &id);
}

NTSTATUS NTAPI FwpmFilterDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    GUID copy;

    if (key == NULL)
        return STATUS_FWP_NULL_POINTER;
    copy = *key;
    return wfp_transaction_run("FwpmFilterDeleteByKey0", engineHandle, delete_by_key, &copy);
}

struct get {
    UINT64 id;
    const GUID *key; /* NULL: by id */
    FWPM_FILTER0 *copy;
};

static NTSTATUS get_filter(struct wfp_session *session, void *context)
{
    struct get *get = context;
    struct wfp_object *object = get->key == NULL ? find_by_id(get->id) : wfp_object_find(WFP_FILTER, get->key);

    (void)session;
    if (object == NULL)
        return STATUS_FWP_FILTER_NOT_FOUND;
    get->copy = wfp_filter_copy(CONTAINING_RECORD(object, struct wfp_filter, object));
    return get->copy == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmFilterGetById0(HANDLE engineHandle, UINT64 id, FWPM_FILTER0 **filter)
{
    struct get get = {id, NULL, NULL};
    NTSTATUS status;

    if (filter == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_read("FwpmFilterGetById0", engineHandle, get_filter, &get);
    if (NT_SUCCESS(status))
        *filter = get.copy;
    return status;
}

NTSTATUS NTAPI FwpmFilterGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_FILTER0 **filter)
{
    struct get get = {0, key, NULL};
    NTSTATUS status;

    if (key == NULL || filter == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_read("FwpmFilterGetByKey0", engineHandle, get_filter, &get);
    if (NT_SUCCESS(status))
        *filter = get.copy;
    return status;
}
