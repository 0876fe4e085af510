/* SPDX-License-Identifier: MIT */
/*
 * plant.h - what every planted driver needs and no bug is about: device, callouts, filters, unload.
 *
 * Each file RULE-ID[-variant].c here is one small callout driver with one mistake that people really make, under
 * #ifndef MENDED; with -DMENDED it is the same driver without it. Its scenario (RULE-ID[-variant].scenario) brings the
 * mistake out. tests/lab/planted_test.py runs both. What is here follows the pages to the letter: the device first,
 * callouts in a dynamic session and one transaction, everything undone in the opposite order, also half-way.
 *
 * How a driver uses it: DriverEntry hands its hooks to plant_start. Its start hook comes before anything can call it;
 * unload calls drain (end what is held), takes filters and callouts away, then calls stop (undo start). A driver whose
 * mistake is in unload sets DriverUnload itself, from the same pieces. Its client opens \\.\Planted and sends
 * PLANT_CODE(0) = 0x222000, PLANT_CODE(1) = 0x222004 ...
 *
 * WDK names only. PLANT_NUMBER tells two planted drivers apart that run at one time. When you add a planted driver: its
 * scenario and its row in list.txt.
 */
#ifndef PLANT_H
#define PLANT_H

#include <initguid.h>

#include <ntddk.h>

#include <fwpsk.h>

#include <fwpmk.h>

#define PLANT_TAG          'tnlP'
#define PLANT_CODE(number) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (number), METHOD_BUFFERED, FILE_ANY_ACCESS)

#ifndef PLANT_NUMBER
#define PLANT_NUMBER 0
#define PLANT_DEVICE L"Planted"
#endif
#ifndef PLANT_WEIGHT
#define PLANT_WEIGHT 0x100 /* of the sublayer: below FWPM_SUBLAYER_UNIVERSAL */
#endif

#define PLANT_CALLOUTS         2u
#define PLANT_UNREGISTER_TRIES 200

/* The head of a classifyFn, as FWPS_CALLOUT_CLASSIFY_FN3 wants it. */
#define PLANT_CLASSIFY(name)                                                                                           \
    static inline void NTAPI name(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata, \
                                  void *packet, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,  \
                                  FWPS_CLASSIFY_OUT0 *out)

struct plant_callout {
    const GUID *layer; /* NULL: this callout is not used */
    FWPS_CALLOUT_CLASSIFY_FN3 classify;
    FWPS_CALLOUT_NOTIFY_FN3 notify; /* NULL: nothing to say */
    FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 flow_delete;
    FWP_ACTION_TYPE action; /* 0: FWP_ACTION_CALLOUT_TERMINATING */
};

struct plant_hooks {
    struct plant_callout callouts[PLANT_CALLOUTS];
    PDRIVER_DISPATCH control; /* NULL: plant_done */
    PDRIVER_DISPATCH cleanup; /* NULL: plant_done */
    NTSTATUS (*start)(void);  /* NULL: nothing; when it fails it has undone its own part */
    void (*drain)(void);
    void (*stop)(void);
    BOOLEAN static_objects; /* the session is not dynamic: what it adds stays until it is deleted */
};

static struct plant {
    const struct plant_hooks *hooks;
    PDEVICE_OBJECT device;
    HANDLE engine;
    UINT32 ids[PLANT_CALLOUTS];
    BOOLEAN linked;
    BOOLEAN started;
} plant;

static UNICODE_STRING plant_device_name = RTL_CONSTANT_STRING(L"\\Device\\" PLANT_DEVICE);
static UNICODE_STRING plant_link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\" PLANT_DEVICE);
static const GUID plant_sublayer_key = {
    0x9d1c0e0fu + 16u * PLANT_NUMBER, 0x52b7, 0x4f0a, {0x8e, 0x21, 1, 2, 3, 4, 5, 6}};

static inline GUID plant_callout_key(ULONG number)
{
    GUID key = plant_sublayer_key;

    key.Data1 = 0x9d1c0e00u + 16u * PLANT_NUMBER + number;
    return key;
}

/* --- Requests ------------------------------------------------------------------------------------- */

static inline ULONG plant_code(PIRP irp)
{
    return IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode;
}

static inline ULONG plant_input(PIRP irp)
{
    return IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.InputBufferLength;
}

static inline ULONG plant_output(PIRP irp)
{
    return IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
}

static inline NTSTATUS plant_complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static inline NTSTATUS NTAPI plant_done(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

/* --- Classify ------------------------------------------------------------------------------------- */

/* At the two connect layers. */
static inline BOOLEAN plant_reauthorized(const FWPS_INCOMING_VALUES0 *values)
{
    const FWP_VALUE0 *flags = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value;

    return flags->type == FWP_UINT32 && (flags->uint32 & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0;
}

/* PERMIT or BLOCK, where the callout has the right; a block is final. */
static inline void plant_decide(FWPS_CLASSIFY_OUT0 *out, FWP_ACTION_TYPE action)
{
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    out->actionType = action;
    if (action == FWP_ACTION_BLOCK)
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

/* What classifyFn has to return after FwpsPendOperation0. */
static inline void plant_absorb(FWPS_CLASSIFY_OUT0 *out)
{
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static inline BOOLEAN plant_may_pend(const FWPS_INCOMING_METADATA_VALUES0 *metadata, const FWPS_CLASSIFY_OUT0 *out)
{
    return (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0 &&
           FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE);
}

static inline UINT64 plant_endpoint(const FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    return FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE)
               ? metadata->transportEndpointHandle
               : 0;
}

/* A classifyFn that permits. */
PLANT_CLASSIFY(plant_permit)
{
    (void)values, (void)metadata, (void)packet, (void)context, (void)filter, (void)flow_context;
    plant_decide(out, FWP_ACTION_PERMIT);
}

static inline NTSTATUS NTAPI plant_notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    (void)type, (void)key, (void)filter;
    return STATUS_SUCCESS;
}

/* --- Device --------------------------------------------------------------------------------------- */

static inline NTSTATUS plant_device_make(PDRIVER_OBJECT driver)
{
    NTSTATUS status = IoCreateDevice(driver, 0, &plant_device_name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                                     &plant.device);

    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&plant_link_name, &plant_device_name);
    plant.linked = NT_SUCCESS(status);
    return status;
}

static inline void plant_device_delete(void)
{
    if (plant.linked)
        IoDeleteSymbolicLink(&plant_link_name);
    if (plant.device != NULL)
        IoDeleteDevice(plant.device);
    plant.linked = FALSE;
    plant.device = NULL;
}

/* --- Callouts and filters ------------------------------------------------------------------------- */

static inline NTSTATUS plant_register(ULONG number)
{
    const struct plant_callout *row = &plant.hooks->callouts[number];
    FWPS_CALLOUT3 callout = {0};

    callout.calloutKey = plant_callout_key(number);
    callout.classifyFn = row->classify;
    callout.notifyFn = row->notify != NULL ? row->notify : plant_notify;
    callout.flowDeleteFn = row->flow_delete;
    return FwpsCalloutRegister3(plant.device, &callout, &plant.ids[number]);
}

static inline void plant_unregister(void)
{
    LARGE_INTEGER wait = {.QuadPart = -100000};

    for (ULONG i = 0; i < PLANT_CALLOUTS; i++) {
        for (int tries = 0; plant.ids[i] != 0 && tries < PLANT_UNREGISTER_TRIES; tries++) {
            if (FwpsCalloutUnregisterById0(plant.ids[i]) != STATUS_DEVICE_BUSY)
                break;
            KeDelayExecutionThread(KernelMode, FALSE, &wait);
        }
        plant.ids[i] = 0;
    }
}

static inline NTSTATUS plant_sublayer_add(void)
{
    FWPM_SUBLAYER0 sublayer = {0};

    sublayer.subLayerKey = plant_sublayer_key;
    sublayer.displayData.name = (wchar_t *)L"Planted";
    sublayer.weight = PLANT_WEIGHT;
    return FwpmSubLayerAdd0(plant.engine, &sublayer, NULL);
}

/* id may be NULL. */
static inline NTSTATUS plant_filter_add(ULONG number, UINT64 *id)
{
    const struct plant_callout *row = &plant.hooks->callouts[number];
    FWPM_FILTER0 filter = {0};

    filter.displayData.name = (wchar_t *)L"Planted";
    filter.layerKey = *row->layer;
    filter.subLayerKey = plant_sublayer_key;
    filter.weight.type = FWP_EMPTY;
    filter.action.type = row->action != 0 ? row->action : FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = plant_callout_key(number);
    return FwpmFilterAdd0(plant.engine, &filter, NULL, id);
}

static inline NTSTATUS plant_callout_add(ULONG number)
{
    FWPM_CALLOUT0 callout = {0};

    callout.calloutKey = plant_callout_key(number);
    callout.displayData.name = (wchar_t *)L"Planted";
    callout.applicableLayer = *plant.hooks->callouts[number].layer;
    return FwpmCalloutAdd0(plant.engine, &callout, NULL, NULL);
}

static inline NTSTATUS plant_session_open(void)
{
    FWPM_SESSION0 session = {0};

    session.displayData.name = (wchar_t *)L"Planted";
    session.flags = plant.hooks->static_objects ? 0 : FWPM_SESSION_FLAG_DYNAMIC;
    return FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &plant.engine);
}

/* A dynamic session's objects go with it. */
static inline void plant_session_close(void)
{
    if (plant.engine != NULL)
        (void)FwpmEngineClose0(plant.engine);
    plant.engine = NULL;
}

static inline NTSTATUS plant_objects_add(void)
{
    NTSTATUS status = FwpmTransactionBegin0(plant.engine, 0);

    if (!NT_SUCCESS(status))
        return status;
    status = plant_sublayer_add();
    for (ULONG i = 0; i < PLANT_CALLOUTS && NT_SUCCESS(status); i++) {
        if (plant.hooks->callouts[i].layer == NULL)
            continue;
        status = plant_callout_add(i);
        if (NT_SUCCESS(status))
            status = plant_filter_add(i, NULL);
    }
    if (NT_SUCCESS(status))
        status = FwpmTransactionCommit0(plant.engine);
    else
        (void)FwpmTransactionAbort0(plant.engine);
    return status;
}

static inline NTSTATUS plant_callouts_start(void)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (ULONG i = 0; i < PLANT_CALLOUTS && NT_SUCCESS(status); i++)
        if (plant.hooks->callouts[i].layer != NULL)
            status = plant_register(i);
    if (NT_SUCCESS(status))
        status = plant_session_open();
    if (NT_SUCCESS(status))
        status = plant_objects_add();
    return status;
}

/* --- Load and unload ------------------------------------------------------------------------------ */

static inline void plant_stop(void)
{
    if (plant.started && plant.hooks->drain != NULL)
        plant.hooks->drain();
    plant_session_close();
    plant_unregister();
    if (plant.started && plant.hooks->stop != NULL)
        plant.hooks->stop();
    plant.started = FALSE;
    plant_device_delete();
}

static inline VOID NTAPI plant_unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    plant_stop();
}

/* hooks live as long as the driver. What fails leaves nothing behind. */
static inline NTSTATUS plant_start(PDRIVER_OBJECT driver, const struct plant_hooks *hooks)
{
    NTSTATUS status;

    plant.hooks = hooks;
    driver->DriverUnload = plant_unload;
    driver->MajorFunction[IRP_MJ_CREATE] = plant_done;
    driver->MajorFunction[IRP_MJ_CLOSE] = plant_done;
    driver->MajorFunction[IRP_MJ_CLEANUP] = hooks->cleanup != NULL ? hooks->cleanup : plant_done;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = hooks->control != NULL ? hooks->control : plant_done;
    status = plant_device_make(driver);
    if (NT_SUCCESS(status) && hooks->start != NULL)
        status = hooks->start();
    plant.started = NT_SUCCESS(status);
    if (NT_SUCCESS(status))
        status = plant_callouts_start();
    if (!NT_SUCCESS(status))
        plant_stop();
    return status;
}

#endif
