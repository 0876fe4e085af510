/* SPDX-License-Identifier: MIT */
/*
 * message.c - what goes through a connection: the driver's messages, their replies, a program's own.
 *
 * A message lies on its sender's stack and in one list of its port: sent until a program's get meets it, then asked
 * until the reply. Its sender waits for one event, once, so the timeout is for both. Who ends a message signals under
 * the lock, and the sender takes the lock before its stack goes.
 *
 * Not said by the pages, so chosen: a get whose buffer is too small ends with STATUS_BUFFER_TOO_SMALL and the message
 * waits for the next; a reply that is too long also tells its replier STATUS_BUFFER_OVERFLOW; a send to a driver
 * without MessageNotifyCallback ends with STATUS_NOT_SUPPORTED; Timeout -> 0 does not wait. Rules: object-invalid (a
 * port that the driver closed), irp-information-too-large. Pages: fltkernel.h FltSendMessage, PFLT_MESSAGE_NOTIFY;
 * fltuser.h FilterGetMessage, FilterReplyMessage, FilterSendMessage; fltuserstructures.h FILTER_MESSAGE_HEADER,
 * FILTER_REPLY_HEADER.
 */
#include "nt/flt/flt.h"
#include "nt/foreign.h"

#include <stdlib.h>

_Static_assert(sizeof(FILTER_MESSAGE_HEADER) == 16, "FILTER_MESSAGE_HEADER has the Windows layout");
_Static_assert(offsetof(FILTER_MESSAGE_HEADER, MessageId) == 8, "FILTER_MESSAGE_HEADER has the Windows layout");
_Static_assert(sizeof(FILTER_REPLY_HEADER) == 16, "FILTER_REPLY_HEADER has the Windows layout");
_Static_assert(offsetof(FILTER_REPLY_HEADER, MessageId) == 8, "FILTER_REPLY_HEADER has the Windows layout");

struct message {
    LIST_ENTRY link;
    ULONGLONG id;
    const void *data;
    ULONG size;
    bool wants_reply;
    void *reply;
    ULONG reply_size; /* room; then what came */
    bool ended;
    NTSTATUS status;
    KEVENT event;
};

/* A program's FilterGetMessage. */
struct get {
    LIST_ENTRY link;
    size_t size, information;
    NTSTATUS status;
    nt_call_done *done;
    void *context;
    UCHAR buffer[];
};

/* Under the lock; the message is in a list. */
static void end_message(struct message *message, NTSTATUS status)
{
    LONG previous;
    bool over;
    RemoveEntryList(&message->link);
    message->ended = true;
    message->status = status;
    nt_signal(&message->event.Header, 1, 1, &previous, &over);
}

/* Under the lock: brings messages and gets together; the gets that ended are then the caller's to end. */
static void match(struct nt_port *port, PLIST_ENTRY ended)
{
    while (!IsListEmpty(&port->sent) && !IsListEmpty(&port->gets)) {
        struct message *message = CONTAINING_RECORD(port->sent.Flink, struct message, link);
        struct get *get = CONTAINING_RECORD(RemoveHeadList(&port->gets), struct get, link);
        FILTER_MESSAGE_HEADER header = {0};
        InsertTailList(ended, &get->link);
        if (get->size < sizeof header + message->size) {
            get->status = STATUS_BUFFER_TOO_SMALL;
            continue;
        }
        header.ReplyLength = message->wants_reply ? message->reply_size + (ULONG)sizeof(FILTER_REPLY_HEADER) : 0;
        header.MessageId = message->id;
        memcpy(get->buffer, &header, sizeof header);
        memcpy(get->buffer + sizeof header, message->data, message->size);
        get->information = sizeof header + message->size;
        get->status = STATUS_SUCCESS;
        if (message->wants_reply) {
            RemoveEntryList(&message->link);
            InsertTailList(&port->asked, &message->link);
        } else {
            end_message(message, STATUS_SUCCESS);
        }
    }
}

static void end_gets(const LIST_ENTRY *ended)
{
    for (PLIST_ENTRY entry = ended->Flink; entry != ended;) {
        struct get *get = CONTAINING_RECORD(entry, struct get, link);
        entry = entry->Flink;
        get->done(get->context, get->status, get->buffer, get->information);
        free(get);
    }
}

void nt_flt_messages_end(struct nt_port *port)
{
    LIST_ENTRY ended;
    InitializeListHead(&ended);
    pthread_mutex_lock(&nt_flt_lock);
    while (!IsListEmpty(&port->sent))
        end_message(CONTAINING_RECORD(port->sent.Flink, struct message, link), STATUS_PORT_DISCONNECTED);
    while (!IsListEmpty(&port->asked))
        end_message(CONTAINING_RECORD(port->asked.Flink, struct message, link), STATUS_PORT_DISCONNECTED);
    while (!IsListEmpty(&port->gets)) {
        struct get *get = CONTAINING_RECORD(RemoveHeadList(&port->gets), struct get, link);
        get->status = STATUS_PORT_DISCONNECTED;
        InsertTailList(&ended, &get->link);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    end_gets(&ended);
}

/* --- The driver's end ---------------------------------------------------------------------- */

/* Puts the message on its way. *port then holds a reference, unless the status is an error. */
static NTSTATUS start(PFLT_PORT *client, struct message *message, struct nt_port **port)
{
    NTSTATUS status = STATUS_PORT_DISCONNECTED;
    LIST_ENTRY ended;
    InitializeListHead(&ended);
    pthread_mutex_lock(&nt_flt_lock);
    PFLT_PORT given = *client;
    *port = given == NULL ? NULL : nt_flt_connection(given);
    if (*port != NULL && (*port)->connected) {
        (*port)->references++;
        message->id = ++(*port)->last_id;
        InsertTailList(&(*port)->sent, &message->link);
        match(*port, &ended);
        status = STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&nt_flt_lock);
    end_gets(&ended);
    if (given != NULL && *port == NULL)
        nt_violate("object-invalid", "FltSendMessage", "there is no such client port: the driver has closed it");
    return status;
}

NTSTATUS FltSendMessage(PFLT_FILTER Filter, PFLT_PORT *ClientPort, PVOID SenderBuffer, ULONG SenderBufferLength,
                        PVOID ReplyBuffer, PULONG ReplyLength, PLARGE_INTEGER Timeout)
{
    NT_ENTER(FltSendMessage);
    struct message message = {.data = SenderBuffer, .size = SenderBufferLength, .reply = ReplyBuffer};
    struct nt_port *port;
    UNREFERENCED_PARAMETER(Filter);
    if (nt_self.irql > APC_LEVEL)
        return STATUS_UNSUCCESSFUL; /* reported; it cannot wait */
    if (SenderBuffer == NULL || ClientPort == NULL || (ReplyBuffer != NULL && ReplyLength == NULL))
        return STATUS_INVALID_PARAMETER;
    if (nt_fails("FltSendMessage"))
        return STATUS_INSUFFICIENT_RESOURCES;
    message.wants_reply = ReplyBuffer != NULL;
    message.reply_size = ReplyBuffer == NULL ? 0 : *ReplyLength;
    KeInitializeEvent(&message.event, NotificationEvent, FALSE);
    NTSTATUS status = start(ClientPort, &message, &port);
    if (!NT_SUCCESS(status))
        return status;
    (void)KeWaitForSingleObject(&message.event, Executive, KernelMode, FALSE, Timeout);
    pthread_mutex_lock(&nt_flt_lock);
    if (!message.ended) {
        RemoveEntryList(&message.link);
        message.status = STATUS_TIMEOUT;
    }
    pthread_mutex_unlock(&nt_flt_lock);
    if (message.status == STATUS_SUCCESS && message.wants_reply)
        *ReplyLength = message.reply_size;
    nt_flt_put(port);
    return message.status;
}

/* --- The program's end --------------------------------------------------------------------- */

void nt_port_get_message(struct nt_port *port, size_t size, nt_call_done *done, void *context)
{
    LIST_ENTRY ended;
    nt_require_irql("nt_port_get_message", PASSIVE_LEVEL, PASSIVE_LEVEL);
    struct get *get = calloc(1, sizeof *get + size);
    if (get == NULL)
        abort();
    get->size = size;
    get->done = done;
    get->context = context;
    InitializeListHead(&ended);
    pthread_mutex_lock(&nt_flt_lock);
    if (port->connected) {
        InsertTailList(&port->gets, &get->link);
        match(port, &ended);
    } else {
        get->status = STATUS_PORT_DISCONNECTED;
        InsertTailList(&ended, &get->link);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    end_gets(&ended);
}

bool nt_port_cancel(struct nt_port *port, const void *context)
{
    LIST_ENTRY ended;
    InitializeListHead(&ended);
    pthread_mutex_lock(&nt_flt_lock);
    for (PLIST_ENTRY entry = port->gets.Flink; entry != &port->gets; entry = entry->Flink) {
        struct get *get = CONTAINING_RECORD(entry, struct get, link);
        if (get->context != context)
            continue;
        RemoveEntryList(&get->link);
        get->status = STATUS_CANCELLED;
        InsertTailList(&ended, &get->link);
        break;
    }
    pthread_mutex_unlock(&nt_flt_lock);
    bool found = !IsListEmpty(&ended);
    end_gets(&ended);
    return found;
}

/* Under the lock. */
static struct message *find_asked(struct nt_port *port, ULONGLONG id)
{
    for (PLIST_ENTRY entry = port->asked.Flink; entry != &port->asked; entry = entry->Flink) {
        struct message *message = CONTAINING_RECORD(entry, struct message, link);
        if (message->id == id)
            return message;
    }
    return NULL;
}

NTSTATUS nt_port_reply(struct nt_port *port, const void *reply, size_t size)
{
    FILTER_REPLY_HEADER header;
    NTSTATUS status = STATUS_SUCCESS;
    nt_require_irql("nt_port_reply", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (size < sizeof header)
        return STATUS_INVALID_PARAMETER;
    memcpy(&header, reply, sizeof header);
    size -= sizeof header;
    pthread_mutex_lock(&nt_flt_lock);
    struct message *message = find_asked(port, header.MessageId);
    if (message == NULL) {
        status = port->connected ? STATUS_FLT_NO_WAITER_FOR_REPLY : STATUS_PORT_DISCONNECTED;
    } else if (size > message->reply_size) {
        status = STATUS_BUFFER_OVERFLOW;
        end_message(message, status);
    } else {
        memcpy(message->reply, (const UCHAR *)reply + sizeof header, size);
        message->reply_size = (ULONG)size;
        end_message(message, header.Status);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    return status;
}

static NTSTATUS tell_driver(struct nt_port *port, const void *input, ULONG input_size, void *output, ULONG output_size,
                            ULONG *returned)
{
    KIRQL before = nt_self.irql;
    bool pumps = nt_pump_begin();
    NTSTATUS status =
        NT_CALL(port->callbacks.message, port->cookie, (PVOID)input, input_size, output, output_size, returned);
    nt_pump_end(pumps);
    nt_flt_callback_returned("PFLT_MESSAGE_NOTIFY", before);
    if (NT_SUCCESS(status) && *returned > output_size) {
        nt_violate("irp-information-too-large", "PFLT_MESSAGE_NOTIFY", "says %u bytes returned, in a buffer of %u",
                   *returned, output_size);
        *returned = output_size;
    }
    return status;
}

NTSTATUS nt_port_send(struct nt_port *port, const void *input, ULONG input_size, void *output, ULONG output_size,
                      ULONG *returned)
{
    NTSTATUS status = STATUS_SUCCESS;
    nt_require_irql("nt_port_send", PASSIVE_LEVEL, PASSIVE_LEVEL);
    *returned = 0;
    pthread_mutex_lock(&nt_flt_lock);
    PFLT_FILTER filter = port->port.filter;
    if (!port->connected || filter == NULL)
        status = STATUS_PORT_DISCONNECTED;
    else if (port->callbacks.message == NULL)
        status = STATUS_NOT_SUPPORTED;
    else if (!nt_flt_enter(filter))
        status = STATUS_FLT_DELETING_OBJECT;
    pthread_mutex_unlock(&nt_flt_lock);
    if (!NT_SUCCESS(status))
        return status;
    status = tell_driver(port, input, input_size, output, output_size, returned);
    pthread_mutex_lock(&nt_flt_lock);
    nt_flt_leave(filter);
    pthread_mutex_unlock(&nt_flt_lock);
    return status;
}
