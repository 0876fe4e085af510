/* SPDX-License-Identifier: MIT */
/*
 * flowctx.c - counts flows by a context each: associated at FLOW_ESTABLISHED, freed by flowDeleteFn, all taken back at
 * unload, which waits for the last. A program reads the counters.
 *
 * BUG 1: flowDeleteFn frees the context while it is still in the list. BUG 2: a context that could not be associated is
 * not freed. BUG 3: FwpsFlowRemoveContext0 under the lock that flowDeleteFn takes. BUG 4: paged pool. BUG 5: a context
 * that is in the list but not associated yet when unload takes them back stays, and unload waits for ever.
 */
#include <initguid.h>

#include <ntddk.h>

#include <wdmsec.h>

#include <fwpsk.h>

#include <fwpmk.h>

#ifndef BUG
#define BUG 0
#endif
#define FLOW_TAG            'wolF'
#define IOCTL_FLOW_COUNTERS CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_READ_ACCESS)

DEFINE_GUID(FLOW_CALLOUT, 0x2b6e405b, 0x19f4, 0x4ff3, 0xb5, 0x01, 0x1a, 0x3d, 0xc0, 0x1a, 0xae, 0x01);

typedef struct _FLOW_DATA {
    LIST_ENTRY listEntry;
    UINT64 flowHandle;
    UINT64 processId;
    UINT32 calloutId;
    UINT16 layerId;
    BOOLEAN deleting;
    PWCHAR processPath;
} FLOW_DATA;

typedef struct _FLOW_COUNTERS {
    ULONG established, ended, now, pad;
} FLOW_COUNTERS;

static PDEVICE_OBJECT deviceObject;
static HANDLE engineHandle;
static UINT32 calloutId;
static LIST_ENTRY flowContextList;
static KSPIN_LOCK flowContextListLock;
static KEVENT allGone; /* set while the list is empty */
static BOOLEAN driverUnloading;
static FLOW_COUNTERS counters;

static void FreeFlow(FLOW_DATA *flow)
{
    if (flow->processPath != NULL)
        ExFreePoolWithTag(flow->processPath, FLOW_TAG);
    ExFreePoolWithTag(flow, FLOW_TAG);
}

static FLOW_DATA *CreateFlow(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    FLOW_DATA *flow = ExAllocatePool2(BUG == 4 ? POOL_FLAG_PAGED : POOL_FLAG_NON_PAGED, sizeof(FLOW_DATA), FLOW_TAG);

    if (flow == NULL)
        return NULL;
    flow->flowHandle = metadata->flowHandle;
    flow->layerId = values->layerId;
    flow->calloutId = calloutId;
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_ID))
        flow->processId = metadata->processId;
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_PATH)) {
        flow->processPath = ExAllocatePool2(POOL_FLAG_NON_PAGED, metadata->processPath->size, FLOW_TAG);
        if (flow->processPath == NULL) {
            FreeFlow(flow);
            return NULL;
        }
        memcpy(flow->processPath, metadata->processPath->data, metadata->processPath->size);
    }
    return flow;
}

static void NTAPI FlowEstablishedClassify(_In_ const FWPS_INCOMING_VALUES0 *inFixedValues,
                                          _In_ const FWPS_INCOMING_METADATA_VALUES0 *inMetaValues,
                                          _Inout_opt_ void *layerData, _In_opt_ const void *classifyContext,
                                          _In_ const FWPS_FILTER3 *filter, _In_ UINT64 flowContext,
                                          _Inout_ FWPS_CLASSIFY_OUT0 *classifyOut)
{
    KLOCK_QUEUE_HANDLE lockHandle;
    FLOW_DATA *flow;
    NTSTATUS status = STATUS_SHUTDOWN_IN_PROGRESS;
    BOOLEAN unloading;

    UNREFERENCED_PARAMETER(layerData);
    UNREFERENCED_PARAMETER(classifyContext);
    UNREFERENCED_PARAMETER(filter);
    UNREFERENCED_PARAMETER(flowContext);
    if ((classifyOut->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        classifyOut->actionType = FWP_ACTION_CONTINUE;
    flow = CreateFlow(inFixedValues, inMetaValues);
    if (flow == NULL)
        return;
    /* In the list before it is associated: the flow may end at once. */
    KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
    if (!driverUnloading) {
        InsertTailList(&flowContextList, &flow->listEntry);
        KeClearEvent(&allGone);
        status = STATUS_SUCCESS;
    }
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    if (NT_SUCCESS(status)) {
        status = FwpsFlowAssociateContext0(flow->flowHandle, flow->layerId, flow->calloutId, (UINT64)(ULONG_PTR)flow);
        if (!NT_SUCCESS(status)) {
            KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
            RemoveEntryList(&flow->listEntry);
            if (IsListEmpty(&flowContextList))
                KeSetEvent(&allGone, 0, FALSE);
            KeReleaseInStackQueuedSpinLock(&lockHandle);
        } else {
            InterlockedIncrement((LONG *)&counters.established);
            /* An unload that came between the list and the association found no context to remove. */
            KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
            unloading = driverUnloading;
            KeReleaseInStackQueuedSpinLock(&lockHandle);
            if (unloading && BUG != 5)
                (void)FwpsFlowRemoveContext0(inMetaValues->flowHandle, inFixedValues->layerId, calloutId);
        }
    }
    if (!NT_SUCCESS(status) && BUG != 2)
        FreeFlow(flow);
}

static void NTAPI FlowDelete(_In_ UINT16 layerId, _In_ UINT32 callout, _In_ UINT64 flowContext)
{
    FLOW_DATA *flow = (FLOW_DATA *)(ULONG_PTR)flowContext;
    KLOCK_QUEUE_HANDLE lockHandle;

    UNREFERENCED_PARAMETER(layerId);
    UNREFERENCED_PARAMETER(callout);
    KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
#if BUG != 1
    RemoveEntryList(&flow->listEntry);
#endif
    FreeFlow(flow);
    counters.ended++;
    if (IsListEmpty(&flowContextList))
        KeSetEvent(&allGone, 0, FALSE);
    KeReleaseInStackQueuedSpinLock(&lockHandle);
}

static NTSTATUS NTAPI FlowNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE notifyType, _In_ const GUID *filterKey,
                                 _Inout_ FWPS_FILTER3 *filter)
{
    UNREFERENCED_PARAMETER(notifyType);
    UNREFERENCED_PARAMETER(filterKey);
    UNREFERENCED_PARAMETER(filter);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI DispatchControl(_In_ PDEVICE_OBJECT device, _Inout_ PIRP irp)
{
    PIO_STACK_LOCATION irpSp = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = STATUS_SUCCESS;
    ULONG_PTR information = 0;
    KLOCK_QUEUE_HANDLE lockHandle;

    UNREFERENCED_PARAMETER(device);
    if (irpSp->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        if (irpSp->Parameters.DeviceIoControl.IoControlCode != IOCTL_FLOW_COUNTERS) {
            status = STATUS_INVALID_DEVICE_REQUEST;
        } else if (irpSp->Parameters.DeviceIoControl.OutputBufferLength < sizeof(FLOW_COUNTERS)) {
            status = STATUS_BUFFER_TOO_SMALL;
        } else {
            FLOW_COUNTERS *out = irp->AssociatedIrp.SystemBuffer;

            KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
            *out = counters;
            out->now = 0;
            for (PLIST_ENTRY entry = flowContextList.Flink; entry != &flowContextList; entry = entry->Flink)
                out->now++;
            KeReleaseInStackQueuedSpinLock(&lockHandle);
            information = sizeof(*out);
        }
    }
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* FlowDelete runs within FwpsFlowRemoveContext0, so each is marked under the lock and removed without it. */
static void RemoveFlows(void)
{
    KLOCK_QUEUE_HANDLE lockHandle;

    KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
    driverUnloading = TRUE;
    for (PLIST_ENTRY entry = flowContextList.Flink; entry != &flowContextList;) {
        FLOW_DATA *flow = CONTAINING_RECORD(entry, FLOW_DATA, listEntry);
        UINT64 handle = flow->flowHandle;
        UINT16 layer = flow->layerId;

        entry = entry->Flink;
        if (flow->deleting)
            continue;
        flow->deleting = TRUE;
#if BUG != 3
        KeReleaseInStackQueuedSpinLock(&lockHandle);
#endif
        (void)FwpsFlowRemoveContext0(handle, layer, calloutId);
#if BUG != 3
        KeAcquireInStackQueuedSpinLock(&flowContextListLock, &lockHandle);
#endif
        entry = flowContextList.Flink; /* it may have changed */
    }
    KeReleaseInStackQueuedSpinLock(&lockHandle);
    KeWaitForSingleObject(&allGone, Executive, KernelMode, FALSE, NULL);
}

static void Stop(void)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\FlowCount");
    LARGE_INTEGER moment = {.QuadPart = -10000};

    if (engineHandle != NULL)
        FwpmEngineClose0(engineHandle);
    RemoveFlows();
    while (calloutId != 0 && FwpsCalloutUnregisterById0(calloutId) == STATUS_DEVICE_BUSY)
        KeDelayExecutionThread(KernelMode, FALSE, &moment);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(deviceObject);
}

static VOID NTAPI Unload(_In_ PDRIVER_OBJECT driverObject)
{
    UNREFERENCED_PARAMETER(driverObject);
    Stop();
}

static NTSTATUS Register(void)
{
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPS_CALLOUT3 sCallout = {FLOW_CALLOUT, 0, FlowEstablishedClassify, FlowNotify, FlowDelete};
    FWPM_CALLOUT0 mCallout = {.calloutKey = FLOW_CALLOUT,
                              .displayData = {.name = (wchar_t *)L"Flows"},
                              .applicableLayer = FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4};
    FWPM_FILTER0 filter = {.displayData = {.name = (wchar_t *)L"Flows"},
                           .layerKey = FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4,
                           .action = {.type = FWP_ACTION_CALLOUT_INSPECTION, .calloutKey = FLOW_CALLOUT}};
    NTSTATUS status = FwpsCalloutRegister3(deviceObject, &sCallout, &calloutId);

    if (NT_SUCCESS(status))
        status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engineHandle);
    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engineHandle, &mCallout, NULL, NULL);
    if (NT_SUCCESS(status))
        status = FwpmFilterAdd0(engineHandle, &filter, NULL, NULL);
    return status;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(_In_ PDRIVER_OBJECT driverObject, _In_ PUNICODE_STRING registryPath)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\FlowCount");
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\FlowCount");
    const UNICODE_STRING access = RTL_CONSTANT_STRING(L"D:P(A;;GA;;;SY)(A;;GA;;;BA)");
    NTSTATUS status;

    UNREFERENCED_PARAMETER(registryPath);
    InitializeListHead(&flowContextList);
    KeInitializeSpinLock(&flowContextListLock);
    KeInitializeEvent(&allGone, NotificationEvent, TRUE);
    status = IoCreateDeviceSecure(driverObject, 0, &name, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, FALSE, &access,
                                  NULL, &deviceObject);
    if (!NT_SUCCESS(status))
        return status;
    driverObject->DriverUnload = Unload;
    for (ULONG major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++)
        driverObject->MajorFunction[major] = DispatchControl;
    status = IoCreateSymbolicLink(&link, &name);
    if (NT_SUCCESS(status))
        status = Register();
    if (!NT_SUCCESS(status))
        Stop();
    return status;
}
