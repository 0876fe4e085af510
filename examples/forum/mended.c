/* SPDX-License-Identifier: MIT */
/*
 * mended.c - the forum's firewall as it can be: classifyFn never waits, a thread asks user level at PASSIVE_LEVEL.
 *
 * classifyFn copies what it needs, pends, queues, and returns BLOCK with ABSORB and without the WRITE right. The
 * thread sends the question, stores the verdict, and completes the operation. The engine then classifies again, on
 * that thread, and classifyFn finds the verdict. Who gets no answer within DEADLINE is blocked: user level may be slow,
 * dead, or not there. A verdict stays, because filters may change and every flow is then classified again; when there
 * are too many, the oldest goes, and what has no verdict and is reauthorized was there before: it may stay.
 *
 * One spin lock guards the list. FltSendMessage, which waits, and FwpsCompleteOperation0, which classifies, are called
 * without it.
 */
#include <initguid.h>

#include <ntddk.h>

#include <fwpsk.h>

#include <fwpmk.h>

#include "forum.h"

#define TAG             'mroF'
#define DEADLINE        (5 * 10000000ll) /* 5 s, in 100 ns */
#define HELD_MAX        256
#define CONNECTIONS_MAX 1024

DEFINE_GUID(FORUM_CALLOUT, 0x0f0a11c2, 0x52d0, 0x4e0b, 0xb1, 0x5e, 0x7a, 0x0c, 0x9b, 0x3d, 0x21, 0x02);
DEFINE_GUID(FORUM_SUBLAYER, 0x0f0a11c2, 0x52d0, 0x4e0b, 0xb1, 0x5e, 0x7a, 0x0c, 0x9b, 0x3d, 0x21, 0x03);

struct connection {
    LIST_ENTRY link;
    UINT64 endpoint; /* its socket */
    struct forum_question question;
    HANDLE operation;
    LONGLONG deadline;
    BOOLEAN decided, safe_to_open;
};

static PDEVICE_OBJECT device;
static PFLT_FILTER filter;
static PFLT_PORT server, client;
static HANDLE engine;
static UINT32 callout_id;
static EX_RUNDOWN_REF pending; /* held by each classify that pends; run down: none pends any more */

static KSPIN_LOCK lock;        /* guards the list and the counts */
static LIST_ENTRY connections; /* the oldest first */
static ULONG connection_count, held_count;

static KEVENT work; /* there is something to ask, or it is time to end */
static PVOID thread;
static BOOLEAN stopping;

/* --- The port ------------------------------------------------------------------------------ */

static NTSTATUS FLTAPI on_connect(PFLT_PORT port, PVOID server_cookie, PVOID context, ULONG size, PVOID *cookie)
{
    (void)server_cookie, (void)context, (void)size;
    InterlockedExchangePointer((PVOID *)&client, port);
    *cookie = NULL;
    return STATUS_SUCCESS;
}

/* Closing wakes FltSendMessage. Two may want to: the program that goes, and our unload. One of them gets the port. */
static void close_client(void)
{
    PFLT_PORT port = InterlockedExchangePointer((PVOID *)&client, NULL);

    if (port != NULL)
        FltCloseClientPort(filter, &port);
}

static VOID FLTAPI on_disconnect(PVOID cookie)
{
    (void)cookie;
    close_client();
}

static NTSTATUS open_port(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(FORUM_PORT);
    PSECURITY_DESCRIPTOR descriptor;
    OBJECT_ATTRIBUTES attributes;
    NTSTATUS status = FltBuildDefaultSecurityDescriptor(&descriptor, FLT_PORT_ALL_ACCESS);

    if (!NT_SUCCESS(status))
        return status;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, descriptor);
    status = FltCreateCommunicationPort(filter, &server, &attributes, NULL, on_connect, on_disconnect, NULL, 1);
    FltFreeSecurityDescriptor(descriptor);
    return status;
}

/* --- The thread that asks ------------------------------------------------------------------ */

/* STATUS_TIMEOUT is a success code, so NT_SUCCESS would take silence for an answer. */
static BOOLEAN ask(struct forum_question *question, LONGLONG deadline)
{
    struct forum_answer answer = {0};
    ULONG size = sizeof(answer);
    LARGE_INTEGER left;

    left.QuadPart = (LONGLONG)KeQueryInterruptTime() - deadline; /* negative: from now */
    if (left.QuadPart >= 0 || stopping)
        return FALSE;
    return FltSendMessage(filter, &client, question, sizeof(*question), &answer, &size, &left) == STATUS_SUCCESS &&
           size == sizeof(answer) && answer.safe_to_open == 1;
}

/* Only this thread decides, so what it found stays there while the lock is not held. */
static struct connection *oldest_held(void)
{
    struct connection *found = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    for (PLIST_ENTRY entry = connections.Flink; entry != &connections && found == NULL; entry = entry->Flink) {
        struct connection *connection = CONTAINING_RECORD(entry, struct connection, link);

        if (!connection->decided)
            found = connection;
    }
    KeReleaseSpinLock(&lock, irql);
    return found;
}

static VOID NTAPI decide_all(PVOID context)
{
    struct connection *connection;
    BOOLEAN last, safe_to_open;
    HANDLE operation;
    KIRQL irql;

    (void)context;
    do {
        KeWaitForSingleObject(&work, Executive, KernelMode, FALSE, NULL);
        last = stopping; /* looked at before the list: nothing comes behind it */
        while ((connection = oldest_held()) != NULL) {
            safe_to_open = ask(&connection->question, connection->deadline);
            KeAcquireSpinLock(&lock, &irql);
            connection->decided = TRUE;
            connection->safe_to_open = safe_to_open;
            operation = connection->operation;
            held_count--;
            KeReleaseSpinLock(&lock, irql);
            FwpsCompleteOperation0(operation, NULL); /* the verdict is stored: classifyFn looks for it now */
        }
    } while (!last);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS start_thread(void)
{
    HANDLE handle;
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, decide_all, NULL);

    if (!NT_SUCCESS(status))
        return status;
    /* Of a kernel handle in kernel mode it cannot fail: nothing is left half started. */
    (void)ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    return STATUS_SUCCESS;
}

/* --- The callout --------------------------------------------------------------------------- */

static BOOLEAN read_values(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           UINT64 *endpoint, struct forum_question *question)
{
    const FWP_VALUE0 *address = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS].value;
    const FWP_VALUE0 *port = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value;

    RtlZeroMemory(question, sizeof(*question));
    if (address->type != FWP_UINT32 || port->type != FWP_UINT16 ||
        !FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE))
        return FALSE;
    *endpoint = metadata->transportEndpointHandle;
    question->address = address->uint32;
    question->port = port->uint16;
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_ID))
        question->process_id = metadata->processId;
    return TRUE;
}

static BOOLEAN find_verdict(UINT64 endpoint, const struct forum_question *question)
{
    BOOLEAN safe_to_open = TRUE;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    for (PLIST_ENTRY entry = connections.Flink; entry != &connections; entry = entry->Flink) {
        const struct connection *connection = CONTAINING_RECORD(entry, struct connection, link);

        if (connection->endpoint == endpoint && connection->question.address == question->address &&
            connection->question.port == question->port)
            safe_to_open = connection->safe_to_open; /* the newest is the last */
    }
    KeReleaseSpinLock(&lock, irql);
    return safe_to_open;
}

/* Under the lock: the oldest with a verdict, when it is one too many. */
static struct connection *take_surplus(void)
{
    for (PLIST_ENTRY entry = connections.Flink; connection_count >= CONNECTIONS_MAX && entry != &connections;
         entry = entry->Flink) {
        struct connection *connection = CONTAINING_RECORD(entry, struct connection, link);

        if (!connection->decided)
            continue;
        RemoveEntryList(entry);
        connection_count--;
        return connection;
    }
    return NULL;
}

static BOOLEAN reserve(void)
{
    BOOLEAN fits;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    fits = held_count < HELD_MAX;
    if (fits)
        held_count++;
    KeReleaseSpinLock(&lock, irql);
    return fits;
}

static void unreserve(void)
{
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    held_count--;
    KeReleaseSpinLock(&lock, irql);
}

static void enqueue(struct connection *connection)
{
    struct connection *surplus;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    surplus = take_surplus();
    connection->deadline = (LONGLONG)KeQueryInterruptTime() + DEADLINE;
    InsertTailList(&connections, &connection->link);
    connection_count++;
    KeReleaseSpinLock(&lock, irql);
    if (surplus != NULL)
        ExFreePoolWithTag(surplus, TAG);
    KeSetEvent(&work, IO_NO_INCREMENT, FALSE);
}

/* FALSE: it cannot be held. Memory comes first, because what is pended has to be completed. */
static BOOLEAN hold(UINT64 endpoint, const struct forum_question *question, HANDLE completion_handle)
{
    struct connection *connection;

    if (!reserve())
        return FALSE;
    connection = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*connection), TAG);
    if (connection == NULL || !NT_SUCCESS(FwpsPendOperation0(completion_handle, &connection->operation))) {
        if (connection != NULL)
            ExFreePoolWithTag(connection, TAG);
        unreserve();
        return FALSE;
    }
    connection->endpoint = endpoint;
    connection->question = *question;
    enqueue(connection);
    return TRUE;
}

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER1 *found, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    UINT32 flags = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;
    struct forum_question question;
    BOOLEAN permit = FALSE;
    UINT64 endpoint;

    (void)layer_data, (void)context, (void)found, (void)flow_context;
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return; /* somebody has decided */
    if (read_values(values, metadata, &endpoint, &question)) {
        if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
            permit = find_verdict(endpoint, &question);
        } else if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE) &&
                   ExAcquireRundownProtection(&pending)) {
            if (hold(endpoint, &question, metadata->completionHandle))
                out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
            ExReleaseRundownProtection(&pending);
        }
    }
    out->actionType = permit ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
    if (!permit)
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER1 *changed)
{
    (void)type, (void)filter_key, (void)changed;
    return STATUS_SUCCESS;
}

/* TCP only: a pended datagram is thrown away unless it was cloned before, which is another story. */
static NTSTATUS start_engine(void)
{
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPM_DISPLAY_DATA0 name = {.name = (wchar_t *)L"Forum firewall"};
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = FORUM_SUBLAYER, .displayData = name, .weight = 0x8000};
    FWPS_CALLOUT1 callout = {.calloutKey = FORUM_CALLOUT, .classifyFn = classify, .notifyFn = notify};
    FWPM_CALLOUT0 known = {
        .calloutKey = FORUM_CALLOUT, .displayData = name, .applicableLayer = FWPM_LAYER_ALE_AUTH_CONNECT_V4};
    FWPM_FILTER_CONDITION0 tcp = {.fieldKey = FWPM_CONDITION_IP_PROTOCOL,
                                  .matchType = FWP_MATCH_EQUAL,
                                  .conditionValue = {.type = FWP_UINT8, .uint8 = 6}};
    FWPM_FILTER0 connects = {.displayData = name,
                             .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                             .subLayerKey = FORUM_SUBLAYER,
                             .numFilterConditions = 1,
                             .filterCondition = &tcp,
                             .action = {.type = FWP_ACTION_CALLOUT_TERMINATING, .calloutKey = FORUM_CALLOUT}};
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);

    if (NT_SUCCESS(status))
        status = FwpmSubLayerAdd0(engine, &sublayer, NULL);
    if (NT_SUCCESS(status))
        status = FwpsCalloutRegister1(device, &callout, &callout_id);
    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engine, &known, NULL, NULL);
    return NT_SUCCESS(status) ? FwpmFilterAdd0(engine, &connects, NULL, NULL) : status;
}

/* --- Load and unload ----------------------------------------------------------------------- */

/* Nothing new is held; what is held gets the default; then the thread ends. Bounded: closing the port ends its wait. */
static void stop_thread(void)
{
    ExWaitForRundownProtectionRelease(&pending);
    if (thread == NULL)
        return;
    stopping = TRUE;
    close_client();
    KeSetEvent(&work, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
}

static void stop_engine(void)
{
    LARGE_INTEGER moment = {.QuadPart = -100000}; /* 10 ms */

    if (engine != NULL)
        FwpmEngineClose0(engine);                                  /* with its filters: nobody comes anew */
    for (int tries = 0; callout_id != 0 && tries < 500; tries++) { /* busy while classifyFn runs */
        if (FwpsCalloutUnregisterById0(callout_id) != STATUS_DEVICE_BUSY)
            break;
        KeDelayExecutionThread(KernelMode, FALSE, &moment);
    }
}

static void stop(void)
{
    if (server != NULL)
        FltCloseCommunicationPort(server);
    stop_thread();
    stop_engine();
    if (filter != NULL)
        FltUnregisterFilter(filter);
    while (!IsListEmpty(&connections))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&connections), struct connection, link), TAG);
    IoDeleteDevice(device);
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
    (void)flags;
    stop();
    return STATUS_SUCCESS;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    FLT_REGISTRATION registration = {
        .Size = sizeof(registration), .Version = FLT_REGISTRATION_VERSION, .FilterUnloadCallback = unload};
    NTSTATUS status = IoCreateDevice(driver, 0, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &device);

    (void)path;
    if (!NT_SUCCESS(status))
        return status;
    KeInitializeSpinLock(&lock);
    InitializeListHead(&connections);
    KeInitializeEvent(&work, SynchronizationEvent, FALSE);
    ExInitializeRundownProtection(&pending);
    status = FltRegisterFilter(driver, &registration, &filter);
    if (NT_SUCCESS(status))
        status = start_thread();
    if (NT_SUCCESS(status))
        status = open_port();
    if (NT_SUCCESS(status))
        status = FltStartFiltering(filter);
    if (NT_SUCCESS(status))
        status = start_engine();
    if (!NT_SUCCESS(status))
        stop();
    return status;
}
