/* SPDX-License-Identifier: MIT */
/*
 * flt_test.c - contract of filter communication ports: fltkernel.h for the driver, fltuser.h's semantics for programs.
 *
 * Each case names the page that its statuses, waits and IRQLs are from.
 */
#include "tests/engine/nt/test.h"

#include <fltkernel.h>

#include <pthread.h>

#define MS   10000
#define NAME "\\FltTest"

static const struct nt_caller administrator = {7, TRUE}, user = {8, FALSE};

static struct nt_driver *driver;
static PDRIVER_OBJECT driver_object;
static PFLT_FILTER filter;
static PFLT_PORT server;
static UNICODE_STRING port_name = RTL_CONSTANT_STRING(L"\\FltTest");

/* What the driver under test does, and what happened to it. */
static struct {
    PFLT_PORT client;
    NTSTATUS connect_status, filter_status;
    BOOLEAN leave_client, leave_server, leave_filter, no_unload, old_unload;
    unsigned connected, disconnected, messages, unloaded, old_unloaded;
    FLT_FILTER_UNLOAD_FLAGS flags;
    char context[16];
    ULONG context_size;
    UINT64 process_id;
    ULONG says_returned;
} drv;

static NTSTATUS FLTAPI on_connect(PFLT_PORT client, PVOID server_cookie, PVOID context, ULONG size, PVOID *cookie)
{
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    assert_ptr_equal(server_cookie, &server);
    drv.connected++;
    drv.context_size = size;
    drv.process_id = (UINT64)(ULONG_PTR)PsGetCurrentProcessId();
    if (size != 0)
        memcpy(drv.context, context, size);
    drv.client = client;
    *cookie = &drv;
    return drv.connect_status;
}

static VOID FLTAPI on_disconnect(PVOID cookie)
{
    assert_ptr_equal(cookie, &drv);
    drv.disconnected++;
    if (!drv.leave_client)
        FltCloseClientPort(filter, &drv.client);
}

static NTSTATUS FLTAPI on_message(PVOID cookie, PVOID input, ULONG input_size, PVOID output, ULONG output_size,
                                  PULONG returned)
{
    assert_ptr_equal(cookie, &drv);
    drv.messages++;
    if (input_size > output_size)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(output, input, input_size);
    *returned = drv.says_returned != 0 ? drv.says_returned : input_size;
    return STATUS_SUCCESS;
}

static NTSTATUS create_port(PFLT_CONNECT_NOTIFY connect, PFLT_MESSAGE_NOTIFY message, ULONG attributes, LONG limit,
                            PSECURITY_DESCRIPTOR descriptor, PFLT_PORT *port)
{
    OBJECT_ATTRIBUTES object;
    InitializeObjectAttributes(&object, &port_name, attributes, NULL, descriptor);
    return FltCreateCommunicationPort(filter, port, &object, &server, connect, on_disconnect, message, limit);
}

static NTSTATUS FLTAPI unload_filter(FLT_FILTER_UNLOAD_FLAGS flags)
{
    drv.unloaded++;
    drv.flags = flags;
    if (!drv.leave_server && server != NULL)
        FltCloseCommunicationPort(server);
    if (!drv.leave_filter)
        FltUnregisterFilter(filter);
    return drv.filter_status;
}

static VOID old_unload(PDRIVER_OBJECT object)
{
    UNREFERENCED_PARAMETER(object);
    assert_int_equal(drv.unloaded, 1);
    drv.old_unloaded++;
}

static NTSTATUS entry(PDRIVER_OBJECT object, PUNICODE_STRING path)
{
    static const FLT_OPERATION_REGISTRATION operations[] = {{IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL}};
    const FLT_REGISTRATION registration = {.Size = sizeof registration,
                                           .Version = FLT_REGISTRATION_VERSION,
                                           .OperationRegistration = operations,
                                           .FilterUnloadCallback = drv.no_unload ? NULL : unload_filter};
    PSECURITY_DESCRIPTOR descriptor;
    UNREFERENCED_PARAMETER(path);
    driver_object = object;
    if (drv.old_unload)
        object->DriverUnload = old_unload;
    NTSTATUS status = FltRegisterFilter(object, &registration, &filter);
    if (!NT_SUCCESS(status))
        return status;
    status = FltBuildDefaultSecurityDescriptor(&descriptor, FLT_PORT_ALL_ACCESS);
    if (NT_SUCCESS(status)) {
        status = create_port(on_connect, on_message, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, 1, descriptor, &server);
        FltFreeSecurityDescriptor(descriptor);
    }
    if (NT_SUCCESS(status))
        status = FltStartFiltering(filter);
    if (!NT_SUCCESS(status))
        FltUnregisterFilter(filter);
    return status;
}

static int fresh(void **state)
{
    memset(&drv, 0, sizeof drv);
    return record_violations(state);
}

static int load(void **state)
{
    fresh(state);
    return NT_SUCCESS(nt_driver_load("flt", entry, NULL, 0, &driver)) ? 0 : 1;
}

static int unload(void **state)
{
    nt_driver_unload(driver);
    return no_violations_left(state);
}

static struct nt_port *connected(void)
{
    struct nt_port *port;
    assert_int_equal(nt_port_connect(NAME, "hello", 6, &administrator, &port), STATUS_SUCCESS);
    return port;
}

/* --- A program's get, and a driver's thread that sends --------------------------------------- */

struct got {
    unsigned count;
    NTSTATUS status;
    size_t size;
    struct {
        FILTER_MESSAGE_HEADER header;
        char text[32];
    } message;
};

static void on_got(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct got *got = context;
    got->status = status;
    got->size = information;
    if (information != 0)
        memcpy(&got->message, output, information);
    __atomic_fetch_add(&got->count, 1, __ATOMIC_RELEASE);
}

static void get(struct nt_port *port, struct got *got)
{
    memset(got, 0, sizeof *got);
    nt_port_get_message(port, sizeof got->message, on_got, got);
}

struct sender {
    pthread_t thread;
    LONGLONG timeout_ms; /* 0: none */
    BOOLEAN reply;
    NTSTATUS status;
    char answer[16];
    ULONG answer_size;
    unsigned done;
};

static void *send_main(void *opaque)
{
    struct sender *sender = opaque;
    char text[] = "question";
    LARGE_INTEGER timeout = {.QuadPart = -sender->timeout_ms * MS};
    sender->status =
        FltSendMessage(filter, &drv.client, text, sizeof text, sender->reply ? sender->answer : NULL,
                       sender->reply ? &sender->answer_size : NULL, sender->timeout_ms == 0 ? NULL : &timeout);
    __atomic_store_n(&sender->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void start(struct sender *sender)
{
    assert_int_equal(pthread_create(&sender->thread, NULL, send_main, sender), 0);
}

static void join(struct sender *sender)
{
    assert_int_equal(pthread_join(sender->thread, NULL), 0);
}

static void pause_ms(LONGLONG ms)
{
    LARGE_INTEGER interval = {.QuadPart = -ms * MS};
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

/* Bounded: 30 s. */
static void await(const unsigned *count)
{
    for (int i = 0; i < 30000 && __atomic_load_n(count, __ATOMIC_ACQUIRE) == 0; i++)
        pause_ms(1);
    assert_int_not_equal(__atomic_load_n(count, __ATOMIC_ACQUIRE), 0);
}

struct reply {
    FILTER_REPLY_HEADER header;
    char text[16];
};

/* --- Connecting ------------------------------------------------------------------------------ */

/* fltkernel.h FltCreateCommunicationPort: callbacks get the server's cookie, the context and their own cookie;
 * fltuser.h FilterConnectCommunicationPort. */
static void connecting_calls_the_driver_and_closing_too(void **state)
{
    (void)state;
    struct nt_port *port = connected();
    assert_int_equal(drv.connected, 1);
    assert_int_equal(drv.context_size, 6);
    assert_string_equal(drv.context, "hello");
    assert_int_equal(drv.process_id, administrator.process_id);
    assert_non_null(drv.client);
    assert_int_equal(drv.disconnected, 0);
    nt_port_close(port);
    assert_int_equal(drv.disconnected, 1);
    assert_null(drv.client); /* FltCloseClientPort: on return the variable receives NULL */
}

/* FltCreateCommunicationPort, MaxConnections; PFLT_CONNECT_NOTIFY, the status it returns. */
static void a_connection_may_be_refused(void **state)
{
    struct nt_port *port, *second;
    (void)state;
    assert_int_equal(nt_port_connect("\\NoSuch", NULL, 0, &administrator, &port), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(nt_port_connect(NAME, NULL, 0, &user, &port), STATUS_ACCESS_DENIED);
    assert_int_equal(drv.connected, 0);
    assert_int_equal(nt_port_connect("\\fLTtEST", NULL, 0, &administrator, &port), STATUS_SUCCESS);
    assert_int_equal(nt_port_connect(NAME, NULL, 0, &administrator, &second), STATUS_CONNECTION_COUNT_LIMIT);
    nt_port_close(port);
    drv.connect_status = STATUS_INSUFFICIENT_RESOURCES;
    assert_int_equal(nt_port_connect(NAME, NULL, 0, &administrator, &port), STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(drv.disconnected, 1);
    drv.connect_status = STATUS_SUCCESS;
    port = connected(); /* the refused one does not count */
    nt_port_close(port);
}

/* FltCreateCommunicationPort, SecurityDescriptor; a DACL of NULL grants everything to everybody. */
static void a_descriptor_says_who_may_connect(void **state)
{
    SECURITY_DESCRIPTOR descriptor;
    struct nt_port *port;
    (void)state;
    FltCloseCommunicationPort(server);
    assert_int_equal(nt_port_connect(NAME, NULL, 0, &administrator, &port), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    assert_int_equal(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, NULL, FALSE), STATUS_SUCCESS);
    assert_int_equal(create_port(on_connect, on_message, OBJ_KERNEL_HANDLE, 1, &descriptor, &server), STATUS_SUCCESS);
    assert_int_equal(nt_port_connect("\\FLTTEST", NULL, 0, &user, &port), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(nt_port_connect(NAME, NULL, 0, &user, &port), STATUS_SUCCESS);
    nt_port_close(port);
}

/* FltCreateCommunicationPort: OBJ_KERNEL_HANDLE, the two callbacks and MaxConnections are required; names are unique.
 */
static void a_server_port_is_checked(void **state)
{
    PFLT_PORT other;
    (void)state;
    assert_int_equal(create_port(on_connect, NULL, 0, 1, NULL, &other), STATUS_INVALID_PARAMETER);
    assert_int_equal(create_port(NULL, NULL, OBJ_KERNEL_HANDLE, 1, NULL, &other), STATUS_INVALID_PARAMETER);
    assert_int_equal(create_port(on_connect, NULL, OBJ_KERNEL_HANDLE, 0, NULL, &other), STATUS_INVALID_PARAMETER);
    assert_int_equal(create_port(on_connect, NULL, OBJ_KERNEL_HANDLE, 1, NULL, &other), STATUS_OBJECT_NAME_COLLISION);
}

/* FltRegisterFilter: Version; FltStartFiltering: STATUS_INVALID_PARAMETER when it was started. */
static void registration_is_checked(void **state)
{
    FLT_REGISTRATION registration = {.Size = sizeof registration, .Version = 0x0300};
    PFLT_FILTER other;
    (void)state;
    assert_int_equal(FltRegisterFilter(driver_object, &registration, &other), STATUS_INVALID_PARAMETER);
    assert_int_equal(FltStartFiltering(filter), STATUS_INVALID_PARAMETER);
}

/* FltCloseCommunicationPort: existing connections are not affected; no more are accepted. */
static void closing_the_server_keeps_connections(void **state)
{
    struct nt_port *port = connected(), *second;
    struct sender sender = {0};
    struct got got;
    (void)state;
    FltCloseCommunicationPort(server);
    server = NULL;
    assert_int_equal(nt_port_connect(NAME, NULL, 0, &administrator, &second), STATUS_OBJECT_NAME_NOT_FOUND);
    get(port, &got);
    start(&sender);
    join(&sender);
    assert_int_equal(sender.status, STATUS_SUCCESS);
    nt_port_close(port);
}

/* --- Messages -------------------------------------------------------------------------------- */

/* FltSendMessage: a waiting FilterGetMessage gets it at once; without ReplyBuffer that is all. FILTER_MESSAGE_HEADER.
 */
static void a_waiting_get_takes_the_message(void **state)
{
    struct nt_port *port = connected();
    struct sender sender = {0};
    struct got got;
    (void)state;
    get(port, &got);
    assert_int_equal(got.count, 0);
    start(&sender);
    join(&sender);
    assert_int_equal(sender.status, STATUS_SUCCESS);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.status, STATUS_SUCCESS);
    assert_int_equal(got.size, sizeof(FILTER_MESSAGE_HEADER) + sizeof "question");
    assert_string_equal(got.message.text, "question");
    assert_int_equal(got.message.header.ReplyLength, 0);
    assert_int_not_equal(got.message.header.MessageId, 0);
    nt_port_close(port);
}

/* FltSendMessage: waits for a get, then for the reply, of which it gets what follows FILTER_REPLY_HEADER. */
static void a_reply_ends_the_send(void **state)
{
    struct nt_port *port = connected();
    struct sender sender = {.reply = TRUE, .answer_size = 8};
    struct reply reply = {.text = "yes"};
    struct got got;
    (void)state;
    start(&sender);
    pause_ms(10);
    assert_int_equal(__atomic_load_n(&sender.done, __ATOMIC_ACQUIRE), 0);
    get(port, &got);
    await(&got.count);
    assert_int_equal(got.message.header.ReplyLength, sizeof(FILTER_REPLY_HEADER) + 8);
    pause_ms(10);
    assert_int_equal(__atomic_load_n(&sender.done, __ATOMIC_ACQUIRE), 0);
    reply.header.MessageId = got.message.header.MessageId + 1;
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header + 4), STATUS_FLT_NO_WAITER_FOR_REPLY);
    reply.header.MessageId--;
    assert_int_equal(nt_port_reply(port, &reply, 8), STATUS_INVALID_PARAMETER);
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header + 4), STATUS_SUCCESS);
    join(&sender);
    assert_int_equal(sender.status, STATUS_SUCCESS);
    assert_int_equal(sender.answer_size, 4);
    assert_string_equal(sender.answer, "yes");
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header + 4), STATUS_FLT_NO_WAITER_FOR_REPLY);
    nt_port_close(port);
}

/* FltSendMessage: a reply longer than ReplyLength is STATUS_BUFFER_OVERFLOW; FILTER_REPLY_HEADER, Status. */
static void a_reply_may_be_too_long_or_an_error(void **state)
{
    struct nt_port *port = connected();
    struct sender sender = {.reply = TRUE, .answer_size = 4};
    struct reply reply = {.text = "too long"};
    struct got got;
    (void)state;
    get(port, &got);
    start(&sender);
    await(&got.count);
    reply.header.MessageId = got.message.header.MessageId;
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header + 5), STATUS_BUFFER_OVERFLOW);
    join(&sender);
    assert_int_equal(sender.status, STATUS_BUFFER_OVERFLOW);
    assert_int_equal(sender.answer[0], 0);
    get(port, &got);
    start(&sender);
    await(&got.count);
    reply.header = (FILTER_REPLY_HEADER){STATUS_ACCESS_DENIED, got.message.header.MessageId};
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header), STATUS_SUCCESS);
    join(&sender);
    assert_int_equal(sender.status, STATUS_ACCESS_DENIED);
    nt_port_close(port);
}

/* FltSendMessage: STATUS_TIMEOUT, a success code, when nobody gets it, or nobody replies, in time. */
static void timeout_is_a_success_code(void **state)
{
    struct nt_port *port = connected();
    struct sender sender = {.timeout_ms = 20, .reply = TRUE, .answer_size = 8};
    struct got got;
    (void)state;
    assert_true(NT_SUCCESS(STATUS_TIMEOUT));
    uint64_t before = nt_now();
    start(&sender);
    join(&sender);
    assert_int_equal(sender.status, STATUS_TIMEOUT);
    assert_in_range(nt_now() - before, 20 * MS, 30000 * MS);
    get(port, &got); /* the one that timed out is not delivered any more */
    assert_int_equal(got.count, 0);
    start(&sender);
    join(&sender);
    assert_int_equal(sender.status, STATUS_TIMEOUT);
    assert_int_equal(got.count, 1);
    struct reply reply = {.header.MessageId = got.message.header.MessageId};
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header), STATUS_FLT_NO_WAITER_FOR_REPLY);
    nt_port_close(port);
}

/* FltSendMessage: STATUS_PORT_DISCONNECTED, also for who waits when it happens. */
static void closing_wakes_senders_and_gets(void **state)
{
    struct nt_port *port = connected();
    struct sender waits = {0}, asks = {.reply = TRUE, .answer_size = 8};
    struct got got, waiting;
    (void)state;
    get(port, &got);
    start(&asks);
    await(&got.count);
    start(&waits);
    pause_ms(10);
    nt_port_close(port);
    join(&asks);
    join(&waits);
    assert_int_equal(asks.status, STATUS_PORT_DISCONNECTED);
    assert_int_equal(waits.status, STATUS_PORT_DISCONNECTED);
    assert_null(drv.client);
    start(&waits);
    join(&waits);
    assert_int_equal(waits.status, STATUS_PORT_DISCONNECTED);
    port = connected();
    get(port, &waiting);
    FltCloseClientPort(filter, &drv.client);
    assert_int_equal(waiting.count, 1);
    assert_int_equal(waiting.status, STATUS_PORT_DISCONNECTED);
    get(port, &waiting);
    assert_int_equal(waiting.status, STATUS_PORT_DISCONNECTED);
    nt_port_close(port);
    assert_int_equal(drv.disconnected, 1);
}

/* fltuser.h FilterGetMessage is asynchronous: its caller may cancel it; a buffer too small does not lose the message.
 */
static void gets_are_cancelled_and_checked(void **state)
{
    struct nt_port *port = connected();
    struct sender sender = {0};
    struct got got, small = {0};
    (void)state;
    get(port, &got);
    assert_true(nt_port_cancel(port, &got));
    assert_int_equal(got.status, STATUS_CANCELLED);
    assert_false(nt_port_cancel(port, &got));
    nt_port_get_message(port, sizeof(FILTER_MESSAGE_HEADER), on_got, &small);
    start(&sender);
    await(&small.count);
    assert_int_equal(small.status, STATUS_BUFFER_TOO_SMALL);
    get(port, &got);
    join(&sender);
    assert_int_equal(got.status, STATUS_SUCCESS);
    nt_port_close(port);
}

/* fltuser.h FilterSendMessage; fltkernel.h PFLT_MESSAGE_NOTIFY. */
static void a_program_may_send_too(void **state)
{
    struct nt_port *port = connected();
    char out[8] = "";
    ULONG returned;
    (void)state;
    assert_int_equal(nt_port_send(port, "ping", 5, out, sizeof out, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, 5);
    assert_string_equal(out, "ping");
    assert_int_equal(nt_port_send(port, "ping", 5, out, 4, &returned), STATUS_BUFFER_TOO_SMALL);
    drv.says_returned = 9;
    assert_int_equal(nt_port_send(port, "ping", 5, out, sizeof out, &returned), STATUS_SUCCESS);
    violations_expect("irp-information-too-large", 1u);
    nt_port_close(port);
}

/* FltCreateCommunicationPort: without MessageNotifyCallback user mode's data receive an error. */
static void a_driver_need_not_listen(void **state)
{
    struct nt_port *port;
    ULONG returned;
    (void)state;
    FltCloseCommunicationPort(server);
    assert_int_equal(create_port(on_connect, NULL, OBJ_KERNEL_HANDLE, 1, NULL, &server), STATUS_SUCCESS);
    port = connected();
    assert_false(NT_SUCCESS(nt_port_send(port, "ping", 5, NULL, 0, &returned)));
    assert_int_equal(drv.messages, 0);
    nt_port_close(port);
}

/* req.irql of the pages: FltSendMessage <= APC_LEVEL, also when it need not wait; closing a port PASSIVE_LEVEL. The
 * forum's bug (seed 1). */
static void ports_are_not_for_dispatch_level(void **state)
{
    struct nt_port *port = connected();
    char text[] = "x";
    struct got got;
    KIRQL irql;
    (void)state;
    get(port, &got);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    assert_false(NT_SUCCESS(FltSendMessage(filter, &drv.client, text, sizeof text, NULL, NULL, NULL)));
    KeLowerIrql(irql);
    violations_expect("irql-too-high", 1u);
    assert_int_equal(got.count, 0);
    KeRaiseIrql(APC_LEVEL, &irql);
    assert_int_equal(FltSendMessage(filter, &drv.client, text, sizeof text, NULL, NULL, NULL), STATUS_SUCCESS);
    violations_none();
    FltCloseClientPort(filter, &drv.client);
    KeLowerIrql(irql);
    violations_expect("irql-too-high", 1u);
    nt_port_close(port);
}

/* --- Ends ------------------------------------------------------------------------------------ */

/* PFLT_FILTER_UNLOAD_CALLBACK: stopping the service is mandatory, whatever the callback returns; the port's clients
 * are disconnected (FltCreateCommunicationPort, DisconnectNotifyCallback). */
static void unload_calls_the_filter_and_disconnects(void **state)
{
    struct got got;
    ULONG returned;
    (void)state;
    drv.old_unload = TRUE;
    assert_int_equal(nt_driver_load("flt", entry, NULL, 0, &driver), STATUS_SUCCESS);
    struct nt_port *port = connected();
    get(port, &got);
    drv.filter_status = STATUS_FLT_DO_NOT_DETACH;
    nt_driver_unload(driver);
    assert_int_equal(drv.unloaded, 1);
    assert_int_equal(drv.flags, FLTFL_FILTER_UNLOAD_MANDATORY);
    assert_int_equal(drv.old_unloaded, 1);
    assert_int_equal(drv.disconnected, 1);
    assert_int_equal(got.status, STATUS_PORT_DISCONNECTED);
    assert_int_equal(nt_port_send(port, "ping", 5, NULL, 0, &returned), STATUS_PORT_DISCONNECTED);
    nt_port_close(port);
    assert_int_equal(drv.disconnected, 1);
}

/* PFLT_FILTER_UNLOAD_CALLBACK: a driver without one cannot be unloaded. */
static void without_callback_no_unload(void **state)
{
    (void)state;
    drv.no_unload = TRUE;
    assert_int_equal(nt_driver_load("flt", entry, NULL, 0, &driver), STATUS_SUCCESS);
    FltCloseCommunicationPort(server);
    FltUnregisterFilter(filter);
    nt_driver_unload(driver);
    violations_expect("no-unload-routine", 1u);
}

/* Every port must be closed (FltCreateCommunicationPort), once; the filter unregistered (FltUnregisterFilter). */
static void what_is_left_is_reported(void **state)
{
    (void)state;
    drv.leave_server = TRUE;
    assert_int_equal(nt_driver_load("flt", entry, NULL, 0, &driver), STATUS_SUCCESS);
    nt_driver_unload(driver);
    violations_expect("left-port", 1u);
    drv = (__typeof__(drv)){.leave_client = TRUE};
    assert_int_equal(nt_driver_load("flt", entry, NULL, 0, &driver), STATUS_SUCCESS);
    nt_port_close(connected());
    nt_driver_unload(driver);
    violations_expect("left-port", 1u);
    drv = (__typeof__(drv)){.leave_filter = TRUE};
    assert_int_equal(nt_driver_load("flt", entry, NULL, 0, &driver), STATUS_SUCCESS);
    nt_driver_unload(driver);
    violations_expect("left-registration", 1u);
}

static void closing_twice_is_reported(void **state)
{
    struct nt_port *port = connected();
    PFLT_PORT copy = drv.client;
    char text[] = "x";
    (void)state;
    FltCloseClientPort(filter, &drv.client);
    assert_int_equal(FltSendMessage(filter, &drv.client, text, sizeof text, NULL, NULL, NULL),
                     STATUS_PORT_DISCONNECTED);
    violations_none();
    assert_false(NT_SUCCESS(FltSendMessage(filter, &copy, text, sizeof text, NULL, NULL, NULL)));
    violations_expect("object-invalid", 1u);
    FltCloseClientPort(filter, &copy);
    violations_expect("port-closed-twice", 1u);
    nt_port_close(port);
    FltCloseCommunicationPort(server);
    FltCloseCommunicationPort(server);
    violations_expect("port-closed-twice", 1u);
    server = NULL;
}

static BOOLEAN fail_named(const char *routine, void *context)
{
    return strcmp(routine, context) == 0;
}

/* STATUS_INSUFFICIENT_RESOURCES is a documented return code of each of them, and leaves nothing behind. */
static void each_may_lack_memory(void **state)
{
    static char *const routines[] = {"FltRegisterFilter", "FltBuildDefaultSecurityDescriptor",
                                     "FltCreateCommunicationPort", "FltStartFiltering"};
    (void)state;
    for (size_t index = 0; index < RTL_NUMBER_OF(routines); index++) {
        nt_set_fault(fail_named, routines[index]);
        server = NULL;
        NTSTATUS status = nt_driver_load("flt", entry, NULL, 0, &driver);
        nt_set_fault(NULL, NULL);
        assert_int_equal(status, STATUS_INSUFFICIENT_RESOURCES);
        violations_expect(index == 3 ? "left-port" : "", index == 3 ? 1u : 0u);
    }
}

#define loaded(function) cmocka_unit_test_setup_teardown(function, load, unload)
#define alone(function)  cmocka_unit_test_setup_teardown(function, fresh, no_violations_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        loaded(connecting_calls_the_driver_and_closing_too),
        loaded(a_connection_may_be_refused),
        loaded(a_descriptor_says_who_may_connect),
        loaded(a_server_port_is_checked),
        loaded(registration_is_checked),
        loaded(closing_the_server_keeps_connections),
        loaded(a_waiting_get_takes_the_message),
        loaded(a_reply_ends_the_send),
        loaded(a_reply_may_be_too_long_or_an_error),
        loaded(timeout_is_a_success_code),
        loaded(closing_wakes_senders_and_gets),
        loaded(gets_are_cancelled_and_checked),
        loaded(a_program_may_send_too),
        loaded(a_driver_need_not_listen),
        loaded(ports_are_not_for_dispatch_level),
        alone(unload_calls_the_filter_and_disconnects),
        alone(without_callback_no_unload),
        alone(what_is_left_is_reported),
        loaded(closing_twice_is_reported),
        alone(each_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
