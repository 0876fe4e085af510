/* SPDX-License-Identifier: MIT */
/*
 * sublayer.c - FwpmSubLayerAdd0, DeleteByKey0, GetByKey0.
 *
 * Page: Sub-Layer Management (win32 desktop-src/FWP). The weight of FWPM_SUBLAYER_UNIVERSAL is not
 * documented; here it is in the middle.
 */
#include "wfp/sublayer.h"
#include "wfp/memory.h"
#include "wfp/transaction.h"

#define UNIVERSAL_WEIGHT 0x8000
#define MAX_SUBLAYERS    65535

static struct wfp_sublayer universal;

void wfp_sublayer_init(void)
{
    universal.object.refs = 0;
    universal.object.kind = WFP_SUBLAYER;
    universal.object.builtin = TRUE;
    universal.object.key = FWPM_SUBLAYER_UNIVERSAL;
    universal.id = wfp_next_id();
    universal.weight = UNIVERSAL_WEIGHT;
}

struct wfp_sublayer *wfp_sublayer_find(const GUID *key)
{
    struct wfp_object *object;

    if (wfp_guid_is_zero(key) || IsEqualGUID(key, &FWPM_SUBLAYER_UNIVERSAL))
        return &universal;
    object = wfp_object_find(WFP_SUBLAYER, key);
    return object == NULL ? NULL : CONTAINING_RECORD(object, struct wfp_sublayer, object);
}

static void *copy_into(struct wfp_arena *arena, const void *context)
{
    const FWPM_SUBLAYER0 *source = context;
    FWPM_SUBLAYER0 measured;
    FWPM_SUBLAYER0 *result = wfp_arena_take(arena, sizeof(*result));
    FWPM_SUBLAYER0 *copy = result == NULL ? &measured : result;

    *copy = *source;
    copy->displayData.name = wfp_arena_string(arena, source->displayData.name);
    copy->displayData.description = wfp_arena_string(arena, source->displayData.description);
    copy->providerKey = wfp_arena_copy(arena, source->providerKey, sizeof(GUID));
    copy->providerData.data = wfp_arena_copy(arena, source->providerData.data, source->providerData.size);
    return result;
}

static NTSTATUS add(struct wfp_session *session, void *context)
{
    const FWPM_SUBLAYER0 *source = context;
    void *template;
    struct wfp_sublayer *sublayer;
    NTSTATUS status;
    size_t size;

    if ((source->flags & ~(UINT32)FWPM_SUBLAYER_FLAG_PERSISTENT) != 0)
        return STATUS_FWP_INVALID_FLAGS;
    if (wfp_table_count(wfp_object_table(WFP_SUBLAYER)) >= MAX_SUBLAYERS)
        return STATUS_FWP_TOO_MANY_SUBLAYERS;
    if (IsEqualGUID(&source->subLayerKey, &FWPM_SUBLAYER_UNIVERSAL))
        return STATUS_FWP_ALREADY_EXISTS;
    sublayer = wfp_arena_build(copy_into, source, sizeof(*sublayer), &template, &size);
    if (sublayer == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = wfp_object_setup(&sublayer->object, &(struct wfp_object_setup){
                                                     .kind = WFP_SUBLAYER,
                                                     .session = session,
                                                     .key = &source->subLayerKey,
                                                     .display = &source->displayData,
                                                     .provider_key = source->providerKey,
                                                     .persistent = (source->flags & FWPM_SUBLAYER_FLAG_PERSISTENT) != 0,
                                                 });
    if (NT_SUCCESS(status))
        status = wfp_object_charge(&sublayer->object, session, size);
    if (!NT_SUCCESS(status)) {
        wfp_object_unset(&sublayer->object);
        wfp_free(sublayer);
        return status;
    }
    sublayer->template = template;
    sublayer->template->subLayerKey = sublayer->object.key;
    sublayer->weight = source->weight;
    sublayer->id = wfp_next_id();
    wfp_transaction_add(&sublayer->object);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmSubLayerAdd0(HANDLE engineHandle, const FWPM_SUBLAYER0 *subLayer, PSECURITY_DESCRIPTOR sd)
{
    FWPM_SUBLAYER0 copy;

    (void)sd;
    if (subLayer == NULL)
        return STATUS_FWP_NULL_POINTER;
    copy = *subLayer;
    return wfp_transaction_run("FwpmSubLayerAdd0", engineHandle, add, &copy);
}

static NTSTATUS delete (struct wfp_session *session, void *context)
{
    struct wfp_sublayer *sublayer = wfp_sublayer_find(context);
    NTSTATUS status;

    if (sublayer == NULL || wfp_guid_is_zero(context))
        return STATUS_FWP_SUBLAYER_NOT_FOUND;
    status = wfp_object_deletable(&sublayer->object, session);
    if (NT_SUCCESS(status))
        wfp_transaction_remove(&sublayer->object);
    return status;
}

NTSTATUS NTAPI FwpmSubLayerDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    GUID copy;

    if (key == NULL)
        return STATUS_FWP_NULL_POINTER;
    copy = *key;
    return wfp_transaction_run("FwpmSubLayerDeleteByKey0", engineHandle, delete, &copy);
}

struct get {
    const GUID *key;
    void *copy;
};

static NTSTATUS get(struct wfp_session *session, void *context)
{
    static wchar_t universal_name[] = L"Universal";
    struct get *wanted = context;
    struct wfp_sublayer *sublayer = wfp_sublayer_find(wanted->key);
    FWPM_SUBLAYER0 built_in = {
        .subLayerKey = FWPM_SUBLAYER_UNIVERSAL, .displayData.name = universal_name, .weight = UNIVERSAL_WEIGHT};

    size_t size;

    (void)session;
    if (sublayer == NULL || wfp_guid_is_zero(wanted->key))
        return STATUS_FWP_SUBLAYER_NOT_FOUND;
    if (wfp_arena_build(copy_into, sublayer->template == NULL ? &built_in : sublayer->template, 0, &wanted->copy,
                        &size) == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmSubLayerGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_SUBLAYER0 **subLayer)
{
    struct get wanted = {key, NULL};
    NTSTATUS status;

    if (key == NULL || subLayer == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_read("FwpmSubLayerGetByKey0", engineHandle, get, &wanted);
    if (NT_SUCCESS(status))
        *subLayer = wanted.copy;
    return status;
}
