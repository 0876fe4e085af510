/* SPDX-License-Identifier: MIT */
/*
 * provider.c - FwpmProviderAdd0, DeleteByKey0, GetByKey0.
 *
 * Page: Provider Management (win32 desktop-src/FWP).
 */
#include "wfp/memory.h"
#include "wfp/object.h"
#include "wfp/transaction.h"

#define MAX_PROVIDERS 65535

struct wfp_provider {
    struct wfp_object object;
    FWPM_PROVIDER0 *template;
};

const wchar_t *wfp_provider_name(const struct wfp_object *provider)
{
    return CONTAINING_RECORD(provider, const struct wfp_provider, object)->template->displayData.name;
}

static void *copy_into(struct wfp_arena *arena, const void *context)
{
    const FWPM_PROVIDER0 *source = context;
    FWPM_PROVIDER0 measured;
    FWPM_PROVIDER0 *result = wfp_arena_take(arena, sizeof(*result));
    FWPM_PROVIDER0 *copy = result == NULL ? &measured : result;

    *copy = *source;
    copy->displayData.name = wfp_arena_string(arena, source->displayData.name);
    copy->displayData.description = wfp_arena_string(arena, source->displayData.description);
    copy->providerData.data = wfp_arena_copy(arena, source->providerData.data, source->providerData.size);
    copy->serviceName = wfp_arena_string(arena, source->serviceName);
    return result;
}

static NTSTATUS add(struct wfp_session *session, void *context)
{
    const FWPM_PROVIDER0 *source = context;
    void *template;
    struct wfp_provider *provider;
    NTSTATUS status;
    size_t size;

    if ((source->flags & ~(UINT32)(FWPM_PROVIDER_FLAG_PERSISTENT | FWPM_PROVIDER_FLAG_DISABLED)) != 0)
        return STATUS_FWP_INVALID_FLAGS;
    if (wfp_table_count(wfp_object_table(WFP_PROVIDER)) >= MAX_PROVIDERS)
        return STATUS_INSUFFICIENT_RESOURCES;
    provider = wfp_arena_build(copy_into, source, sizeof(*provider), &template, &size);
    if (provider == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = wfp_object_setup(&provider->object, &(struct wfp_object_setup){
                                                     .kind = WFP_PROVIDER,
                                                     .session = session,
                                                     .key = &source->providerKey,
                                                     .display = &source->displayData,
                                                     .persistent = (source->flags & FWPM_PROVIDER_FLAG_PERSISTENT) != 0,
                                                 });
    if (NT_SUCCESS(status))
        status = wfp_object_charge(&provider->object, session, size);
    if (!NT_SUCCESS(status)) {
        wfp_object_unset(&provider->object);
        wfp_free(provider);
        return status;
    }
    provider->template = template;
    provider->template->providerKey = provider->object.key;
    wfp_transaction_add(&provider->object);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmProviderAdd0(HANDLE engineHandle, const FWPM_PROVIDER0 *provider, PSECURITY_DESCRIPTOR sd)
{
    FWPM_PROVIDER0 copy;

    (void)sd;
    if (provider == NULL)
        return STATUS_FWP_NULL_POINTER;
    copy = *provider;
    return wfp_transaction_run("FwpmProviderAdd0", engineHandle, add, &copy);
}

static NTSTATUS delete (struct wfp_session *session, void *context)
{
    struct wfp_object *provider = wfp_object_find(WFP_PROVIDER, context);
    NTSTATUS status;

    if (provider == NULL)
        return STATUS_FWP_PROVIDER_NOT_FOUND;
    status = wfp_object_deletable(provider, session);
    if (NT_SUCCESS(status))
        wfp_transaction_remove(provider);
    return status;
}

NTSTATUS NTAPI FwpmProviderDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    GUID copy;

    if (key == NULL)
        return STATUS_FWP_NULL_POINTER;
    copy = *key;
    return wfp_transaction_run("FwpmProviderDeleteByKey0", engineHandle, delete, &copy);
}

struct get {
    const GUID *key;
    void *copy;
};

static NTSTATUS get(struct wfp_session *session, void *context)
{
    struct get *wanted = context;
    struct wfp_object *object = wfp_object_find(WFP_PROVIDER, wanted->key);

    size_t size;

    (void)session;
    if (object == NULL)
        return STATUS_FWP_PROVIDER_NOT_FOUND;
    if (wfp_arena_build(copy_into, CONTAINING_RECORD(object, struct wfp_provider, object)->template, 0, &wanted->copy,
                        &size) == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI FwpmProviderGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_PROVIDER0 **provider)
{
    struct get wanted = {key, NULL};
    NTSTATUS status;

    if (key == NULL || provider == NULL)
        return STATUS_FWP_NULL_POINTER;
    status = wfp_transaction_read("FwpmProviderGetByKey0", engineHandle, get, &wanted);
    if (NT_SUCCESS(status))
        *provider = wanted.copy;
    return status;
}
