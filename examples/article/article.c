/* SPDX-License-Identifier: MIT */
/*
 * article.c - a callout driver of the article's design, in our words, with what is wrong with it.
 *
 * The design: classifyFn at ALE_AUTH_CONNECT_V4 pends, puts the request into a queue and releases a semaphore; the
 * resident program's GET_NEXT_REQUEST waits for the semaphore and takes the request; its SUBMIT_DECISION puts a
 * decision into a list and completes the operation; the reauthorized classifyFn takes the decision out of the list and
 * acts on it. It works, and holds thirteen lessons: README.md has a scenario for each. Numbers in brackets are theirs.
 *
 * Do not start from this file: examples/minimal is for that.
 */
#include <initguid.h>

#include <ntddk.h>

#include <fwpsk.h>

#include <fwpmk.h>

#include "article.h"

#define PENDING_TAG  'pfCW'
#define DECISION_TAG 'dfCW'

DEFINE_GUID(ARTICLE_CALLOUT, 0x3e6bfe52, 0x14f2, 0x4bb8, 0x8c, 0x3c, 0x75, 0x4e, 0x1b, 0x68, 0x90, 0x01);
DEFINE_GUID(ARTICLE_SUBLAYER, 0x3e6bfe52, 0x14f2, 0x4bb8, 0x8c, 0x3c, 0x75, 0x4e, 0x1b, 0x68, 0x90, 0x02);

struct tuple { /* [2] neither the socket nor the local address */
    UINT64 process_id;
    UINT32 remote_address;
    UINT16 remote_port, local_port;
    UINT8 protocol;
};

struct pending_classify {
    LIST_ENTRY outstanding_entry, queue_entry;
    UINT64 request_id;
    HANDLE completion_context;
    struct tuple tuple;
    BOOLEAN queued;
};

struct decision_entry {
    LIST_ENTRY list_entry;
    struct tuple tuple;
    BOOLEAN block;
};

static PDEVICE_OBJECT device;
static HANDLE engine;
static UINT32 callout_id;
static LONG64 next_request_id;
static BOOLEAN stopping;

static KSPIN_LOCK pending_lock;                                   /* guards the three lists */
static LIST_ENTRY outstanding_list, pending_queue, decision_list; /* [6] of any length */
static KSEMAPHORE pending_semaphore;                              /* [8] counts what the queue knows already */

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\SampleWfpCallout");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\SampleWfpCallout");

static BOOLEAN same_tuple(const struct tuple *a, const struct tuple *b)
{
    return a->process_id == b->process_id && a->remote_address == b->remote_address &&
           a->remote_port == b->remote_port && a->local_port == b->local_port && a->protocol == b->protocol;
}

/* --- The callout --------------------------------------------------------------------------- */

/* [2] The first that fits, whoever it was for. [3] Taken out: the next reauthorization finds nothing. */
static struct decision_entry *take_decision_locked(const struct tuple *tuple)
{
    for (PLIST_ENTRY entry = decision_list.Flink; entry != &decision_list; entry = entry->Flink) {
        struct decision_entry *decision = CONTAINING_RECORD(entry, struct decision_entry, list_entry);

        if (same_tuple(&decision->tuple, tuple)) {
            RemoveEntryList(entry);
            return decision;
        }
    }
    return NULL;
}

static void reauthorize(const struct tuple *tuple, FWPS_CLASSIFY_OUT0 *out)
{
    struct decision_entry *decision;
    BOOLEAN block = TRUE;
    KIRQL irql;

    KeAcquireSpinLock(&pending_lock, &irql);
    decision = take_decision_locked(tuple);
    KeReleaseSpinLock(&pending_lock, irql);
    if (decision != NULL) {
        block = decision->block;
        ExFreePoolWithTag(decision, DECISION_TAG);
    }
    out->actionType = block ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT;
    if (block)
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "Sample callout: reauth decision pid=%llu action=%s\n",
               (unsigned long long)tuple->process_id, block ? "BLOCK" : "PERMIT");
}

static void suspend(const struct tuple *tuple, HANDLE completion_handle, FWPS_CLASSIFY_OUT0 *out)
{
    struct pending_classify *pending;
    HANDLE completion_context = NULL;
    KIRQL irql;

    /* [1] Held first, and only then is there memory to remember it by; or none. */
    if (!NT_SUCCESS(FwpsPendOperation0(completion_handle, &completion_context))) {
        out->actionType = FWP_ACTION_BLOCK;
        return;
    }
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    pending = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*pending), PENDING_TAG);
    if (pending == NULL)
        return;
    pending->request_id = (UINT64)InterlockedIncrement64(&next_request_id);
    pending->completion_context = completion_context;
    pending->tuple = *tuple;
    pending->queued = TRUE;
    KeAcquireSpinLock(&pending_lock, &irql);
    InsertTailList(&outstanding_list, &pending->outstanding_entry);
    InsertTailList(&pending_queue, &pending->queue_entry);
    KeReleaseSpinLock(&pending_lock, irql);
    KeReleaseSemaphore(&pending_semaphore, IO_NO_INCREMENT, 1, FALSE);
}

/* [11] IPv4 connects only; datagrams are not cloned. [12] Neither rights nor types are looked at. */
static void NTAPI sample_classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                  void *layer_data, const void *context, const FWPS_FILTER3 *filter,
                                  UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    const FWPS_INCOMING_VALUE0 *value = values->incomingValue;
    UINT32 flags = value[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;
    struct tuple tuple = {.remote_address = value[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS].value.uint32,
                          .remote_port = value[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value.uint16,
                          .local_port = value[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_LOCAL_PORT].value.uint16,
                          .protocol = value[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_PROTOCOL].value.uint8};

    (void)layer_data, (void)context, (void)filter, (void)flow_context;
    if ((metadata->currentMetadataValues & FWPS_METADATA_FIELD_PROCESS_ID) != 0)
        tuple.process_id = metadata->processId;
    if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0)
        reauthorize(&tuple, out);
    else
        suspend(&tuple, metadata->completionHandle, out);
}

static NTSTATUS NTAPI sample_notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER3 *filter)
{
    (void)filter_key, (void)filter;
    if (type == FWPS_CALLOUT_NOTIFY_ADD_FILTER)
        DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "Sample callout: filter added\n");
    else if (type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER)
        DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "Sample callout: filter deleted\n");
    return STATUS_SUCCESS;
}

static void NTAPI sample_flow_delete(UINT16 layer, UINT32 id, UINT64 flow_context)
{
    (void)layer, (void)id, (void)flow_context; /* [12] no flow ever has a context */
}

/* --- The IOCTLs ---------------------------------------------------------------------------- */

static struct pending_classify *take_queued(void)
{
    struct pending_classify *pending = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&pending_lock, &irql);
    if (!IsListEmpty(&pending_queue)) {
        pending = CONTAINING_RECORD(RemoveHeadList(&pending_queue), struct pending_classify, queue_entry);
        pending->queued = FALSE; /* [9] nobody puts it back */
    }
    KeReleaseSpinLock(&pending_lock, irql);
    return pending;
}

static NTSTATUS get_next_request(USER_CLASSIFY_REQUEST *request, ULONG size, ULONG_PTR *information)
{
    struct pending_classify *pending;

    if (stopping)
        return STATUS_DEVICE_NOT_READY;
    if (size < sizeof(*request))
        return STATUS_BUFFER_TOO_SMALL;
    /* [7] In the program's thread, without a time limit, and not to be cancelled. */
    KeWaitForSingleObject(&pending_semaphore, Executive, KernelMode, FALSE, NULL);
    pending = take_queued();
    if (pending == NULL)
        return STATUS_RETRY; /* [8] */
    request->RequestId = pending->request_id;
    request->ProcessId = pending->tuple.process_id; /* [13] whose program that is, nobody says */
    request->RemoteAddressV4 = pending->tuple.remote_address;
    request->RemotePort = pending->tuple.remote_port;
    request->Reserved = 0;
    *information = sizeof(*request);
    return STATUS_SUCCESS;
}

static void complete_and_free_pending(struct pending_classify *pending)
{
    KIRQL irql;

    KeAcquireSpinLock(&pending_lock, &irql);
    RemoveEntryList(&pending->outstanding_entry);
    if (pending->queued)
        RemoveEntryList(&pending->queue_entry); /* [8] the semaphore still counts it */
    KeReleaseSpinLock(&pending_lock, irql);
    FwpsCompleteOperation0(pending->completion_context, NULL);
    ExFreePoolWithTag(pending, PENDING_TAG);
}

/* [4] What it finds stays in the list, where another SUBMIT_DECISION finds it, too. */
static struct pending_classify *find_outstanding(UINT64 request_id)
{
    struct pending_classify *found = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&pending_lock, &irql);
    for (PLIST_ENTRY entry = outstanding_list.Flink; entry != &outstanding_list && found == NULL;
         entry = entry->Flink) {
        struct pending_classify *pending = CONTAINING_RECORD(entry, struct pending_classify, outstanding_entry);

        if (pending->request_id == request_id)
            found = pending;
    }
    KeReleaseSpinLock(&pending_lock, irql);
    return found;
}

static NTSTATUS submit_decision(const USER_CLASSIFY_DECISION *given, ULONG size)
{
    struct pending_classify *pending;
    struct decision_entry *decision;
    KIRQL irql;

    if (size < sizeof(*given))
        return STATUS_BUFFER_TOO_SMALL;
    pending = find_outstanding(given->RequestId);
    if (pending == NULL)
        return STATUS_NOT_FOUND;
    decision = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*decision), DECISION_TAG);
    if (decision == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    decision->tuple = pending->tuple;
    decision->block = given->Block != 0;
    KeAcquireSpinLock(&pending_lock, &irql);
    InsertTailList(&decision_list, &decision->list_entry);
    KeReleaseSpinLock(&pending_lock, irql);
    complete_and_free_pending(pending);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = STATUS_SUCCESS;
    ULONG_PTR information = 0;

    (void)object;
    if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        switch (stack->Parameters.DeviceIoControl.IoControlCode) {
        case IOCTL_WFP_GET_NEXT_REQUEST:
            status = get_next_request(irp->AssociatedIrp.SystemBuffer,
                                      stack->Parameters.DeviceIoControl.OutputBufferLength, &information);
            break;
        case IOCTL_WFP_SUBMIT_DECISION: /* [10] of anybody who has the device open, which anybody may */
            status =
                submit_decision(irp->AssociatedIrp.SystemBuffer, stack->Parameters.DeviceIoControl.InputBufferLength);
            break;
        default:
            status = STATUS_INVALID_DEVICE_REQUEST;
            break;
        }
    }
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* --- Load and unload ----------------------------------------------------------------------- */

static NTSTATUS add_objects(void)
{
    FWPM_DISPLAY_DATA0 name = {.name = (wchar_t *)L"Sample WFP callout"};
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = ARTICLE_SUBLAYER, .displayData = name};
    FWPM_CALLOUT0 callout = {
        .calloutKey = ARTICLE_CALLOUT, .displayData = name, .applicableLayer = FWPM_LAYER_ALE_AUTH_CONNECT_V4};
    FWPM_FILTER0 filter = {.displayData = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .subLayerKey = ARTICLE_SUBLAYER,
                           .action = {.type = FWP_ACTION_CALLOUT_TERMINATING, .calloutKey = ARTICLE_CALLOUT}};
    NTSTATUS status = FwpmSubLayerAdd0(engine, &sublayer, NULL);

    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engine, &callout, NULL, NULL);
    return NT_SUCCESS(status) ? FwpmFilterAdd0(engine, &filter, NULL, NULL) : status;
}

/* [5] From here on every connect is held, whether anybody will ever ask for it or not. */
static NTSTATUS register_callout_and_filter(void)
{
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPS_CALLOUT3 callout = {.calloutKey = ARTICLE_CALLOUT,
                             .classifyFn = sample_classify,
                             .notifyFn = sample_notify,
                             .flowDeleteFn = sample_flow_delete};
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);

    if (NT_SUCCESS(status))
        status = FwpsCalloutRegister3(device, &callout, &callout_id);
    if (NT_SUCCESS(status))
        status = FwpmTransactionBegin0(engine, 0);
    if (!NT_SUCCESS(status))
        return status;
    status = add_objects();
    if (NT_SUCCESS(status))
        return FwpmTransactionCommit0(engine);
    FwpmTransactionAbort0(engine);
    return status;
}

/* The article does not print it; without it nothing could be tried twice. */
static void stop(void)
{
    stopping = TRUE;
    while (!IsListEmpty(&outstanding_list))
        complete_and_free_pending(
            CONTAINING_RECORD(outstanding_list.Flink, struct pending_classify, outstanding_entry));
    if (engine != NULL)
        FwpmEngineClose0(engine);
    if (callout_id != 0)
        FwpsCalloutUnregisterById0(callout_id);
    while (!IsListEmpty(&decision_list))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&decision_list), struct decision_entry, list_entry),
                          DECISION_TAG);
    IoDeleteSymbolicLink(&link_name);
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
    NTSTATUS status;

    (void)path;
    KeInitializeSpinLock(&pending_lock);
    KeInitializeSemaphore(&pending_semaphore, 0, MAXLONG);
    InitializeListHead(&outstanding_list);
    InitializeListHead(&pending_queue);
    InitializeListHead(&decision_list);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    status = IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device); /* [10] for everybody */
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link_name, &device_name);
    if (NT_SUCCESS(status))
        status = register_callout_and_filter();
    if (!NT_SUCCESS(status))
        stop();
    return status;
}
