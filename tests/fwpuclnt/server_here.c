/* SPDX-License-Identifier: MIT */
/*
 * server_here.c - see server_here.h.
 */
#include "tests/fwpuclnt/server_here.h"
#include "fwpuclnt/server.h"
#include "wfp/ale.h"

#include <stdlib.h>

static struct fwpm_server *server;
static struct fwpm_client *client;
static UINT64 now;
static size_t blocks;

static void *allocate(void *context, size_t size)
{
    (void)context;
    blocks++;
    return calloc(1, size);
}

static void release(void *context, void *memory)
{
    (void)context;
    blocks--;
    free(memory);
}

static UINT64 now_ms(void *context)
{
    (void)context;
    return now;
}

void server_here_start(void)
{
    static const struct fwpm_server_host host = {
        .allocate = allocate,
        .release = release,
        .now_ms = now_ms,
        .give_way = wfp_session_give_way,
        .in_transaction = wfp_session_in_transaction,
    };

    server = fwpm_server_new(&host);
    client = fwpm_server_connect(server);
}

void server_here_stop(void)
{
    fwpm_server_disconnect(client);
    fwpm_server_free(server);
    client = NULL;
    server = NULL;
    if (blocks != 0)
        abort();
}

UINT32 server_here_call(const void *input, UINT32 size, void *output, UINT32 capacity)
{
    return client == NULL ? 0 : fwpm_server_call(client, input, size, output, capacity);
}

void server_here_pass(UINT64 milliseconds)
{
    now += milliseconds;
}

struct fwpm_server *server_here(void)
{
    return server;
}
