/* SPDX-License-Identifier: MIT */
/*
 * server_calls.c - what each management call does: read its arguments, all of them and nothing more, call the engine,
 * write what it gave. See server.h. One row a call in the table at the end.
 */
#include "fwpuclnt/server_private.h"

/* --- Sessions ------------------------------------------------------------------------------ */

static NTSTATUS engine_open(struct fwpm_call *call)
{
    const struct fwpm_server_host *host = &call->client->server->host;
    FWPM_SESSION0 *asked = NULL;
    struct fwpm_session *slot = NULL;
    UINT32 authn = 0;
    NTSTATUS status;

    wire_u32(&call->in, &authn);
    if (wire_pointer(&call->in, (void **)&asked, sizeof(*asked)))
        wire_session(&call->in, asked);
    if (!wire_complete(&call->in))
        return (NTSTATUS)WIRE_MALFORMED;
    for (UINT32 i = 0; i < FWPM_SESSIONS_MAX && slot == NULL; i++)
        if (call->client->sessions[i].handle == 0)
            slot = &call->client->sessions[i];
    if (slot == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = FwpmEngineOpen0(NULL, authn, NULL, asked, &slot->engine);
    if (!NT_SUCCESS(status))
        return status;
    host->give_way(slot->engine);
    slot->handle = ++call->client->last_handle;
    wire_u32(&call->out, &slot->handle);
    return STATUS_SUCCESS;
}

NTSTATUS fwpm_enumeration_close(struct fwpm_enumeration *enumeration)
{
    NTSTATUS status = FwpmFilterDestroyEnumHandle0(enumeration->engine, enumeration->engine_enumeration);

    if (status == STATUS_FWP_TIMEOUT)
        return status;
    if (enumeration->carried != NULL)
        FwpmFreeMemory0((void **)&enumeration->carried);
    enumeration->handle = 0;
    return status;
}

NTSTATUS fwpm_session_close(struct fwpm_client *client, struct fwpm_session *session)
{
    NTSTATUS status;

    for (UINT32 i = 0; i < FWPM_ENUMERATIONS_MAX; i++)
        if (client->enumerations[i].handle != 0 && client->enumerations[i].engine == session->engine)
            if (fwpm_enumeration_close(&client->enumerations[i]) == STATUS_FWP_TIMEOUT)
                return STATUS_FWP_TIMEOUT;
    status = FwpmEngineClose0(session->engine);
    if (status != STATUS_FWP_TIMEOUT)
        session->handle = 0;
    return status;
}

static NTSTATUS engine_close(struct fwpm_call *call)
{
    return wire_complete(&call->in) ? fwpm_session_close(call->client, call->session) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS transaction_begin(struct fwpm_call *call)
{
    UINT32 flags = 0;

    wire_u32(&call->in, &flags);
    return wire_complete(&call->in) ? FwpmTransactionBegin0(call->session->engine, flags) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS transaction_commit(struct fwpm_call *call)
{
    return wire_complete(&call->in) ? FwpmTransactionCommit0(call->session->engine) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS transaction_abort(struct fwpm_call *call)
{
    return wire_complete(&call->in) ? FwpmTransactionAbort0(call->session->engine) : (NTSTATUS)WIRE_MALFORMED;
}

/* --- Providers and sublayers --------------------------------------------------------------- */

/* FALSE: damaged. */
static BOOLEAN read_key(struct fwpm_call *call, GUID *key)
{
    wire_guid(&call->in, key);
    return wire_complete(&call->in);
}

static NTSTATUS provider_add(struct fwpm_call *call)
{
    FWPM_PROVIDER0 provider = {0};

    wire_provider(&call->in, &provider);
    return wire_complete(&call->in) ? FwpmProviderAdd0(call->session->engine, &provider, NULL)
                                    : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS provider_delete(struct fwpm_call *call)
{
    GUID key;

    return read_key(call, &key) ? FwpmProviderDeleteByKey0(call->session->engine, &key) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS provider_get(struct fwpm_call *call)
{
    FWPM_PROVIDER0 *provider = NULL;
    NTSTATUS status;
    GUID key;

    if (!read_key(call, &key))
        return (NTSTATUS)WIRE_MALFORMED;
    status = FwpmProviderGetByKey0(call->session->engine, &key, &provider);
    if (NT_SUCCESS(status)) {
        wire_provider(&call->out, provider);
        FwpmFreeMemory0((void **)&provider);
    }
    return status;
}

static NTSTATUS sublayer_add(struct fwpm_call *call)
{
    FWPM_SUBLAYER0 sublayer = {0};

    wire_sublayer(&call->in, &sublayer);
    return wire_complete(&call->in) ? FwpmSubLayerAdd0(call->session->engine, &sublayer, NULL)
                                    : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS sublayer_delete(struct fwpm_call *call)
{
    GUID key;

    return read_key(call, &key) ? FwpmSubLayerDeleteByKey0(call->session->engine, &key) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS sublayer_get(struct fwpm_call *call)
{
    FWPM_SUBLAYER0 *sublayer = NULL;
    NTSTATUS status;
    GUID key;

    if (!read_key(call, &key))
        return (NTSTATUS)WIRE_MALFORMED;
    status = FwpmSubLayerGetByKey0(call->session->engine, &key, &sublayer);
    if (NT_SUCCESS(status)) {
        wire_sublayer(&call->out, sublayer);
        FwpmFreeMemory0((void **)&sublayer);
    }
    return status;
}

/* --- Filters ------------------------------------------------------------------------------- */

static NTSTATUS filter_add(struct fwpm_call *call)
{
    FWPM_FILTER0 filter = {0};
    NTSTATUS status;
    UINT64 id = 0;

    wire_filter(&call->in, &filter);
    if (!wire_complete(&call->in))
        return (NTSTATUS)WIRE_MALFORMED;
    status = FwpmFilterAdd0(call->session->engine, &filter, NULL, &id);
    if (NT_SUCCESS(status))
        wire_u64(&call->out, &id);
    return status;
}

static NTSTATUS filter_delete_by_id(struct fwpm_call *call)
{
    UINT64 id = 0;

    wire_u64(&call->in, &id);
    return wire_complete(&call->in) ? FwpmFilterDeleteById0(call->session->engine, id) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS filter_delete_by_key(struct fwpm_call *call)
{
    GUID key;

    return read_key(call, &key) ? FwpmFilterDeleteByKey0(call->session->engine, &key) : (NTSTATUS)WIRE_MALFORMED;
}

static NTSTATUS filter_told(struct fwpm_call *call, NTSTATUS status, FWPM_FILTER0 *filter)
{
    if (NT_SUCCESS(status)) {
        wire_filter(&call->out, filter);
        FwpmFreeMemory0((void **)&filter);
    }
    return status;
}

static NTSTATUS filter_get_by_id(struct fwpm_call *call)
{
    FWPM_FILTER0 *filter = NULL;
    NTSTATUS status;
    UINT64 id = 0;

    wire_u64(&call->in, &id);
    if (!wire_complete(&call->in))
        return (NTSTATUS)WIRE_MALFORMED;
    status = FwpmFilterGetById0(call->session->engine, id, &filter);
    return filter_told(call, status, filter);
}

static NTSTATUS filter_get_by_key(struct fwpm_call *call)
{
    FWPM_FILTER0 *filter = NULL;
    NTSTATUS status;
    GUID key;

    if (!read_key(call, &key))
        return (NTSTATUS)WIRE_MALFORMED;
    status = FwpmFilterGetByKey0(call->session->engine, &key, &filter);
    return filter_told(call, status, filter);
}

/* --- Enumerations -------------------------------------------------------------------------- */

static NTSTATUS filter_enum_create(struct fwpm_call *call)
{
    FWPM_FILTER_ENUM_TEMPLATE0 *wanted = NULL;
    struct fwpm_enumeration *slot = NULL;
    NTSTATUS status;

    if (wire_pointer(&call->in, (void **)&wanted, sizeof(*wanted)))
        wire_template(&call->in, wanted);
    if (!wire_complete(&call->in))
        return (NTSTATUS)WIRE_MALFORMED;
    for (UINT32 i = 0; i < FWPM_ENUMERATIONS_MAX && slot == NULL; i++)
        if (call->client->enumerations[i].handle == 0)
            slot = &call->client->enumerations[i];
    if (slot == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = FwpmFilterCreateEnumHandle0(call->session->engine, wanted, &slot->engine_enumeration);
    if (!NT_SUCCESS(status))
        return status;
    slot->engine = call->session->engine;
    slot->handle = ++call->client->last_handle;
    wire_u32(&call->out, &slot->handle);
    return STATUS_SUCCESS;
}

static struct fwpm_enumeration *enumeration_find(struct fwpm_call *call, UINT32 handle)
{
    for (UINT32 i = 0; i < FWPM_ENUMERATIONS_MAX; i++) {
        struct fwpm_enumeration *one = &call->client->enumerations[i];

        if (handle != 0 && one->handle == handle && one->engine == call->session->engine)
            return one;
    }
    return NULL;
}

/* The next filter into carried; NULL there at the end. */
static NTSTATUS enumeration_next(struct fwpm_enumeration *enumeration)
{
    UINT32 count = 0;
    NTSTATUS status;

    if (enumeration->carried != NULL)
        return STATUS_SUCCESS;
    status = FwpmFilterEnum0(enumeration->engine, enumeration->engine_enumeration, 1, &enumeration->carried, &count);
    if (NT_SUCCESS(status) && count == 0)
        FwpmFreeMemory0((void **)&enumeration->carried);
    return status;
}

/* Writes as many as were asked for and fit. */
static NTSTATUS filter_enum(struct fwpm_call *call)
{
    UINT32 handle = 0, asked = 0, count = 0, count_at = call->out.at, end;
    struct fwpm_enumeration *enumeration;
    NTSTATUS status = STATUS_SUCCESS;
    UINT8 last = 0;

    wire_u32(&call->in, &handle);
    wire_u32(&call->in, &asked);
    if (!wire_complete(&call->in))
        return (NTSTATUS)WIRE_MALFORMED;
    enumeration = enumeration_find(call, handle);
    if (enumeration == NULL)
        return STATUS_FWP_INVALID_ENUMERATOR;
    wire_u32(&call->out, &count);
    wire_u8(&call->out, &last);
    while (count < asked && count < WIRE_ENTRIES_MAX && call->out.failure == WIRE_FINE) {
        UINT32 at = call->out.at;

        status = enumeration_next(enumeration);
        last = enumeration->carried == NULL;
        if (!NT_SUCCESS(status) || last)
            break;
        wire_filter(&call->out, enumeration->carried[0]);
        if (call->out.failure != WIRE_FINE && count != 0) {
            call->out.failure = WIRE_FINE;
            call->out.at = at;
            break;
        }
        FwpmFreeMemory0((void **)&enumeration->carried);
        count++;
    }
    end = call->out.at;
    call->out.at = count_at;
    wire_u32(&call->out, &count);
    wire_u8(&call->out, &last);
    call->out.at = end;
    return count != 0 ? STATUS_SUCCESS : status;
}

static NTSTATUS filter_enum_destroy(struct fwpm_call *call)
{
    struct fwpm_enumeration *enumeration;
    UINT32 handle = 0;

    wire_u32(&call->in, &handle);
    if (!wire_complete(&call->in))
        return (NTSTATUS)WIRE_MALFORMED;
    enumeration = enumeration_find(call, handle);
    return enumeration == NULL ? STATUS_FWP_INVALID_ENUMERATOR : fwpm_enumeration_close(enumeration);
}

typedef NTSTATUS fwpm_call_function(struct fwpm_call *call);

static fwpm_call_function *const functions[WIRE_CALL_END] = {
    [WIRE_ENGINE_OPEN] = engine_open,
    [WIRE_ENGINE_CLOSE] = engine_close,
    [WIRE_TRANSACTION_BEGIN] = transaction_begin,
    [WIRE_TRANSACTION_COMMIT] = transaction_commit,
    [WIRE_TRANSACTION_ABORT] = transaction_abort,
    [WIRE_PROVIDER_ADD] = provider_add,
    [WIRE_PROVIDER_DELETE] = provider_delete,
    [WIRE_PROVIDER_GET] = provider_get,
    [WIRE_SUBLAYER_ADD] = sublayer_add,
    [WIRE_SUBLAYER_DELETE] = sublayer_delete,
    [WIRE_SUBLAYER_GET] = sublayer_get,
    [WIRE_FILTER_ADD] = filter_add,
    [WIRE_FILTER_DELETE_BY_ID] = filter_delete_by_id,
    [WIRE_FILTER_DELETE_BY_KEY] = filter_delete_by_key,
    [WIRE_FILTER_GET_BY_ID] = filter_get_by_id,
    [WIRE_FILTER_GET_BY_KEY] = filter_get_by_key,
    [WIRE_FILTER_ENUM_CREATE] = filter_enum_create,
    [WIRE_FILTER_ENUM] = filter_enum,
    [WIRE_FILTER_ENUM_DESTROY] = filter_enum_destroy,
};

NTSTATUS fwpm_call_run(struct fwpm_call *call, UINT32 number)
{
    if (number == 0 || number >= WIRE_CALL_END)
        return (NTSTATUS)WIRE_MALFORMED;
    return functions[number](call);
}
