/* SPDX-License-Identifier: MIT */
/*
 * minimal.c - a small, complete callout driver: it holds each TCP connect until a program answers.
 *
 * docs/writing-a-callout-driver.md builds it step by step and says why each part is as it is. In short:
 * classifyFn may run at DISPATCH_LEVEL, so it only copies, pends and returns. A program fetches what is held with one
 * IOCTL and answers with another; the answer is stored, then the operation completed; the engine classifies again and
 * finds the answer. Who is not answered within DEADLINE is blocked.
 *
 * A connection stays in the list until its socket is closed, because the engine asks again whenever filters change.
 * One spin lock guards everything that changes. Nothing that calls back is called under it.
 */
#include <initguid.h>

#include <ntddk.h>

#include <wdmsec.h>

#include <fwpsk.h>

#include <fwpmk.h>

#include "minimal.h"

#define TAG             'iniM'
#define DEADLINE        (10 * 10000000ll) /* 10 s, in 100 ns */
#define CONNECTIONS_MAX 1024
#define CALLOUTS        4

DEFINE_GUID(MINIMAL_SUBLAYER, 0x5c0c6e1a, 0x8e44, 0x4d6b, 0xa1, 0x7f, 0x3a, 0x61, 0x09, 0x2d, 0x7b, 0x10);
DEFINE_GUID(MINIMAL_CONNECT_V4, 0x5c0c6e1a, 0x8e44, 0x4d6b, 0xa1, 0x7f, 0x3a, 0x61, 0x09, 0x2d, 0x7b, 0x11);
DEFINE_GUID(MINIMAL_CONNECT_V6, 0x5c0c6e1a, 0x8e44, 0x4d6b, 0xa1, 0x7f, 0x3a, 0x61, 0x09, 0x2d, 0x7b, 0x12);
DEFINE_GUID(MINIMAL_CLOSURE_V4, 0x5c0c6e1a, 0x8e44, 0x4d6b, 0xa1, 0x7f, 0x3a, 0x61, 0x09, 0x2d, 0x7b, 0x13);
DEFINE_GUID(MINIMAL_CLOSURE_V6, 0x5c0c6e1a, 0x8e44, 0x4d6b, 0xa1, 0x7f, 0x3a, 0x61, 0x09, 0x2d, 0x7b, 0x14);

/* One connect. It is found again by its socket and where it goes: both together are one connection. */
struct connection {
    LIST_ENTRY link;
    UINT64 endpoint;
    struct minimal_request request;
    HANDLE operation; /* what FwpsCompleteOperation0 wants */
    LONGLONG deadline;
    BOOLEAN offered; /* the client has it */
    BOOLEAN decided, permit;
};

static PDEVICE_OBJECT device;
static HANDLE engine;
static UINT32 callout_ids[CALLOUTS];
static EX_RUNDOWN_REF pending; /* held by each classify that pends; run down: none pends any more */
static LONG connection_count;

static KSPIN_LOCK lock; /* guards what follows */
static LIST_ENTRY connections;
static UINT64 last_id;
static BOOLEAN timer_is_set;
static PIRP reader; /* the client's MINIMAL_NEXT that waits */

static KTIMER timer;
static KDPC timer_dpc;

/* Under the lock: the connection behind this one, from NULL to NULL. */
static struct connection *next_of(struct connection *connection)
{
    PLIST_ENTRY entry = connection == NULL ? connections.Flink : connection->link.Flink;

    return entry == &connections ? NULL : CONTAINING_RECORD(entry, struct connection, link);
}

/* --- The client's read --------------------------------------------------------------------- */

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static VOID NTAPI on_cancel(PDEVICE_OBJECT object, PIRP irp)
{
    KIRQL irql;

    (void)object;
    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&lock, &irql);
    if (reader == irp)
        reader = NULL;
    KeReleaseSpinLock(&lock, irql);
    complete(irp, STATUS_CANCELLED, 0);
}

/* Under the lock. NULL: nobody waits, or the read is being cancelled. Who gets it completes it. */
static PIRP take_reader(void)
{
    PIRP irp = reader;

    if (irp == NULL || IoSetCancelRoutine(irp, NULL) == NULL)
        return NULL;
    reader = NULL;
    return irp;
}

/* Brings the read and the oldest connection that was not offered together, when there are both. */
static void offer(void)
{
    struct connection *found;
    PIRP irp = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    for (found = next_of(NULL); found != NULL && (found->decided || found->offered);)
        found = next_of(found);
    if (found != NULL)
        irp = take_reader();
    if (irp != NULL) {
        found->offered = TRUE;
        *(struct minimal_request *)irp->AssociatedIrp.SystemBuffer = found->request;
    }
    KeReleaseSpinLock(&lock, irql);
    if (irp != NULL)
        complete(irp, STATUS_SUCCESS, sizeof(struct minimal_request));
}

/* Always STATUS_PENDING: it may have been completed by the time this returns. */
static NTSTATUS wait_for_next(PIRP irp)
{
    NTSTATUS ends_with = STATUS_SUCCESS;
    KIRQL irql;

    IoMarkIrpPending(irp);
    KeAcquireSpinLock(&lock, &irql);
    if (reader != NULL) {
        ends_with = STATUS_DEVICE_BUSY; /* one read at a time */
    } else {
        IoSetCancelRoutine(irp, on_cancel);
        if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL)
            ends_with = STATUS_CANCELLED; /* cancelled before it had a cancel routine */
        else
            reader = irp;
    }
    KeReleaseSpinLock(&lock, irql);
    if (ends_with != STATUS_SUCCESS)
        complete(irp, ends_with, 0);
    offer();
    return STATUS_PENDING;
}

/* --- Deciding ------------------------------------------------------------------------------ */

/* Under the lock. */
static void set_timer(LONGLONG deadline)
{
    LARGE_INTEGER due;

    due.QuadPart = (LONGLONG)KeQueryInterruptTime() - deadline; /* negative: from now */
    if (due.QuadPart >= 0)
        due.QuadPart = -1;
    timer_is_set = TRUE;
    KeSetTimer(&timer, due, &timer_dpc);
}

/* Under the lock. A connection is decided once, so whoever does it is the only one to complete its operation. */
static HANDLE decide(struct connection *connection, BOOLEAN permit)
{
    connection->decided = TRUE;
    connection->permit = permit;
    return connection->operation;
}

/* Blocks what was due before this time. The engine classifies again within FwpsCompleteOperation0: no lock is held. */
static void block_before(LONGLONG time)
{
    struct connection *oldest;
    HANDLE operation;
    KIRQL irql;

    do {
        operation = NULL;
        KeAcquireSpinLock(&lock, &irql);
        timer_is_set = FALSE;
        for (oldest = next_of(NULL); oldest != NULL && oldest->decided;)
            oldest = next_of(oldest);
        if (oldest != NULL && oldest->deadline <= time)
            operation = decide(oldest, FALSE);
        else if (oldest != NULL)
            set_timer(oldest->deadline);
        KeReleaseSpinLock(&lock, irql);
        if (operation != NULL)
            FwpsCompleteOperation0(operation, NULL);
    } while (operation != NULL);
}

static VOID NTAPI on_timer(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    block_before((LONGLONG)KeQueryInterruptTime());
}

static NTSTATUS answer(const struct minimal_answer *given)
{
    HANDLE operation = NULL;
    KIRQL irql;

    if (given->permit > 1 || given->zero != 0)
        return STATUS_INVALID_PARAMETER;
    KeAcquireSpinLock(&lock, &irql);
    for (struct connection *held = next_of(NULL); held != NULL && operation == NULL; held = next_of(held))
        if (!held->decided && held->request.id == given->id)
            operation = decide(held, given->permit != 0);
    KeReleaseSpinLock(&lock, irql);
    if (operation == NULL)
        return STATUS_NOT_FOUND; /* never held, answered already, or too late */
    FwpsCompleteOperation0(operation, NULL);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    PIRP waiting;
    KIRQL irql;

    (void)object;
    if (stack->MajorFunction == IRP_MJ_CLEANUP) { /* the client is gone: the next one gets what it did not answer */
        KeAcquireSpinLock(&lock, &irql);
        waiting = take_reader();
        for (struct connection *held = next_of(NULL); held != NULL; held = next_of(held))
            held->offered = FALSE;
        KeReleaseSpinLock(&lock, irql);
        if (waiting != NULL)
            complete(waiting, STATUS_CANCELLED, 0);
    }
    if (stack->MajorFunction != IRP_MJ_DEVICE_CONTROL)
        return complete(irp, STATUS_SUCCESS, 0);
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case MINIMAL_NEXT:
        if (stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(struct minimal_request))
            return complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
        return wait_for_next(irp);
    case MINIMAL_ANSWER:
        if (stack->Parameters.DeviceIoControl.InputBufferLength != sizeof(struct minimal_answer))
            return complete(irp, STATUS_INVALID_BUFFER_SIZE, 0);
        return complete(irp, answer(irp->AssociatedIrp.SystemBuffer), 0);
    default:
        return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

/* --- Callouts ------------------------------------------------------------------------------ */

/* Fields may be empty and metadata absent: each is looked at only if it is there. */
static BOOLEAN read_values(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           UINT64 *endpoint, struct minimal_request *request)
{
    BOOLEAN v6 = values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V6;
    UINT32 address_at =
        v6 ? FWPS_FIELD_ALE_AUTH_CONNECT_V6_IP_REMOTE_ADDRESS : FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS;
    UINT32 port_at = v6 ? FWPS_FIELD_ALE_AUTH_CONNECT_V6_IP_REMOTE_PORT : FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT;
    const FWP_VALUE0 *address = &values->incomingValue[address_at].value, *port = &values->incomingValue[port_at].value;

    RtlZeroMemory(request, sizeof(*request));
    if (address->type != (v6 ? FWP_BYTE_ARRAY16_TYPE : FWP_UINT32) || port->type != FWP_UINT16 ||
        !FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE))
        return FALSE;
    *endpoint = metadata->transportEndpointHandle;
    for (int i = 0; i < (v6 ? 16 : 4); i++)
        request->address[i] = v6 ? address->byteArray16->byteArray16[i] : (UINT8)(address->uint32 >> (24 - 8 * i));
    request->port = port->uint16;
    request->ip_version = v6 ? 6 : 4;
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_ID))
        request->process_id = metadata->processId;
    return TRUE;
}

/* What we never held was there before the driver, so it may stay. */
static BOOLEAN may_go_on(UINT64 endpoint, const struct minimal_request *request)
{
    BOOLEAN permit = TRUE;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    for (struct connection *known = next_of(NULL); known != NULL; known = next_of(known))
        if (known->endpoint == endpoint && known->request.port == request->port &&
            RtlEqualMemory(known->request.address, request->address, sizeof(request->address)))
            permit = known->permit; /* the newest is the last */
    KeReleaseSpinLock(&lock, irql);
    return permit;
}

/* FALSE: it cannot be held. Memory comes first, because what is pended has to be completed by somebody. */
static BOOLEAN hold(UINT64 endpoint, const struct minimal_request *request, HANDLE completion_handle)
{
    struct connection *connection = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*connection), TAG);
    KIRQL irql;

    if (connection == NULL || InterlockedIncrement(&connection_count) > CONNECTIONS_MAX ||
        !NT_SUCCESS(FwpsPendOperation0(completion_handle, &connection->operation))) {
        if (connection != NULL) {
            InterlockedDecrement(&connection_count);
            ExFreePoolWithTag(connection, TAG);
        }
        return FALSE;
    }
    connection->endpoint = endpoint;
    connection->request = *request;
    connection->deadline = (LONGLONG)KeQueryInterruptTime() + DEADLINE;
    KeAcquireSpinLock(&lock, &irql);
    connection->request.id = ++last_id;
    InsertTailList(&connections, &connection->link);
    if (!timer_is_set)
        set_timer(connection->deadline);
    KeReleaseSpinLock(&lock, irql);
    offer();
    return TRUE;
}

static void NTAPI classify_connect(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                   void *layer_data, const void *context, const FWPS_FILTER3 *filter,
                                   UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    UINT32 flags_at = values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V6 ? FWPS_FIELD_ALE_AUTH_CONNECT_V6_FLAGS
                                                                        : FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS;
    UINT32 flags = values->incomingValue[flags_at].value.uint32;
    struct minimal_request request;
    BOOLEAN permit = FALSE;
    UINT64 endpoint;

    (void)layer_data, (void)context, (void)filter, (void)flow_context;
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return; /* somebody has decided */
    if (!read_values(values, metadata, &endpoint, &request)) {
        permit = FALSE;
    } else if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
        permit = may_go_on(endpoint, &request);
    } else if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE) &&
               ExAcquireRundownProtection(&pending)) {
        if (hold(endpoint, &request, metadata->completionHandle))
            out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB; /* pended: silently, for now */
        ExReleaseRundownProtection(&pending);
    }
    out->actionType = permit ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
    if (!permit)
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

/* The socket is closed: what is held for it ends now, and what was decided is not asked for again. 0: every socket. */
static void forget(UINT64 endpoint)
{
    struct connection *found;
    KIRQL irql;

    do {
        HANDLE operation = NULL;

        KeAcquireSpinLock(&lock, &irql);
        for (found = next_of(NULL); found != NULL && endpoint != 0 && found->endpoint != endpoint;)
            found = next_of(found);
        if (found != NULL && !found->decided)
            operation = decide(found, FALSE);
        else if (found != NULL)
            RemoveEntryList(&found->link);
        KeReleaseSpinLock(&lock, irql);
        if (operation != NULL) {
            FwpsCompleteOperation0(operation, NULL);
        } else if (found != NULL) {
            ExFreePoolWithTag(found, TAG);
            InterlockedDecrement(&connection_count);
        }
    } while (found != NULL);
}

static void NTAPI classify_closure(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                   void *layer_data, const void *context, const FWPS_FILTER3 *filter,
                                   UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    (void)values, (void)layer_data, (void)context, (void)filter, (void)flow_context;
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE))
        forget(metadata->transportEndpointHandle);
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        out->actionType = FWP_ACTION_CONTINUE;
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER3 *filter)
{
    (void)type, (void)filter_key, (void)filter;
    return STATUS_SUCCESS;
}

/* --- Load and unload ----------------------------------------------------------------------- */

static const struct row {
    const GUID *key, *layer;
    FWPS_CALLOUT_CLASSIFY_FN3 classify;
    FWP_ACTION_TYPE action;
} rows[CALLOUTS] = {
    {&MINIMAL_CONNECT_V4, &FWPM_LAYER_ALE_AUTH_CONNECT_V4, classify_connect, FWP_ACTION_CALLOUT_TERMINATING},
    {&MINIMAL_CONNECT_V6, &FWPM_LAYER_ALE_AUTH_CONNECT_V6, classify_connect, FWP_ACTION_CALLOUT_TERMINATING},
    {&MINIMAL_CLOSURE_V4, &FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4, classify_closure, FWP_ACTION_CALLOUT_INSPECTION},
    {&MINIMAL_CLOSURE_V6, &FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V6, classify_closure, FWP_ACTION_CALLOUT_INSPECTION},
};

/* The callout for the engine to call, the same for the engine to know, and a filter that leads TCP to it. */
static NTSTATUS add_callout(const struct row *row, UINT32 *id)
{
    FWPM_DISPLAY_DATA0 name = {.name = (wchar_t *)L"Minimal callout"};
    FWPS_CALLOUT3 callout = {.calloutKey = *row->key, .classifyFn = row->classify, .notifyFn = notify};
    FWPM_CALLOUT0 known = {.calloutKey = *row->key, .displayData = name, .applicableLayer = *row->layer};
    FWPM_FILTER_CONDITION0 tcp = {.fieldKey = FWPM_CONDITION_IP_PROTOCOL,
                                  .matchType = FWP_MATCH_EQUAL,
                                  .conditionValue = {.type = FWP_UINT8, .uint8 = 6}};
    FWPM_FILTER0 filter = {.displayData = name,
                           .layerKey = *row->layer,
                           .subLayerKey = MINIMAL_SUBLAYER,
                           .numFilterConditions = 1,
                           .filterCondition = &tcp,
                           .action = {.type = row->action, .calloutKey = *row->key}};
    NTSTATUS status = FwpsCalloutRegister3(device, &callout, id);

    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engine, &known, NULL, NULL);
    return NT_SUCCESS(status) ? FwpmFilterAdd0(engine, &filter, NULL, NULL) : status;
}

/* The session is dynamic: what is added in it goes with it, however the driver ends. */
static NTSTATUS start_engine(void)
{
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPM_SUBLAYER0 sublayer = {
        .subLayerKey = MINIMAL_SUBLAYER, .displayData = {.name = (wchar_t *)L"Minimal"}, .weight = 0x8000};
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);

    if (NT_SUCCESS(status))
        status = FwpmTransactionBegin0(engine, 0);
    if (!NT_SUCCESS(status))
        return status;
    status = FwpmSubLayerAdd0(engine, &sublayer, NULL);
    for (int i = 0; i < CALLOUTS && NT_SUCCESS(status); i++)
        status = add_callout(&rows[i], &callout_ids[i]);
    if (NT_SUCCESS(status))
        return FwpmTransactionCommit0(engine);
    FwpmTransactionAbort0(engine);
    return status;
}

/* Nothing new is held; what is held ends; then nothing calls us any more; then there is nothing left to call. */
static void stop(void)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\MinimalCallout");
    LARGE_INTEGER moment = {.QuadPart = -100000}; /* 10 ms */

    ExWaitForRundownProtectionRelease(&pending);
    block_before(MAXLONGLONG);
    KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
    if (engine != NULL)
        FwpmEngineClose0(engine); /* with its filters */
    for (int i = 0; i < CALLOUTS; i++)
        for (int tries = 0; callout_ids[i] != 0 && tries < 500; tries++) { /* busy while classifyFn runs */
            if (FwpsCalloutUnregisterById0(callout_ids[i]) != STATUS_DEVICE_BUSY)
                break;
            KeDelayExecutionThread(KernelMode, FALSE, &moment);
        }
    forget(0);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(device);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    (void)driver;
    stop();
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\MinimalCallout");
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\MinimalCallout");
    /* Only the system and administrators: who may answer may let anything through. */
    const UNICODE_STRING access = RTL_CONSTANT_STRING(L"D:P(A;;GA;;;SY)(A;;GA;;;BA)");
    NTSTATUS status;

    (void)path;
    KeInitializeSpinLock(&lock);
    InitializeListHead(&connections);
    ExInitializeRundownProtection(&pending);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&timer_dpc, on_timer, NULL);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    /* TRUE: one client at a time. */
    status = IoCreateDeviceSecure(driver, 0, &name, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, TRUE, &access, NULL,
                                  &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (NT_SUCCESS(status))
        status = start_engine();
    if (!NT_SUCCESS(status))
        stop();
    return status;
}
