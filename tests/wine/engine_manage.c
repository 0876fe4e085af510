/* SPDX-License-Identifier: MIT */
/*
 * engine_manage.c - see engine_manage.h. The host of fwpuclnt's server: pool memory, the monotonic clock, one mutex.
 *
 * Calls come on the stack's thread, the end of a handle on the dispatch thread. A holder of the mutex waits for nobody
 * but a driver's own transaction, which no dispatch routine keeps open.
 */
#include "tests/wine/engine_manage.h"

#include "fwpuclnt/server.h"
#include "tests/wine/include/pthread.h"
#include "wfp/ale.h"

#define MANAGE_TAG 'MpfW'

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fwpm_server *server; /* lock; made by the first call */

static void *allocate(void *context, size_t size)
{
    void *memory = ExAllocatePoolWithTag(NonPagedPoolNx, size, MANAGE_TAG);

    (void)context;
    if (memory != NULL)
        RtlZeroMemory(memory, size);
    return memory;
}

static void release(void *context, void *memory)
{
    (void)context;
    ExFreePoolWithTag(memory, MANAGE_TAG);
}

static UINT64 now_ms(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (UINT64)now.tv_sec * 1000 + (UINT64)now.tv_nsec / 1000000;
}

/* With the lock held. */
static struct fwpm_client *connect(void)
{
    static const struct fwpm_server_host host = {
        .allocate = allocate,
        .release = release,
        .now_ms = now_ms,
        .give_way = wfp_session_give_way,
        .in_transaction = wfp_session_in_transaction,
    };

    if (server == NULL)
        server = fwpm_server_new(&host);
    return server == NULL ? NULL : fwpm_server_connect(server);
}

NTSTATUS engine_manage_call(struct fwpm_client **client, const void *input, ULONG input_size, void *output,
                            ULONG output_size, ULONG *answer_size)
{
    void *copy = allocate(NULL, input_size + 1);
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (copy == NULL)
        return status;
    RtlCopyMemory(copy, input, input_size);
    pthread_mutex_lock(&lock);
    if (*client == NULL)
        *client = connect();
    if (*client != NULL) {
        *answer_size = fwpm_server_call(*client, copy, input_size, output, output_size);
        status = *answer_size == 0 ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&lock);
    release(NULL, copy);
    return status;
}

void engine_manage_leave(struct fwpm_client *client)
{
    pthread_mutex_lock(&lock);
    fwpm_server_disconnect(client);
    pthread_mutex_unlock(&lock);
}
