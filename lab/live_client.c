/* SPDX-License-Identifier: MIT */
/*
 * live_client.c - see live_client.h.
 *
 * One call at a time. It ends on any thread, inside of the driver, where only the answer is copied. A call under way is
 * cancelled by live_client_stop, which the client's thread lets finish before it gives the call back.
 */
#include "lab/live_client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fltuserstructures.h>
#include <nt/nt.h>

#include "gatehouse/protocol.h"
#include "gatehouse/status.h"
#include "host/log.h"
#include "lab/scenario_fields.h"

#define ANSWER_MAX  130000u
#define END_SECONDS 5

struct live_client {
    const struct live_protocol *protocol;
    struct nt_file *file;
    struct nt_port *port; /* instead */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows up to answer */
    pthread_cond_t changed;
    bool stop, done, cancelling;
    struct nt_call *call;
    NTSTATUS status;
    size_t size; /* of answer */
    uint8_t answer[ANSWER_MAX];
    struct {
        struct gatehouse_decisions head;
        struct gatehouse_decision each[GATEHOUSE_DECISIONS_MAX];
    } decisions;
    struct run_variable variables[SCENARIO_VARIABLES_MAX];
};

/* --- One call ------------------------------------------------------------------------------ */

static void call_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct live_client *client = context;

    pthread_mutex_lock(&client->lock);
    client->status = status;
    client->size = output != NULL && information <= ANSWER_MAX ? information : 0;
    if (client->size != 0)
        memcpy(client->answer, output, client->size);
    client->done = true;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static bool call_begins(struct live_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool goes = !client->stop;
    client->done = false;
    pthread_mutex_unlock(&client->lock);
    return goes;
}

static void cancel(struct live_client *client, struct nt_call *call)
{
    if (client->port != NULL)
        (void)nt_port_cancel(client->port, client);
    else if (call != NULL)
        nt_call_cancel(call);
}

/* call may be cancelled from now on, by us or by who stops us. */
static NTSTATUS call_wait(struct live_client *client, struct nt_call *call)
{
    pthread_mutex_lock(&client->lock);
    client->call = call;
    if (client->stop && !client->done) { /* said before there was a call */
        pthread_mutex_unlock(&client->lock);
        cancel(client, call);
        pthread_mutex_lock(&client->lock);
    }
    while (!client->done || client->cancelling)
        pthread_cond_wait(&client->changed, &client->lock);
    client->call = NULL;
    NTSTATUS status = client->status;
    pthread_mutex_unlock(&client->lock);
    return status;
}

static NTSTATUS control(struct live_client *client, uint32_t code, const void *input, size_t size, size_t room)
{
    struct nt_call *call = NULL;

    if (!call_begins(client))
        return STATUS_CANCELLED;
    nt_device_control(client->file, code, input, size, room, call_done, client, &call);
    NTSTATUS status = call_wait(client, call);
    if (call != NULL)
        nt_call_put(call);
    return status;
}

static NTSTATUS get_message(struct live_client *client)
{
    if (!call_begins(client))
        return STATUS_CANCELLED;
    nt_port_get_message(client->port, ANSWER_MAX, call_done, client);
    return call_wait(client, NULL);
}

/* --- Protocols ----------------------------------------------------------------------------- */

static NTSTATUS take(struct live_client *client, const uint8_t *bytes, size_t size)
{
    char different[80];

    fields_take(&client->protocol->ask->out, client->variables, bytes, size, different, sizeof(different));
    if (different[0] != 0)
        log_say("the driver's question is not as --ask has it%s.", different);
    return different[0] == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static NTSTATUS answer_device(struct live_client *client)
{
    const struct scenario_raw *ask = client->protocol->ask, *reply = client->protocol->reply;
    uint8_t *bytes = fields_compose(&ask->in, client->variables);
    NTSTATUS status = control(client, ask->code, bytes, ask->in.size, ask->out_size);

    free(bytes);
    if (!NT_SUCCESS(status))
        return status;
    status = take(client, client->answer, client->size);
    if (!NT_SUCCESS(status))
        return status;
    bytes = fields_compose(&reply->in, client->variables);
    status = control(client, reply->code, bytes, reply->in.size, reply->out_size);
    free(bytes);
    /* Nobody waits any more for this one: its program went, or it was too late. */
    return status == STATUS_CANCELLED ? status : STATUS_SUCCESS;
}

static NTSTATUS answer_port(struct live_client *client)
{
    const struct scenario_fields *fields = &client->protocol->reply->in;
    FILTER_MESSAGE_HEADER message;
    FILTER_REPLY_HEADER header = {0};
    NTSTATUS status = get_message(client);

    if (!NT_SUCCESS(status) || client->size < sizeof(message))
        return NT_SUCCESS(status) ? STATUS_INVALID_PARAMETER : status;
    memcpy(&message, client->answer, sizeof(message));
    status = take(client, client->answer + sizeof(message), client->size - sizeof(message));
    if (!NT_SUCCESS(status))
        return status;
    header.MessageId = message.MessageId;
    uint8_t *bytes = fields_compose(fields, client->variables);
    uint8_t *reply = malloc(sizeof(header) + fields->size);
    if (reply != NULL) {
        memcpy(reply, &header, sizeof(header));
        memcpy(reply + sizeof(header), bytes, fields->size);
        (void)nt_port_reply(client->port, reply, sizeof(header) + fields->size);
    }
    free(reply);
    free(bytes);
    return STATUS_SUCCESS;
}

/* The requests from offset on become decisions; how many. */
static uint32_t decide(struct live_client *client, size_t offset)
{
    struct gatehouse_request request;
    uint32_t count = 0;

    for (; offset + sizeof(request) <= client->size && count < GATEHOUSE_DECISIONS_MAX; offset += request.size) {
        memcpy(&request, client->answer + offset, sizeof(request));
        if (request.size < sizeof(request))
            break;
        client->decisions.each[count++] = (struct gatehouse_decision){
            .id = request.id, .verdict = client->protocol->permit ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK};
    }
    client->decisions.head = (struct gatehouse_decisions){GATEHOUSE_PROTOCOL_VERSION, count};
    return count;
}

/* Until a call fails. */
static NTSTATUS answer_gatehouse(struct live_client *client)
{
    const struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, GATEHOUSE_ROLE_DECIDER, 0};
    NTSTATUS status = control(client, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), sizeof(hello));
    uint32_t count = 0;

    while (NT_SUCCESS(status)) {
        size_t size = sizeof(client->decisions.head) + count * sizeof(client->decisions.each[0]);

        status = count == 0 ? control(client, GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, ANSWER_MAX)
                            : control(client, GATEHOUSE_IOCTL_SUBMIT_AND_GET, &client->decisions, size, ANSWER_MAX);
        if (NT_SUCCESS(status))
            count = decide(client, GATEHOUSE_STATUSES_SIZE(count));
    }
    return status;
}

static void *answer_all(void *context)
{
    struct live_client *client = context;
    NTSTATUS status = STATUS_SUCCESS;

    while (NT_SUCCESS(status))
        status = client->protocol->gatehouse ? answer_gatehouse(client)
                 : client->protocol->port    ? answer_port(client)
                                             : answer_device(client);
    pthread_mutex_lock(&client->lock);
    if (!client->stop)
        log_say("nobody answers any more: %s said 0x%08x.", client->protocol->name, (unsigned)status);
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

/* --- Start and stop ------------------------------------------------------------------------ */

static NTSTATUS client_open(struct live_client *client)
{
    struct nt_caller caller = {4711, TRUE};

    return client->protocol->port
               ? nt_port_connect(client->protocol->name, NULL, 0, &caller, &client->port)
               : nt_file_open(client->protocol->name, GENERIC_READ | GENERIC_WRITE, &caller, &client->file);
}

static void client_close(struct live_client *client)
{
    if (client->file != NULL)
        nt_file_close(client->file);
    if (client->port != NULL)
        nt_port_close(client->port);
    client->file = NULL;
    client->port = NULL;
}

struct live_client *live_client_start(const struct live_protocol *protocols, size_t count)
{
    struct live_client *client = calloc(1, sizeof(*client));
    NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;

    if (client == NULL)
        return NULL;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    for (size_t i = 0; i < count && !NT_SUCCESS(status); i++) {
        client->protocol = &protocols[i];
        status = client_open(client);
    }
    if (NT_SUCCESS(status) && pthread_create(&client->thread, NULL, answer_all, client) == 0)
        return client;
    if (NT_SUCCESS(status))
        log_say("there is no thread for who answers.");
    else if (count == 1)
        log_say("%s cannot be opened: 0x%08x.", protocols[0].name, (unsigned)status);
    else
        log_say("the driver has no device or port that is known: name it with --device or --port, --ask and --reply.");
    client_close(client);
    free(client);
    return NULL;
}

const char *live_client_name(const struct live_client *client)
{
    return client->protocol->name;
}

bool live_client_stop(struct live_client *client)
{
    struct timespec until;

    if (client == NULL)
        return true;
    pthread_mutex_lock(&client->lock);
    client->stop = true;
    struct nt_call *call = client->call;
    client->cancelling = !client->done && (call != NULL || client->port != NULL);
    bool cancels = client->cancelling;
    pthread_mutex_unlock(&client->lock);
    if (cancels)
        cancel(client, call);
    pthread_mutex_lock(&client->lock);
    client->cancelling = false;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_SECONDS;
    if (pthread_timedjoin_np(client->thread, NULL, &until) != 0) {
        nt_violate("irp-lost", "DRIVER_CANCEL", "a call of %s did not end within %u s of its cancel",
                   client->protocol->name, END_SECONDS);
        return false; /* it may come back at any time, so its memory stays */
    }
    client_close(client);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client);
    return true;
}
