/* SPDX-License-Identifier: MIT */
/*
 * server.c - clients, who may call now, and the frame around each call. See server.h.
 */
#include "fwpuclnt/server.h"
#include "fwpuclnt/server_private.h"

#include <string.h>

#define ANSWER_HEAD 8u

struct fwpm_server *fwpm_server_new(const struct fwpm_server_host *host)
{
    struct fwpm_server *server = host->allocate(host->context, sizeof(*server));

    if (server != NULL)
        server->host = *host;
    return server;
}

/* --- The open transaction ------------------------------------------------------------------ */

/* A session that gives way loses its transaction to any session that does not. */
static void abort_owner(void)
{
    HANDLE engine;

    if (NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine))) {
        if (NT_SUCCESS(FwpmTransactionBegin0(engine, 0)))
            (void)FwpmTransactionAbort0(engine);
        (void)FwpmEngineClose0(engine);
    }
}

static UINT64 now_ms(const struct fwpm_server *server)
{
    return server->host.now_ms(server->host.context);
}

/* Shared with those who wait. */
static UINT64 owner_due(const struct fwpm_server *server)
{
    UINT32 share = FWPM_TRANSACTION_MAX_MS / (1 + server->waiting_count);

    return server->owner_since + (share < FWPM_TRANSACTION_MIN_MS ? FWPM_TRANSACTION_MIN_MS : share);
}

/* Brings owner up to date: its transaction may have been aborted from outside, or is overdue. */
static void owner_refresh(struct fwpm_server *server)
{
    if (server->owner == NULL)
        return;
    if (server->host.in_transaction(server->owner) && now_ms(server) >= owner_due(server)) {
        abort_owner();
        if (server->host.in_transaction(server->owner)) /* no memory: again a moment later, not without end */
            server->owner_since = now_ms(server);
    }
    if (!server->host.in_transaction(server->owner))
        server->owner = NULL;
}

/* After any call of a session: it may have begun a transaction, or ended it. */
static void owner_changed(struct fwpm_server *server, HANDLE engine)
{
    BOOLEAN open = server->host.in_transaction(engine);

    if (open && server->owner != engine) {
        server->owner = engine;
        server->owner_since = now_ms(server);
    } else if (!open && server->owner == engine) {
        server->owner = NULL;
    }
}

/* --- Who waits ----------------------------------------------------------------------------- */

static void wait_end(struct fwpm_client *client)
{
    struct fwpm_server *server = client->server;

    if (!client->waits)
        return;
    for (struct fwpm_client **link = &server->waiting; *link != NULL; link = &(*link)->waiting)
        if (*link == client) {
            *link = client->waiting;
            break;
        }
    client->waits = FALSE;
    client->waiting = NULL;
    server->waiting_count--;
}

static void wait_note(struct fwpm_client *client)
{
    struct fwpm_server *server = client->server;
    struct fwpm_client **link = &server->waiting;

    client->asked = now_ms(server);
    if (client->waits)
        return;
    while (*link != NULL)
        link = &(*link)->waiting;
    *link = client;
    client->waits = TRUE;
    server->waiting_count++;
}

/* Forgets who did not ask again. */
static void waiting_refresh(struct fwpm_server *server)
{
    struct fwpm_client *next;

    for (struct fwpm_client *client = server->waiting; client != NULL; client = next) {
        next = client->waiting;
        if (now_ms(server) - client->asked > FWPM_ASKS_AGAIN_MS)
            wait_end(client);
    }
}

/* --- Clients ------------------------------------------------------------------------------- */

struct fwpm_client *fwpm_server_connect(struct fwpm_server *server)
{
    struct fwpm_client *client = server->host.allocate(server->host.context, sizeof(*client));

    if (client != NULL)
        client->server = server;
    return client;
}

/* FALSE: the engine's own side is in the way. */
static BOOLEAN sessions_close(struct fwpm_client *client)
{
    for (UINT32 i = 0; i < FWPM_SESSIONS_MAX; i++)
        if (client->sessions[i].handle != 0 && fwpm_session_close(client, &client->sessions[i]) == STATUS_FWP_TIMEOUT)
            return FALSE;
    return TRUE;
}

/* Of those who left, whoever can be ended now: all, if no transaction is open. */
static void leaving_close(struct fwpm_server *server)
{
    while (server->leaving != NULL && server->owner == NULL && sessions_close(server->leaving)) {
        struct fwpm_client *client = server->leaving;

        server->leaving = client->next;
        server->leaving_count--;
        server->host.release(server->host.context, client);
    }
}

static BOOLEAN client_owns(const struct fwpm_client *client)
{
    for (UINT32 i = 0; i < FWPM_SESSIONS_MAX; i++)
        if (client->sessions[i].handle != 0 && client->sessions[i].engine == client->server->owner)
            return TRUE;
    return FALSE;
}

void fwpm_server_disconnect(struct fwpm_client *client)
{
    struct fwpm_server *server;

    if (client == NULL)
        return;
    server = client->server;
    wait_end(client);
    owner_refresh(server);
    if (client_owns(client)) { /* first, so that its other sessions find the way free */
        for (UINT32 i = 0; i < FWPM_SESSIONS_MAX; i++)
            if (client->sessions[i].handle != 0 && client->sessions[i].engine == server->owner)
                (void)fwpm_session_close(client, &client->sessions[i]);
        server->owner = NULL;
    }
    client->next = server->leaving;
    server->leaving = client;
    server->leaving_count++;
    leaving_close(server);
}

void fwpm_server_free(struct fwpm_server *server)
{
    if (server == NULL)
        return;
    server->owner = NULL;
    leaving_close(server);
    for (struct fwpm_client *client = server->leaving, *next; client != NULL; client = next) {
        next = client->next;
        server->host.release(server->host.context, client);
    }
    server->host.release(server->host.context, server);
}

UINT64 fwpm_server_tick(struct fwpm_server *server)
{
    if (server->owner == NULL && server->leaving == NULL)
        return FWPM_NEVER;
    waiting_refresh(server);
    owner_refresh(server);
    leaving_close(server);
    if (server->owner != NULL)
        return owner_due(server);
    return server->leaving == NULL ? FWPM_NEVER : now_ms(server) + FWPM_TRANSACTION_MIN_MS;
}

/* --- Calls --------------------------------------------------------------------------------- */

static struct fwpm_session *session_find(struct fwpm_client *client, UINT32 handle)
{
    for (UINT32 i = 0; i < FWPM_SESSIONS_MAX; i++)
        if (handle != 0 && client->sessions[i].handle == handle)
            return &client->sessions[i];
    return NULL;
}

/* TRUE: not now. An open only waits for room; a transaction also for those who asked before. */
static BOOLEAN must_wait(const struct fwpm_call *call, UINT32 number)
{
    const struct fwpm_server *server = call->client->server;

    if (number == WIRE_ENGINE_OPEN)
        return server->leaving_count >= FWPM_LEAVING_MAX;
    if (server->owner != NULL)
        return server->owner != call->session->engine;
    return number == WIRE_TRANSACTION_BEGIN && server->waiting != NULL && server->waiting != call->client;
}

/* The version, the call's number, and, but for an open, the session; then the call itself. */
static NTSTATUS call_run(struct fwpm_call *call)
{
    struct fwpm_server *server = call->client->server;
    UINT32 version = 0, number = 0, handle = 0;
    HANDLE engine = NULL;
    NTSTATUS status;

    wire_u32(&call->in, &version);
    wire_u32(&call->in, &number);
    if (call->in.failure != WIRE_FINE)
        return (NTSTATUS)WIRE_MALFORMED;
    if (version != WIRE_VERSION)
        return (NTSTATUS)WIRE_REVISION;
    if (number != WIRE_ENGINE_OPEN) {
        wire_u32(&call->in, &handle);
        if (call->in.failure != WIRE_FINE)
            return (NTSTATUS)WIRE_MALFORMED;
        call->session = session_find(call->client, handle);
        if (call->session == NULL)
            return STATUS_INVALID_HANDLE;
        engine = call->session->engine;
    }
    waiting_refresh(server);
    owner_refresh(server);
    leaving_close(server);
    status = must_wait(call, number) ? STATUS_FWP_TIMEOUT : fwpm_call_run(call, number);
    if (engine != NULL)
        owner_changed(server, engine);
    if (status == STATUS_FWP_TIMEOUT) {
        wait_note(call->client);
        return (NTSTATUS)WIRE_BUSY;
    }
    wait_end(call->client);
    return status;
}

UINT32 fwpm_server_call(struct fwpm_client *client, const void *input, UINT32 input_size, void *output,
                        UINT32 output_size)
{
    struct fwpm_server_host *host = &client->server->host;
    UINT32 version = WIRE_VERSION, told;
    struct fwpm_call call;
    void *memory = NULL;
    NTSTATUS status;

    if (output_size < ANSWER_HEAD)
        return 0;
    memset(&call, 0, sizeof(call));
    call.client = client;
    wire_writer(&call.out, output, output_size);
    call.out.at = ANSWER_HEAD;
    if (input_size > WIRE_CALL_MAX) {
        status = (NTSTATUS)WIRE_MALFORMED;
        goto out;
    }
    memory = host->allocate(host->context, WIRE_MEMORY_SIZE(input_size));
    status = (NTSTATUS)WIRE_NO_MEMORY;
    if (memory == NULL)
        goto out;
    wire_reader(&call.in, input, input_size, memory, WIRE_MEMORY_SIZE(input_size));
    status = call_run(&call);
    host->release(host->context, memory);
out:
    if (NT_SUCCESS(status) && call.out.failure != WIRE_FINE)
        status = STATUS_BUFFER_TOO_SMALL;
    if (!NT_SUCCESS(status))
        call.out.at = ANSWER_HEAD;
    output_size = call.out.at;
    told = (UINT32)status;
    wire_writer(&call.out, output, ANSWER_HEAD);
    wire_u32(&call.out, &version);
    wire_u32(&call.out, &told);
    return output_size;
}
