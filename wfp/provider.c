/* SPDX-License-Identifier: MIT */
/*
 * provider.c - FwpmProviderAdd0 and DeleteByKey0. Nothing reads a provider's strings here, so only the key is kept.
 *
 * Page: Provider Management (win32 desktop-src/FWP).
 */
#include "wfp/memory.h"
#include "wfp/object.h"
#include "wfp/transaction.h"

#define MAX_PROVIDERS 65535

static NTSTATUS add(struct wfp_session *session, void *context)
{
    const FWPM_PROVIDER0 *source = context;
    struct wfp_object *provider;
    NTSTATUS status;

    if ((source->flags & ~(UINT32)(FWPM_PROVIDER_FLAG_PERSISTENT | FWPM_PROVIDER_FLAG_DISABLED)) != 0)
        return STATUS_FWP_INVALID_FLAGS;
    if (wfp_table_count(wfp_object_table(WFP_PROVIDER)) >= MAX_PROVIDERS)
        return STATUS_INSUFFICIENT_RESOURCES;
    provider = wfp_alloc(sizeof(*provider));
    if (provider == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = wfp_object_setup(provider, &(struct wfp_object_setup){
                                            .kind = WFP_PROVIDER,
                                            .session = session,
                                            .key = &source->providerKey,
                                            .display = &source->displayData,
                                            .persistent = (source->flags & FWPM_PROVIDER_FLAG_PERSISTENT) != 0,
                                        });
    if (NT_SUCCESS(status))
        wfp_transaction_add(provider);
    else
        wfp_free(provider);
    return status;
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
