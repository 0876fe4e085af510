/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - a worker thread decides: connects are pended in a list, an event wakes the thread, which permits all but
 * port 25. What was decided stays in a second list until the thread finds it too old.
 *
 * BUG 1: the thread completes under its queued spin lock. BUG 2: unload ends the thread before the filter is gone and
 * does not drain, so a connect that comes then is held for ever. BUG 3: the decision is written after the completion.
 * BUG 4: the thread looks whether to end after the list, not before: what came in between is held for ever.
 */
#include <initguid.h>

#include <ntddk.h>

#include <fwpsk.h>

#include <fwpmk.h>

#ifndef BUG
#define BUG 0
#endif
#define INSPECT_TAG 'psnI'

DEFINE_GUID(INSPECT_CALLOUT, 0x1b6e405b, 0x19f4, 0x4ff3, 0xb5, 0x01, 0x1a, 0x3d, 0xc0, 0x1a, 0xae, 0x01);
DEFINE_GUID(INSPECT_SUBLAYER, 0x1b6e405b, 0x19f4, 0x4ff3, 0xb5, 0x01, 0x1a, 0x3d, 0xc0, 0x1a, 0xae, 0x02);

typedef struct _PENDED_CONNECT {
    LIST_ENTRY ListEntry;
    HANDLE CompletionContext;
    UINT64 EndpointHandle;
    UINT32 RemoteAddress;
    UINT16 RemotePort;
    FWP_ACTION_TYPE AuthDecision; /* 0: not yet */
} PENDED_CONNECT, *PPENDED_CONNECT;

static PDEVICE_OBJECT gDeviceObject;
static HANDLE gEngineHandle;
static UINT32 gCalloutId;
static LIST_ENTRY gConnList;
static KSPIN_LOCK gConnListLock;
static KEVENT gWorkerEvent;
static BOOLEAN gDriverUnloading;
static PVOID gThreadObj;

static FWP_ACTION_TYPE FindDecision(UINT64 endpoint)
{
    FWP_ACTION_TYPE decision = FWP_ACTION_PERMIT;
    KLOCK_QUEUE_HANDLE lockHandle;

    KeAcquireInStackQueuedSpinLock(&gConnListLock, &lockHandle);
    for (PLIST_ENTRY entry = gConnList.Flink; entry != &gConnList; entry = entry->Flink) {
        PPENDED_CONNECT conn = CONTAINING_RECORD(entry, PENDED_CONNECT, ListEntry);

        if (conn->EndpointHandle == endpoint)
            decision = conn->AuthDecision != 0 ? conn->AuthDecision : FWP_ACTION_BLOCK;
    }
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    return decision;
}

static BOOLEAN PendConnect(const FWPS_INCOMING_VALUES0 *inFixedValues,
                           const FWPS_INCOMING_METADATA_VALUES0 *inMetaValues)
{
    PPENDED_CONNECT conn = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(PENDED_CONNECT), INSPECT_TAG);
    KLOCK_QUEUE_HANDLE lockHandle;
    BOOLEAN signal, unloading;

    if (conn == NULL)
        return FALSE;
    conn->EndpointHandle = inMetaValues->transportEndpointHandle;
    conn->RemoteAddress = inFixedValues->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS].value.uint32;
    conn->RemotePort = inFixedValues->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value.uint16;
    KeAcquireInStackQueuedSpinLock(&gConnListLock, &lockHandle);
    unloading = BUG != 2 && gDriverUnloading;
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    if (unloading || !NT_SUCCESS(FwpsPendOperation0(inMetaValues->completionHandle, &conn->CompletionContext))) {
        ExFreePoolWithTag(conn, INSPECT_TAG);
        return FALSE;
    }
    KeAcquireInStackQueuedSpinLock(&gConnListLock, &lockHandle);
    signal = IsListEmpty(&gConnList);
    InsertTailList(&gConnList, &conn->ListEntry);
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    (void)signal;
    KeSetEvent(&gWorkerEvent, 0, FALSE);
    return TRUE;
}

static void NTAPI ConnectClassify(_In_ const FWPS_INCOMING_VALUES0 *inFixedValues,
                                  _In_ const FWPS_INCOMING_METADATA_VALUES0 *inMetaValues, _Inout_opt_ void *layerData,
                                  _In_opt_ const void *classifyContext, _In_ const FWPS_FILTER3 *filter,
                                  _In_ UINT64 flowContext, _Inout_ FWPS_CLASSIFY_OUT0 *classifyOut)
{
    UINT32 flags = inFixedValues->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;

    UNREFERENCED_PARAMETER(layerData);
    UNREFERENCED_PARAMETER(classifyContext);
    UNREFERENCED_PARAMETER(filter);
    UNREFERENCED_PARAMETER(flowContext);
    if ((classifyOut->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
        classifyOut->actionType = FindDecision(inMetaValues->transportEndpointHandle);
        if (classifyOut->actionType == FWP_ACTION_BLOCK)
            classifyOut->rights &= ~FWPS_RIGHT_ACTION_WRITE;
        return;
    }
    classifyOut->actionType = FWP_ACTION_BLOCK;
    classifyOut->rights &= ~FWPS_RIGHT_ACTION_WRITE;
    if (FWPS_IS_METADATA_FIELD_PRESENT(inMetaValues, FWPS_METADATA_FIELD_COMPLETION_HANDLE) &&
        PendConnect(inFixedValues, inMetaValues))
        classifyOut->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
}

static NTSTATUS NTAPI ConnectNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE notifyType, _In_ const GUID *filterKey,
                                    _Inout_ FWPS_FILTER3 *filter)
{
    UNREFERENCED_PARAMETER(notifyType);
    UNREFERENCED_PARAMETER(filterKey);
    UNREFERENCED_PARAMETER(filter);
    return STATUS_SUCCESS;
}

/* Decides the first that is undecided; FALSE: there was none. */
static BOOLEAN DecideOne(void)
{
    PPENDED_CONNECT conn = NULL;
    FWP_ACTION_TYPE decision = FWP_ACTION_BLOCK;
    KLOCK_QUEUE_HANDLE lockHandle;
    HANDLE context;

    KeAcquireInStackQueuedSpinLock(&gConnListLock, &lockHandle);
    for (PLIST_ENTRY entry = gConnList.Flink; entry != &gConnList && conn == NULL; entry = entry->Flink) {
        conn = CONTAINING_RECORD(entry, PENDED_CONNECT, ListEntry);
        if (conn->AuthDecision != 0 || conn->CompletionContext == NULL)
            conn = NULL;
    }
    if (conn == NULL) {
        KeReleaseInStackQueuedSpinLock(&lockHandle);
        return FALSE;
    }
    decision = conn->RemotePort == 25 ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT;
    context = conn->CompletionContext;
    conn->CompletionContext = NULL;
    if (BUG != 3)
        conn->AuthDecision = decision;
#if BUG == 1
    FwpsCompleteOperation0(context, NULL); /* HERE */
    KeReleaseInStackQueuedSpinLock(&lockHandle);
#else
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    FwpsCompleteOperation0(context, NULL);
#endif
    if (BUG == 3)
        conn->AuthDecision = decision;
    return TRUE;
}

static void NTAPI InspectWorker(_In_ void *StartContext)
{
    BOOLEAN last;

    UNREFERENCED_PARAMETER(StartContext);
    do {
        KeWaitForSingleObject(&gWorkerEvent, Executive, KernelMode, FALSE, NULL);
        last = gDriverUnloading; /* looked at before the list: nothing comes behind it */
        while (DecideOne())
            ;
#if BUG == 4
        last = gDriverUnloading;
#endif
    } while (!last);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS StartWorker(void)
{
    HANDLE threadHandle;
    NTSTATUS status = PsCreateSystemThread(&threadHandle, THREAD_ALL_ACCESS, NULL, NULL, NULL, InspectWorker, NULL);

    if (!NT_SUCCESS(status))
        return status;
    status = ObReferenceObjectByHandle(threadHandle, 0, NULL, KernelMode, &gThreadObj, NULL);
    NT_ASSERT(NT_SUCCESS(status));
    ZwClose(threadHandle);
    return status;
}

static NTSTATUS RegisterCallouts(void)
{
    FWPM_SESSION0 session = {0};
    FWPM_SUBLAYER0 subLayer = {0};
    FWPS_CALLOUT3 sCallout = {0};
    FWPM_CALLOUT0 mCallout = {0};
    FWPM_FILTER0 filter = {0};
    BOOLEAN inTransaction = FALSE;
    NTSTATUS status;

    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &gEngineHandle);
    if (!NT_SUCCESS(status))
        goto Exit;
    status = FwpmTransactionBegin0(gEngineHandle, 0);
    if (!NT_SUCCESS(status))
        goto Exit;
    inTransaction = TRUE;
    subLayer.subLayerKey = INSPECT_SUBLAYER;
    subLayer.displayData.name = (wchar_t *)L"Inspect Sub-Layer";
    subLayer.weight = 0;
    status = FwpmSubLayerAdd0(gEngineHandle, &subLayer, NULL);
    if (!NT_SUCCESS(status))
        goto Exit;
    sCallout.calloutKey = INSPECT_CALLOUT;
    sCallout.classifyFn = ConnectClassify;
    sCallout.notifyFn = ConnectNotify;
    status = FwpsCalloutRegister3(gDeviceObject, &sCallout, &gCalloutId);
    if (!NT_SUCCESS(status))
        goto Exit;
    mCallout.calloutKey = INSPECT_CALLOUT;
    mCallout.displayData.name = (wchar_t *)L"Inspect Callout";
    mCallout.applicableLayer = FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    status = FwpmCalloutAdd0(gEngineHandle, &mCallout, NULL, NULL);
    if (!NT_SUCCESS(status))
        goto Exit;
    filter.layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    filter.displayData.name = (wchar_t *)L"Inspect Filter";
    filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = INSPECT_CALLOUT;
    filter.subLayerKey = INSPECT_SUBLAYER;
    filter.weight.type = FWP_EMPTY;
    status = FwpmFilterAdd0(gEngineHandle, &filter, NULL, NULL);
    if (!NT_SUCCESS(status))
        goto Exit;
    status = FwpmTransactionCommit0(gEngineHandle);
    if (NT_SUCCESS(status))
        inTransaction = FALSE;

Exit:
    if (!NT_SUCCESS(status)) {
        if (inTransaction)
            FwpmTransactionAbort0(gEngineHandle);
        if (gEngineHandle != NULL)
            FwpmEngineClose0(gEngineHandle);
        gEngineHandle = NULL;
    }
    return status;
}

static void UnregisterCallouts(void)
{
    LARGE_INTEGER moment = {.QuadPart = -10000}; /* 1 ms */

    if (gEngineHandle != NULL)
        FwpmEngineClose0(gEngineHandle);
    gEngineHandle = NULL;
    while (gCalloutId != 0 && FwpsCalloutUnregisterById0(gCalloutId) == STATUS_DEVICE_BUSY)
        KeDelayExecutionThread(KernelMode, FALSE, &moment);
    gCalloutId = 0;
}

static void StopWorker(void)
{
    KLOCK_QUEUE_HANDLE lockHandle;

    KeAcquireInStackQueuedSpinLock(&gConnListLock, &lockHandle);
    gDriverUnloading = TRUE;
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    if (gThreadObj == NULL)
        return;
    KeSetEvent(&gWorkerEvent, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(gThreadObj, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(gThreadObj);
    gThreadObj = NULL;
}

static VOID NTAPI Unload(_In_ PDRIVER_OBJECT driverObject)
{
    UNREFERENCED_PARAMETER(driverObject);
#if BUG == 2
    StopWorker();
    UnregisterCallouts();
#else
    UnregisterCallouts(); /* nobody comes any more: the thread has the rest */
    StopWorker();
#endif
    while (!IsListEmpty(&gConnList))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&gConnList), PENDED_CONNECT, ListEntry), INSPECT_TAG);
    IoDeleteDevice(gDeviceObject);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(_In_ PDRIVER_OBJECT driverObject, _In_ PUNICODE_STRING registryPath)
{
    NTSTATUS status;

    UNREFERENCED_PARAMETER(registryPath);
    InitializeListHead(&gConnList);
    KeInitializeSpinLock(&gConnListLock);
    KeInitializeEvent(&gWorkerEvent, SynchronizationEvent, FALSE);
    status = IoCreateDevice(driverObject, 0, NULL, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, FALSE, &gDeviceObject);
    if (!NT_SUCCESS(status))
        return status;
    driverObject->DriverUnload = Unload;
    status = StartWorker();
    if (NT_SUCCESS(status))
        status = RegisterCallouts();
    if (!NT_SUCCESS(status)) {
        UnregisterCallouts();
        StopWorker();
        IoDeleteDevice(gDeviceObject);
    }
    return status;
}
