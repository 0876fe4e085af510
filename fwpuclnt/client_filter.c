/* SPDX-License-Identifier: MIT */
/*
 * client_filter.c - the filters of fwpmu.h. See client.h.
 */
#include "fwpuclnt/client_private.h"

#define ENTRIES_MAX 65536u /* of one FwpmFilterEnum0, as the engine's */

DWORD WINAPI FwpmFilterAdd0(HANDLE engineHandle, const FWPM_FILTER0 *filter, PSECURITY_DESCRIPTOR sd, UINT64 *id)
{
    struct exchange exchange;
    UINT64 given = 0;
    DWORD error;

    (void)sd;
    if (filter == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engineHandle, WIRE_FILTER_ADD))
        return ERROR_INVALID_HANDLE;
    wire_filter(&exchange.out, (FWPM_FILTER0 *)(ULONG_PTR)filter);
    error = exchange_end(&exchange);
    if (error != ERROR_SUCCESS)
        return error;
    wire_u64(&exchange.in, &given);
    error = exchange_complete(&exchange, NULL);
    if (error == ERROR_SUCCESS && id != NULL)
        *id = given;
    return error;
}

DWORD WINAPI FwpmFilterDeleteById0(HANDLE engineHandle, UINT64 id)
{
    struct exchange exchange;

    if (!exchange_begin(&exchange, engineHandle, WIRE_FILTER_DELETE_BY_ID))
        return ERROR_INVALID_HANDLE;
    wire_u64(&exchange.out, &id);
    return exchange_end(&exchange);
}

DWORD WINAPI FwpmFilterDeleteByKey0(HANDLE engineHandle, const GUID *key)
{
    return exchange_key(engineHandle, WIRE_FILTER_DELETE_BY_KEY, key);
}

static void read_filter(struct wire *in, void *filter)
{
    wire_filter(in, filter);
}

DWORD WINAPI FwpmFilterGetById0(HANDLE engineHandle, UINT64 id, FWPM_FILTER0 **filter)
{
    struct exchange exchange;

    if (filter == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engineHandle, WIRE_FILTER_GET_BY_ID))
        return ERROR_INVALID_HANDLE;
    wire_u64(&exchange.out, &id);
    return exchange_object(&exchange, sizeof(**filter), read_filter, (void **)filter);
}

DWORD WINAPI FwpmFilterGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_FILTER0 **filter)
{
    return exchange_object_by_key(engineHandle, WIRE_FILTER_GET_BY_KEY, key, sizeof(**filter), read_filter,
                                  (void **)filter);
}

DWORD WINAPI FwpmFilterCreateEnumHandle0(HANDLE engineHandle, const FWPM_FILTER_ENUM_TEMPLATE0 *enumTemplate,
                                         HANDLE *enumHandle)
{
    FWPM_FILTER_ENUM_TEMPLATE0 *wanted = (FWPM_FILTER_ENUM_TEMPLATE0 *)(ULONG_PTR)enumTemplate;
    struct exchange exchange;
    UINT32 handle = 0;
    DWORD error;

    if (enumHandle == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engineHandle, WIRE_FILTER_ENUM_CREATE))
        return ERROR_INVALID_HANDLE;
    if (wire_pointer(&exchange.out, (void **)&wanted, sizeof(*wanted)))
        wire_template(&exchange.out, wanted);
    error = exchange_end(&exchange);
    if (error != ERROR_SUCCESS)
        return error;
    wire_u32(&exchange.in, &handle);
    error = exchange_complete(&exchange, NULL);
    if (error == ERROR_SUCCESS)
        *enumHandle = (HANDLE)(ULONG_PTR)handle;
    return error;
}

/* What has come so far: list is the block that the others are chained to. */
struct entries {
    FWPM_FILTER0 **list;
    UINT32 count, asked;
};

/* One answer's filters, at most asked. *last: there are no more. */
static DWORD read_entries(struct exchange *exchange, struct entries *entries, BOOLEAN *last)
{
    UINT32 count = 0;
    UINT8 ended = 0;
    FWPM_FILTER0 *filters;

    wire_u32(&exchange->in, &count);
    wire_u8(&exchange->in, &ended);
    if (exchange->in.failure != WIRE_FINE || count > entries->asked - entries->count || count > WIRE_ENTRIES_MAX)
        return RPC_S_CALL_FAILED;
    filters = exchange_take(exchange, count * (UINT32)sizeof(*filters));
    if (filters == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    block_chain(entries->list, filters);
    for (UINT32 i = 0; i < count; i++) {
        wire_filter(&exchange->in, &filters[i]);
        entries->list[entries->count + i] = &filters[i];
    }
    if (!wire_complete(&exchange->in))
        return RPC_S_CALL_FAILED;
    entries->count += count;
    *last = ended != 0 || count == 0;
    return ERROR_SUCCESS;
}

DWORD WINAPI FwpmFilterEnum0(HANDLE engineHandle, HANDLE enumHandle, UINT32 numEntriesRequested,
                             FWPM_FILTER0 ***entries, UINT32 *numEntriesReturned)
{
    struct entries found = {.asked = numEntriesRequested < ENTRIES_MAX ? numEntriesRequested : ENTRIES_MAX};
    UINT32 handle = (UINT32)(ULONG_PTR)enumHandle;
    DWORD error = ERROR_SUCCESS;
    BOOLEAN last = FALSE;

    if (entries == NULL || numEntriesReturned == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    found.list = block_new(((size_t)found.asked + 1) * sizeof(*found.list));
    if (found.list == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    do {
        UINT32 more = found.asked - found.count;
        struct exchange exchange;

        error = ERROR_INVALID_HANDLE;
        if (exchange_begin(&exchange, engineHandle, WIRE_FILTER_ENUM)) {
            wire_u32(&exchange.out, &handle);
            wire_u32(&exchange.out, &more);
            error = exchange_end(&exchange);
        }
        if (error == ERROR_SUCCESS)
            error = read_entries(&exchange, &found, &last);
    } while (error == ERROR_SUCCESS && !last && found.count < found.asked);
    if (error == ERROR_SUCCESS) {
        *entries = found.list;
        *numEntriesReturned = found.count;
    } else {
        FwpmFreeMemory0((void **)&found.list);
    }
    return error;
}

DWORD WINAPI FwpmFilterDestroyEnumHandle0(HANDLE engineHandle, HANDLE enumHandle)
{
    return exchange_u32(engineHandle, WIRE_FILTER_ENUM_DESTROY, (UINT32)(ULONG_PTR)enumHandle);
}
