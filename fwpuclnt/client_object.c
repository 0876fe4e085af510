/* SPDX-License-Identifier: MIT */
/*
 * client_object.c - providers, sublayers, and the app id of fwpmu.h. See client.h.
 */
#include "fwpuclnt/client_private.h"

#include <string.h>

DWORD WINAPI FwpmProviderAdd0(HANDLE engineHandle, const FWPM_PROVIDER0 *provider, PSECURITY_DESCRIPTOR sd)
{
    struct exchange exchange;

    (void)sd;
    if (provider == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engineHandle, WIRE_PROVIDER_ADD))
        return ERROR_INVALID_HANDLE;
    wire_provider(&exchange.out, (FWPM_PROVIDER0 *)(ULONG_PTR)provider);
    return exchange_end(&exchange);
}

DWORD WINAPI FwpmProviderDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    return exchange_key(engineHandle, WIRE_PROVIDER_DELETE, key);
}

static void read_provider(struct wire *in, void *provider)
{
    wire_provider(in, provider);
}

DWORD WINAPI FwpmProviderGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_PROVIDER0 **provider)
{
    return exchange_object_by_key(engineHandle, WIRE_PROVIDER_GET, key, sizeof(**provider), read_provider,
                                  (void **)provider);
}

DWORD WINAPI FwpmSubLayerAdd0(HANDLE engineHandle, const FWPM_SUBLAYER0 *subLayer, PSECURITY_DESCRIPTOR sd)
{
    struct exchange exchange;

    (void)sd;
    if (subLayer == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engineHandle, WIRE_SUBLAYER_ADD))
        return ERROR_INVALID_HANDLE;
    wire_sublayer(&exchange.out, (FWPM_SUBLAYER0 *)(ULONG_PTR)subLayer);
    return exchange_end(&exchange);
}

DWORD WINAPI FwpmSubLayerDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    return exchange_key(engineHandle, WIRE_SUBLAYER_DELETE, key);
}

static void read_sublayer(struct wire *in, void *sublayer)
{
    wire_sublayer(in, sublayer);
}

DWORD WINAPI FwpmSubLayerGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_SUBLAYER0 **subLayer)
{
    return exchange_object_by_key(engineHandle, WIRE_SUBLAYER_GET, key, sizeof(**subLayer), read_sublayer,
                                  (void **)subLayer);
}

/* The path with its NUL, as the engine's condition and every indication have it. */
DWORD WINAPI FwpmGetAppIdFromFileName0(const wchar_t *fileName, FWP_BYTE_BLOB **appId)
{
    FWP_BYTE_BLOB *blob;
    size_t length = 0;

    if (fileName == NULL || appId == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    while (length < WIRE_STRING_MAX && fileName[length] != 0)
        length++;
    if (length == 0 || length == WIRE_STRING_MAX)
        return ERROR_INVALID_PARAMETER;
    blob = block_new(sizeof(*blob) + (length + 1) * sizeof(wchar_t));
    if (blob == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    blob->size = (UINT32)((length + 1) * sizeof(wchar_t));
    blob->data = (UINT8 *)(blob + 1);
    memcpy(blob->data, fileName, blob->size);
    *appId = blob;
    return ERROR_SUCCESS;
}
