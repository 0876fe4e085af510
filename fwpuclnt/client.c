/* SPDX-License-Identifier: MIT */
/*
 * client.c - sessions and transactions of fwpmu.h, the exchange with the server, and what its statuses are called in
 * user mode. See client.h.
 */
#include "fwpuclnt/client.h"
#include "fwpuclnt/client_private.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 15000u
#define PAUSE_MS           5u
#define FWP_STATUS         0xC0220000u
#define FWP_ERROR          0x80320000u

static struct fwpm_channel channel_now;

void fwpm_use_channel(const struct fwpm_channel *channel)
{
    static const struct fwpm_channel none;

    channel_now = channel == NULL ? none : *channel;
}

/* --- Blocks -------------------------------------------------------------------------------- */

/* In front of what is handed out, whose alignment it keeps. */
struct block {
    struct block *next;
    UINT64 alignment;
    UINT8 memory[];
};

static struct block *block_of(void *memory)
{
    return (struct block *)((UINT8 *)memory - sizeof(struct block));
}

static void *memory_of(struct block *block)
{
    return block == NULL ? NULL : block->memory;
}

void *block_new(size_t size)
{
    return memory_of(calloc(1, sizeof(struct block) + size));
}

void block_chain(void *block, void *last)
{
    struct block *head = block_of(block), *tail = block_of(last);

    tail->next = head->next;
    head->next = tail;
}

void WINAPI FwpmFreeMemory0(void **p)
{
    if (p == NULL || *p == NULL)
        return;
    for (struct block *block = block_of(*p), *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    *p = NULL;
}

/* --- The exchange -------------------------------------------------------------------------- */

static const struct {
    UINT32 status;
    DWORD error;
} errors[] = {
    {0xC0000079u, ERROR_INVALID_SECURITY_DESCR}, {0, ERROR_SUCCESS},
    {WIRE_MALFORMED, ERROR_INVALID_PARAMETER},   {WIRE_REVISION, ERROR_REVISION_MISMATCH},
    {WIRE_NO_MEMORY, ERROR_NOT_ENOUGH_MEMORY},   {0xC0000008u, ERROR_INVALID_HANDLE},
    {0xC0000022u, ERROR_ACCESS_DENIED},          {0xC0000023u, ERROR_INSUFFICIENT_BUFFER},
    {0xC0000044u, ERROR_NOT_ENOUGH_QUOTA},
};

static DWORD error_of(UINT32 status)
{
    if ((status & 0xFFFF0000u) == FWP_STATUS)
        return (DWORD)(FWP_ERROR | (status & 0xFFFFu));
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (errors[i].status == status)
            return errors[i].error;
    return ERROR_GEN_FAILURE;
}

static void write_head(struct exchange *exchange, enum wire_call number)
{
    UINT32 version = WIRE_VERSION, code = number;

    wire_writer(&exchange->out, exchange->session->call, sizeof(exchange->session->call));
    wire_u32(&exchange->out, &version);
    wire_u32(&exchange->out, &code);
    if (number != WIRE_ENGINE_OPEN)
        wire_u32(&exchange->out, &exchange->session->handle);
}

BOOLEAN exchange_begin(struct exchange *exchange, HANDLE engine, enum wire_call number)
{
    exchange->session = engine;
    if (engine == NULL)
        return FALSE;
    write_head(exchange, number);
    return TRUE;
}

/* Once; *status is the server's. */
static DWORD carry(struct exchange *exchange, UINT32 *status)
{
    struct client_session *session = exchange->session;
    UINT32 size = 0, version = 0;
    DWORD error = session->channel.call(session->channel.context, session->call, exchange->out.at, session->answer,
                                        sizeof(session->answer), &size);

    if (error != ERROR_SUCCESS)
        return error;
    if (size > sizeof(session->answer))
        return RPC_S_CALL_FAILED;
    wire_reader(&exchange->in, session->answer, size, NULL, 0);
    wire_u32(&exchange->in, &version);
    wire_u32(&exchange->in, status);
    if (exchange->in.failure != WIRE_FINE)
        return RPC_S_CALL_FAILED;
    return version == WIRE_VERSION ? ERROR_SUCCESS : ERROR_REVISION_MISMATCH;
}

DWORD exchange_end(struct exchange *exchange)
{
    struct client_session *session = exchange->session;
    UINT32 waited = 0, status = 0;
    DWORD error;

    if (exchange->out.failure != WIRE_FINE)
        return (DWORD)(exchange->out.failure == WIRE_NULL ? FWP_E_NULL_POINTER : FWP_E_OUT_OF_BOUNDS);
    for (;;) {
        error = carry(exchange, &status);
        if (error != ERROR_SUCCESS || status != WIRE_BUSY)
            break;
        if (waited >= session->timeout_ms)
            return (DWORD)FWP_E_TIMEOUT;
        session->channel.pause(session->channel.context, PAUSE_MS);
        waited += PAUSE_MS;
    }
    return error != ERROR_SUCCESS ? error : error_of(status);
}

void *exchange_take(struct exchange *exchange, UINT32 size)
{
    UINT32 left = exchange->in.size - exchange->in.at, start = (size + 15u) & ~15u;
    UINT8 *block = block_new(start + WIRE_MEMORY_SIZE(left));

    if (block != NULL)
        wire_reader(&exchange->in, exchange->in.bytes + exchange->in.at, left, block + start, WIRE_MEMORY_SIZE(left));
    return block;
}

DWORD exchange_complete(struct exchange *exchange, void *block)
{
    if (wire_complete(&exchange->in))
        return ERROR_SUCCESS;
    FwpmFreeMemory0(&block);
    return RPC_S_CALL_FAILED;
}

DWORD exchange_object(struct exchange *exchange, UINT32 size, exchange_read *read, void **object)
{
    DWORD error = exchange_end(exchange);
    void *block;

    if (error != ERROR_SUCCESS)
        return error;
    block = exchange_take(exchange, size);
    if (block == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    read(&exchange->in, block);
    error = exchange_complete(exchange, block);
    if (error == ERROR_SUCCESS)
        *object = block;
    return error;
}

DWORD exchange_object_by_key(HANDLE engine, enum wire_call number, const GUID *key, UINT32 size, exchange_read *read,
                             void **object)
{
    struct exchange exchange;

    if (key == NULL || object == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engine, number))
        return ERROR_INVALID_HANDLE;
    wire_guid(&exchange.out, (GUID *)(ULONG_PTR)key);
    return exchange_object(&exchange, size, read, object);
}

DWORD exchange_key(HANDLE engine, enum wire_call number, const GUID *key)
{
    struct exchange exchange;

    if (key == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (!exchange_begin(&exchange, engine, number))
        return ERROR_INVALID_HANDLE;
    wire_guid(&exchange.out, (GUID *)(ULONG_PTR)key);
    return exchange_end(&exchange);
}

DWORD exchange_u32(HANDLE engine, enum wire_call number, UINT32 value)
{
    struct exchange exchange;

    if (!exchange_begin(&exchange, engine, number))
        return ERROR_INVALID_HANDLE;
    wire_u32(&exchange.out, &value);
    return exchange_end(&exchange);
}

/* --- Sessions and transactions ------------------------------------------------------------- */

DWORD WINAPI FwpmEngineOpen0(const wchar_t *serverName, UINT32 authnService, SEC_WINNT_AUTH_IDENTITY_W *authIdentity,
                             const FWPM_SESSION0 *session, HANDLE *engineHandle)
{
    FWPM_SESSION0 *asked = (FWPM_SESSION0 *)(ULONG_PTR)session;
    struct client_session *opened;
    struct exchange exchange;
    DWORD error;

    if (engineHandle == NULL)
        return (DWORD)FWP_E_NULL_POINTER;
    if (serverName != NULL || authIdentity != NULL)
        return ERROR_INVALID_PARAMETER;
    if (channel_now.call == NULL)
        return RPC_S_SERVER_UNAVAILABLE;
    opened = calloc(1, sizeof(*opened));
    if (opened == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    opened->channel = channel_now;
    opened->timeout_ms =
        session == NULL || session->txnWaitTimeoutInMSec == 0 ? DEFAULT_TIMEOUT_MS : session->txnWaitTimeoutInMSec;
    exchange.session = opened;
    write_head(&exchange, WIRE_ENGINE_OPEN);
    wire_u32(&exchange.out, &authnService);
    if (wire_pointer(&exchange.out, (void **)&asked, sizeof(*asked)))
        wire_session(&exchange.out, asked);
    error = exchange_end(&exchange);
    if (error == ERROR_SUCCESS) {
        wire_u32(&exchange.in, &opened->handle);
        error = exchange_complete(&exchange, NULL);
    }
    if (error == ERROR_SUCCESS)
        *engineHandle = opened;
    else
        free(opened);
    return error;
}

/* Gone in any case: what the server could not close now goes with the channel. */
DWORD WINAPI FwpmEngineClose0(HANDLE engineHandle)
{
    struct exchange exchange;
    DWORD error;

    if (!exchange_begin(&exchange, engineHandle, WIRE_ENGINE_CLOSE))
        return ERROR_INVALID_HANDLE;
    error = exchange_end(&exchange);
    free(engineHandle);
    return error;
}

DWORD WINAPI FwpmTransactionBegin0(HANDLE engineHandle, UINT32 flags)
{
    return exchange_u32(engineHandle, WIRE_TRANSACTION_BEGIN, flags);
}

static DWORD transaction_end(HANDLE engine, enum wire_call number)
{
    struct exchange exchange;

    return exchange_begin(&exchange, engine, number) ? exchange_end(&exchange) : ERROR_INVALID_HANDLE;
}

DWORD WINAPI FwpmTransactionCommit0(HANDLE engineHandle)
{
    return transaction_end(engineHandle, WIRE_TRANSACTION_COMMIT);
}

DWORD WINAPI FwpmTransactionAbort0(HANDLE engineHandle)
{
    return transaction_end(engineHandle, WIRE_TRANSACTION_ABORT);
}
