/* SPDX-License-Identifier: MIT */
/*
 * pend-outside-classify - classifyFn queues the connection with its completion handle, and a worker decides later
 * whether it has to be pended. The handle is worth something inside classifyFn only.
 * Windows: the connect has ended long ago; the handle is a pointer to freed memory.
 */
#include "plant_hold.h"

static HANDLE operation;

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    if (plant_may_pend(metadata, out))
        operation = metadata->completionHandle;
    plant_decide(out, FWP_ACTION_PERMIT);
#else
    plant_hold_classify(values, metadata, packet, context, filter, flow_context, out);
#endif
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
#ifndef MENDED
    HANDLE pended;

    UNREFERENCED_PARAMETER(device);
    return plant_complete(irp, FwpsPendOperation0(operation, &pended), 0);
#else
    UNREFERENCED_PARAMETER(operation);
    return plant_hold_control(device, irp);
#endif
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = plant_hold_start,
                                         .drain = plant_hold_drain,
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
