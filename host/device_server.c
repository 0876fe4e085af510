/* SPDX-License-Identifier: MIT */
/*
 * device_server.c - clients of the device, their calls under way, and their answers.
 *
 * Answers are written from inside the driver's IoCompleteRequest (call_done), straight from the
 * IRP's buffer: the decider's wake-up must not wait for the rest of the turn. What would need the
 * driver again (releasing the call) is left for device_server_tidy. A driver that ends a call on a thread of its own
 * leaves a copy, and device_server_tidy answers.
 */
#include "host/device_server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <ntddk.h>

#include "fwpuclnt/server.h"
#include "fwpuclnt/wire.h"
#include "gatehouse/protocol.h"
#include "gatehouse/status.h"
#include "host/device_socket.h"
#include "host/log.h"
#include "nt/nt.h"
#include "wfp/ale.h"

#define CLIENTS_MAX 64u
/* So that no user keeps out another one, and all together do not keep out root. */
#define CLIENTS_OF_USER_MAX  24u /* of one user other than root */
#define CLIENTS_OF_USERS_MAX 48u /* of all users other than root */

/*
 * A decider that decides by rules answers an offer within microseconds. To sleep meanwhile and be woken on another
 * processor can cost more than that, so for a moment this thread does not sleep after an offer. When no answer came in
 * that time, as with a person or a decider that waits for this very processor, it sleeps after the next offer, then
 * after the next two, four, at most REST_MAX. It never stays awake without an offer.
 */
#define AWAKE_NS 60000u
#define REST_MAX 256u

#define ANSWER_PIECE 1024u
/* Any record fits: a path has 8,704 bytes at most. */
#define FLOWS_ROOM_MIN 16384u
#define HITS_AT_ONCE   1024u

struct call {
    struct client *client;
    struct nt_call *nt_call;
    uint32_t tag;
    bool busy, done, gets_requests;
    struct gatehouse_flows_get get; /* without nt_call: what it waits for */
    uint32_t room;
};

/* A call that ended on another thread. */
struct done_call {
    struct done_call *next;
    struct call *call;
    NTSTATUS status;
    size_t size;
    uint8_t output[];
};

/* An answer that the socket would not take yet. */
struct late_answer {
    struct late_answer *next;
    size_t size;
    uint8_t message[];
};

struct client {
    struct device_server *server;
    struct client *next;
    struct loop_source source;
    struct nt_file *file;
    uid_t user;
    struct fwpm_client *manager; /* NULL until its first management call */
    struct call calls[GATEHOUSE_CALLS_MAX];
    struct late_answer *late_first, **late_last;
    bool closing;
};

struct device_server {
    struct loop *loop;
    const char *device;
    pthread_t owner;
    struct done_call *done; /* the last first; atomic */
    void (*wake)(void *context);
    struct loop_source listener;
    int spare; /* a descriptor kept for the moment when there is no other */
    struct client *clients;
    unsigned client_count;
    struct client *offered; /* whose call for requests was answered last; NULL: it was looked after, or is gone */
    struct client *heard;   /* who sent the latest message */
    unsigned following;     /* calls that wait for flows */
    uint64_t followed;      /* that ever did */
    unsigned rest;          /* so many offers are not waited for awake, because waiting was no use */
    unsigned rest_next;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    device_server_status *status;
    device_server_hits *hits;
    device_server_flows *flows;
    void *context; /* of status, hits and wake */
    struct fwpm_server *management;
    uint8_t message[GATEHOUSE_MESSAGE_MAX];
    uint8_t management_answer[WIRE_ANSWER_MAX] __attribute__((aligned(8))); /* of hits, too */
};

/* --- Answers ------------------------------------------------------------------------------- */

static void client_keep(struct client *client, const struct gatehouse_answer *answer, const void *output)
{
    size_t size = sizeof(*answer) + answer->information;
    struct late_answer *late = malloc(sizeof(*late) + size);

    if (!late) {
        shutdown(client->source.fd, SHUT_RDWR); /* a lost answer would leave the client waiting for ever */
        return;
    }
    late->next = NULL;
    late->size = size;
    memcpy(late->message, answer, sizeof(*answer));
    if (output && answer->information)
        memcpy(late->message + sizeof(*answer), output, answer->information);
    *client->late_last = late;
    client->late_last = &late->next;
    loop_change(client->server->loop, &client->source, EPOLLOUT);
}

/* A short one in one piece: to copy it here costs less than to have the kernel gather it. */
static ssize_t answer_send(int fd, const struct gatehouse_answer *answer, const void *output, size_t size)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)answer, sizeof(*answer)}, {(void *)(uintptr_t)output, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    uint8_t piece[ANSWER_PIECE];

    if (sizeof(*answer) + size > sizeof(piece))
        return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    memcpy(piece, answer, sizeof(*answer));
    if (size)
        memcpy(piece + sizeof(*answer), output, size);
    return send(fd, piece, sizeof(*answer) + size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void client_answer(struct client *client, uint32_t tag, uint32_t status, const void *output, size_t size)
{
    struct gatehouse_answer answer = {
        .tag = tag, .status = status, .information = (uint32_t)size, .processor = (uint32_t)sched_getcpu() + 1};

    if (client->closing)
        return;
    if (!client->late_first && answer_send(client->source.fd, &answer, output, size) >= 0)
        return;
    if (client->late_first || errno == EAGAIN || errno == EWOULDBLOCK)
        client_keep(client, &answer, output);
    /* Any other failure means the peer is gone; its hang-up comes through the loop. */
}

static void client_send_late(struct client *client)
{
    while (client->late_first) {
        struct late_answer *late = client->late_first;
        if (send(client->source.fd, late->message, late->size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
            (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        client->late_first = late->next;
        free(late);
    }
    client->late_last = &client->late_first;
    loop_change(client->server->loop, &client->source, EPOLLIN);
}

/* --- Calls --------------------------------------------------------------------------------- */

static void call_release(struct call *call)
{
    if (call->busy && call->done && (call->nt_call || call->room)) {
        if (call->nt_call)
            nt_call_put(call->nt_call);
        *call = (struct call){.client = call->client};
    }
}

static void call_ended(struct call *call, NTSTATUS status, const void *output, size_t information)
{
    call->done = true;
    if (call->gets_requests && NT_SUCCESS(status))
        call->client->server->offered = call->client;
    client_answer(call->client, call->tag, (uint32_t)status, output, information);
}

/* The client stays until its file is closed, which waits for this call. */
static void call_ended_elsewhere(struct call *call, NTSTATUS status, const void *output, size_t information)
{
    struct device_server *server = call->client->server;
    size_t size = output ? information : 0;
    struct done_call *done = malloc(sizeof(*done) + size);

    if (!done)
        abort(); /* its client would wait for ever */
    *done = (struct done_call){.call = call, .status = status, .size = size};
    if (size)
        memcpy(done->output, output, size);
    done->next = __atomic_load_n(&server->done, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&server->done, &done->next, done, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    server->wake(server->context);
}

static void call_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct call *call = context;

    if (pthread_equal(pthread_self(), call->client->server->owner))
        call_ended(call, status, output, information);
    else
        call_ended_elsewhere(call, status, output, information);
}

static void server_end_calls(struct device_server *server)
{
    struct done_call *done = __atomic_exchange_n(&server->done, NULL, __ATOMIC_ACQUIRE);

    while (done) {
        struct done_call *next = done->next;
        call_ended(done->call, done->status, done->output, done->size);
        free(done);
        done = next;
    }
}

static struct call *call_find(struct client *client, uint32_t tag)
{
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++) {
        if (client->calls[i].busy && !client->calls[i].done && client->calls[i].tag == tag)
            return &client->calls[i];
    }
    return NULL;
}

static struct call *call_take(struct client *client)
{
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++) {
        call_release(&client->calls[i]);
        if (!client->calls[i].busy)
            return &client->calls[i];
    }
    return NULL;
}

static void flows_ended(struct call *call, NTSTATUS status, const void *output, size_t size)
{
    call->client->server->following--;
    call->done = true;
    client_answer(call->client, call->tag, (uint32_t)status, output, size);
}

static void client_cancel(struct client *client, uint32_t tag, const uint8_t *input, size_t size)
{
    uint32_t cancelled;

    if (size != sizeof(cancelled)) {
        client_answer(client, tag, size < sizeof(cancelled) ? GATEHOUSE_E_SHORT_INPUT : GATEHOUSE_E_LONG_INPUT, NULL,
                      0);
        return;
    }
    memcpy(&cancelled, input, sizeof(cancelled));
    struct call *call = call_find(client, cancelled);
    if (call && call->room)
        flows_ended(call, STATUS_CANCELLED, NULL, 0);
    else if (call)
        nt_call_cancel(call->nt_call);
    client_answer(client, tag, call ? (uint32_t)STATUS_SUCCESS : (uint32_t)STATUS_NOT_FOUND, NULL, 0);
}

static void client_platform_status(struct client *client, const struct gatehouse_call *header, size_t input_size)
{
    struct gatehouse_platform_status status = {.size = sizeof(status)};
    uint32_t refused = input_size                             ? GATEHOUSE_E_LONG_INPUT
                       : header->output_size < sizeof(status) ? GATEHOUSE_E_SHORT_OUTPUT
                                                              : 0;

    if (refused) {
        client_answer(client, header->tag, refused, NULL, 0);
        return;
    }
    client->server->status(client->server->context, &status);
    client_answer(client, header->tag, STATUS_SUCCESS, &status, sizeof(status));
}

/* Answered by device_server_tell_flows. */
static void client_await_flows(struct client *client, const struct gatehouse_call *header,
                               const struct gatehouse_flows_get *get, size_t room)
{
    struct call *call = call_take(client);

    if (!call) {
        client_answer(client, header->tag, GATEHOUSE_E_TOO_MANY_READS, NULL, 0);
        return;
    }
    *call = (struct call){.client = client, .tag = header->tag, .busy = true, .get = *get, .room = (uint32_t)room};
    client->server->following++;
    client->server->followed++;
}

static uint32_t read_flows_get(const struct gatehouse_call *header, const uint8_t *input, size_t size,
                               struct gatehouse_flows_get *get)
{
    *get = (struct gatehouse_flows_get){0};
    if (size < sizeof(get->first) || (size > sizeof(get->first) && size < sizeof(*get)))
        return GATEHOUSE_E_SHORT_INPUT;
    if (size > sizeof(*get))
        return GATEHOUSE_E_LONG_INPUT;
    if (header->output_size < FLOWS_ROOM_MIN)
        return GATEHOUSE_E_SHORT_OUTPUT;
    memcpy(get, input, size);
    if (get->reserved || get->flags & ~(GATEHOUSE_FLOWS_CHANGES | GATEHOUSE_FLOWS_WAIT))
        return GATEHOUSE_E_RESERVED;
    return 0;
}

static void client_flows(struct client *client, const struct gatehouse_call *header, const uint8_t *input,
                         size_t input_size)
{
    struct device_server *server = client->server;
    struct gatehouse_flows_get get;
    uint32_t refused = read_flows_get(header, input, input_size, &get);
    size_t room = sizeof(server->management_answer);

    if (room > header->output_size)
        room = header->output_size;
    if (refused)
        client_answer(client, header->tag, refused, NULL, 0);
    else if (get.flags & GATEHOUSE_FLOWS_WAIT)
        client_await_flows(client, header, &get, room);
    else
        client_answer(client, header->tag, STATUS_SUCCESS, server->management_answer,
                      server->flows(server->context, &get, server->management_answer, room));
}

uint64_t device_server_follows(const struct device_server *server)
{
    return server && server->following ? server->followed : 0;
}

static void call_tell_flows(struct device_server *server, struct call *call)
{
    const struct gatehouse_flows *head = (const void *)server->management_answer;
    size_t size = server->flows(server->context, &call->get, server->management_answer, call->room);

    if (head->count || head->flags)
        flows_ended(call, STATUS_SUCCESS, server->management_answer, size);
}

void device_server_tell_flows(struct device_server *server)
{
    for (struct client *client = server->clients; client; client = client->next)
        for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++)
            if (client->calls[i].busy && !client->calls[i].done && client->calls[i].room)
                call_tell_flows(server, &client->calls[i]);
}

static void client_hits(struct client *client, const struct gatehouse_call *header, const uint8_t *input,
                        size_t input_size)
{
    struct {
        struct gatehouse_hits head;
        struct gatehouse_hit entries[HITS_AT_ONCE];
    } *answer = (void *)client->server->management_answer;
    uint64_t first;
    uint32_t refused = input_size < sizeof(first)   ? GATEHOUSE_E_SHORT_INPUT
                       : input_size > sizeof(first) ? GATEHOUSE_E_LONG_INPUT
                       : header->output_size < sizeof(answer->head) + sizeof(answer->entries[0])
                           ? GATEHOUSE_E_SHORT_OUTPUT
                           : 0;

    if (refused) {
        client_answer(client, header->tag, refused, NULL, 0);
        return;
    }
    size_t room = (header->output_size - sizeof(answer->head)) / sizeof(answer->entries[0]);
    memcpy(&first, input, sizeof(first));
    client->server->hits(client->server->context, first, (unsigned)(room < HITS_AT_ONCE ? room : HITS_AT_ONCE),
                         &answer->head, answer->entries);
    client_answer(client, header->tag, STATUS_SUCCESS, answer,
                  sizeof(answer->head) + answer->head.count * sizeof(answer->entries[0]));
}

/* Runs on the spot: the engine's routines end at once, and fwpuclnt/server.h never waits for another client. */
static void client_manage(struct client *client, const struct gatehouse_call *header, const uint8_t *input,
                          size_t input_size)
{
    struct device_server *server = client->server;
    uint32_t room = header->output_size < WIRE_ANSWER_MAX ? header->output_size : WIRE_ANSWER_MAX;

    if (!client->manager)
        client->manager = fwpm_server_connect(server->management);
    if (!client->manager) {
        client_answer(client, header->tag, (uint32_t)STATUS_INSUFFICIENT_RESOURCES, NULL, 0);
        return;
    }
    uint32_t size = fwpm_server_call(client->manager, input, (uint32_t)input_size, server->management_answer, room);
    client_answer(client, header->tag, size ? (uint32_t)STATUS_SUCCESS : GATEHOUSE_E_SHORT_OUTPUT,
                  server->management_answer, size);
}

static void client_control(struct client *client, const struct gatehouse_call *header, const uint8_t *input,
                           size_t input_size)
{
    struct call *call = call_take(client);

    if (!call) {
        client_answer(client, header->tag, GATEHOUSE_E_TOO_MANY_READS, NULL, 0);
        return;
    }
    *call = (struct call){.client = client, .tag = header->tag, .busy = true};
    call->gets_requests =
        header->code == GATEHOUSE_IOCTL_GET_REQUESTS || header->code == GATEHOUSE_IOCTL_SUBMIT_AND_GET;
    nt_device_control(client->file, header->code, input, input_size, header->output_size, call_done, call,
                      &call->nt_call);
    call_release(call);
}

static uint32_t call_check(struct client *client, const struct gatehouse_call *header)
{
    if (header->reserved)
        return GATEHOUSE_E_RESERVED;
    if (!header->tag || call_find(client, header->tag))
        return (uint32_t)STATUS_INVALID_PARAMETER;
    if (header->output_size > GATEHOUSE_MESSAGE_MAX - sizeof(struct gatehouse_answer))
        return (uint32_t)STATUS_INVALID_BUFFER_SIZE;
    return 0;
}

static void client_message(struct client *client, const uint8_t *message, size_t size, bool cut)
{
    struct gatehouse_call header = {0};

    memcpy(&header, message, size < sizeof(header) ? size : sizeof(header));
    uint32_t refused = size < sizeof(header) ? GATEHOUSE_E_SHORT_INPUT
                       : cut                 ? GATEHOUSE_E_LONG_INPUT
                                             : call_check(client, &header);
    if (refused) {
        client_answer(client, header.tag, refused, NULL, 0);
        return;
    }
    const uint8_t *input = message + sizeof(header);
    size_t input_size = size - sizeof(header);
    if (header.code == GATEHOUSE_CALL_CANCEL)
        client_cancel(client, header.tag, input, input_size);
    else if (header.code == GATEHOUSE_CALL_PLATFORM_STATUS)
        client_platform_status(client, &header, input_size);
    else if (header.code == GATEHOUSE_CALL_MANAGE)
        client_manage(client, &header, input, input_size);
    else if (header.code == GATEHOUSE_CALL_HITS)
        client_hits(client, &header, input, input_size);
    else if (header.code == GATEHOUSE_CALL_FLOWS)
        client_flows(client, &header, input, input_size);
    else
        client_control(client, &header, input, input_size);
}

/* --- Clients ------------------------------------------------------------------------------- */

static void client_close(struct client *client)
{
    struct device_server *server = client->server;

    client->closing = true;
    loop_remove(server->loop, &client->source);
    fwpm_server_disconnect(client->manager);
    if (client->file)
        nt_file_close(client->file);
    server_end_calls(server);
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++) {
        if (client->calls[i].busy && !client->calls[i].done && client->calls[i].room)
            server->following--;
        call_release(&client->calls[i]);
    }
    while (client->late_first) {
        struct late_answer *late = client->late_first;
        client->late_first = late->next;
        free(late);
    }
    close(client->source.fd);
    for (struct client **link = &server->clients; *link; link = &(*link)->next) {
        if (*link == client) {
            *link = client->next;
            break;
        }
    }
    if (server->offered == client)
        server->offered = NULL;
    if (server->heard == client)
        server->heard = NULL;
    server->client_count--;
    free(client);
}

/*
 * One message: a decider's answer and its next read are one. What is left comes again in the next turn. False: there
 * was none. The client may be gone afterwards.
 */
static bool client_read(struct client *client)
{
    struct device_server *server = client->server;
    ssize_t size = recv(client->source.fd, server->message, sizeof(server->message), MSG_DONTWAIT | MSG_TRUNC);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0) { /* end of file; an empty message looks the same and is no call either */
        client_close(client);
        return true;
    }
    server->heard = client;
    bool cut = (size_t)size > sizeof(server->message);
    client_message(client, server->message, cut ? sizeof(server->message) : (size_t)size, cut);
    return true;
}

static void client_ready(void *context, uint32_t events)
{
    struct client *client = context;

    if (events & EPOLLOUT)
        client_send_late(client);
    if (events & EPOLLIN)
        client_read(client);
    else if (events & (EPOLLHUP | EPOLLERR))
        client_close(client);
}

/* Room for one more of this user's. */
static bool server_has_room(const struct device_server *server, uid_t user)
{
    unsigned same = 0, others = 0;

    for (const struct client *client = server->clients; client; client = client->next) {
        same += client->user == user;
        others += client->user != 0;
    }
    return server->client_count < CLIENTS_MAX &&
           (user == 0 || (same < CLIENTS_OF_USER_MAX && others < CLIENTS_OF_USERS_MAX));
}

static NTSTATUS client_open_device(struct client *client)
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);

    if (getsockopt(client->source.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return STATUS_ACCESS_DENIED;
    client->user = peer.uid;
    struct nt_caller caller = {.process_id = (uint64_t)peer.pid,
                               .administrator =
                                   peer.uid == 0 || device_socket_peer_in_group(client->source.fd, peer.gid)};
    NTSTATUS status = nt_file_open(client->server->device, GENERIC_READ | GENERIC_WRITE, &caller, &client->file);
    if (!NT_SUCCESS(status))
        log_say("refused process %d of user %u at the socket: status 0x%08X; only root and group \"" DEVICE_SOCKET_GROUP
                "\" may connect.",
                (int)peer.pid, (unsigned)peer.uid, (unsigned)status);
    return NT_SUCCESS(status) && !server_has_room(client->server, peer.uid) ? STATUS_TOO_MANY_SESSIONS : status;
}

static void server_accept(struct device_server *server, int fd)
{
    int buffer = 1 << 20;
    struct client *client = calloc(1, sizeof(*client));

    if (!client) {
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    client->server = server;
    client->source = (struct loop_source){fd, client_ready, client};
    client->late_last = &client->late_first;
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++)
        client->calls[i].client = client;

    NTSTATUS status = client_open_device(client);
    if (!NT_SUCCESS(status) || loop_add(server->loop, &client->source, EPOLLIN) < 0) {
        client_answer(client, 0, (uint32_t)(NT_SUCCESS(status) ? STATUS_INSUFFICIENT_RESOURCES : status), NULL, 0);
        if (client->file)
            nt_file_close(client->file);
        close(fd);
        free(client);
        return;
    }
    client->next = server->clients;
    server->clients = client;
    server->client_count++;
}

/*
 * Out of descriptors, who waits at the socket would wake the loop without end: the spare one is given up for a moment
 * to tell it no.
 */
static void server_refuse(struct device_server *server)
{
    const struct gatehouse_answer answer = {.status = (uint32_t)STATUS_INSUFFICIENT_RESOURCES};
    int fd;

    if (server->spare < 0)
        return;
    close(server->spare);
    fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        ssize_t ignored = send(fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
        close(fd);
    }
    server->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(void *context, uint32_t events)
{
    struct device_server *server = context;
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd >= 0)
        server_accept(server, fd);
    else if (errno == EMFILE || errno == ENFILE)
        server_refuse(server);
}

/* --- Filter management --------------------------------------------------------------------- */

static void *management_allocate(void *context, size_t size)
{
    (void)context;
    return calloc(1, size);
}

static void management_release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static UINT64 management_now(void *context)
{
    (void)context;
    return KeQueryInterruptTime() / 10000;
}

static const struct fwpm_server_host management_host = {
    .allocate = management_allocate,
    .release = management_release,
    .now_ms = management_now,
    .give_way = wfp_session_give_way,
    .in_transaction = wfp_session_in_transaction,
};

/* --- Start and stop ------------------------------------------------------------------------ */

int device_server_start(struct loop *loop, const struct device_server_options *options, struct device_server **server,
                        char *error, size_t error_size)
{
    struct device_server *made = calloc(1, sizeof(*made));
    int result = -ENOMEM;

    if (!made)
        goto out;
    made->loop = loop;
    made->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    made->device = options->device;
    made->owner = pthread_self();
    made->status = options->status;
    made->hits = options->hits;
    made->flows = options->flows;
    made->wake = options->wake;
    made->context = options->context;
    snprintf(made->path, sizeof(made->path), "%s", options->path);
    made->listener =
        (struct loop_source){socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), listener_ready, made};
    result = made->listener.fd < 0 ? -errno : 0;
    made->management = result ? NULL : fwpm_server_new(&management_host);
    if (!result && !made->management)
        result = -ENOMEM;
    if (result)
        goto out;
    result = device_socket_bind(made->listener.fd, made->path);
    if (result)
        goto out;
    result = loop_add(loop, &made->listener, EPOLLIN);
    if (result) {
        unlink(made->path);
        goto out;
    }
    *server = made;
    made = NULL;
out:
    if (result)
        device_socket_explain(result, options->path, error, error_size);
    if (made) {
        if (made->listener.fd > 0)
            close(made->listener.fd);
        if (made->spare >= 0)
            close(made->spare);
        fwpm_server_free(made->management);
        free(made);
    }
    return result;
}

void device_server_stop(struct device_server *server)
{
    if (!server)
        return;
    loop_remove(server->loop, &server->listener);
    unlink(server->path);
    close(server->listener.fd);
    while (server->clients)
        client_close(server->clients);
    fwpm_server_free(server->management);
    if (server->spare >= 0)
        close(server->spare);
    free(server);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Turns without sleeping until the client sent something, something else came, or the time is up. */
static void stay_awake(struct device_server *server, const struct client *client)
{
    uint64_t end = now_ns() + AWAKE_NS;

    server->heard = NULL;
    do {
        if (loop_turn(server->loop, false))
            break;
    } while (now_ns() < end);
    if (server->heard == client)
        server->rest_next = 0;
    else
        server->rest_next = server->rest_next ? server->rest_next * 2 : 1;
    if (server->rest_next > REST_MAX)
        server->rest_next = REST_MAX;
    server->rest = server->rest_next;
}

void device_server_look(struct device_server *server)
{
    struct client *client = server->offered;

    server->offered = NULL;
    if (!client || client->closing || client->late_first)
        return;
    if (client_read(client)) /* it ran in this thread's place meanwhile */
        return;
    if (server->rest)
        server->rest--;
    else
        stay_awake(server, client);
}

uint64_t device_server_tidy(struct device_server *server)
{
    if (__atomic_load_n(&server->done, __ATOMIC_RELAXED))
        server_end_calls(server);
    for (struct client *client = server->clients; client; client = client->next) {
        for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++)
            call_release(&client->calls[i]);
    }
    uint64_t due = fwpm_server_tick(server->management);
    return due == FWPM_NEVER ? NT_NEVER : due * 10000;
}
