/* SPDX-License-Identifier: MIT */
/*
 * values-after-classify - classifyFn keeps the pointer to the program's path, and a request of the client reads it
 * later. The values live until classifyFn returns.
 * Windows: the client is shown another program's path, or the machine stops.
 */
#include "plant.h"

#define PATH_MOST 512u

#ifndef MENDED
static const UINT8 *kept;
#else
static UINT8 kept[PATH_MOST];
#endif
static ULONG kept_size;

PLANT_CLASSIFY(classify)
{
    const FWP_VALUE0 *app = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID].value;

    if (app->type == FWP_BYTE_BLOB_TYPE && app->byteBlob->size <= PATH_MOST) {
#ifndef MENDED
        kept = app->byteBlob->data;
#else
        RtlCopyMemory(kept, app->byteBlob->data, app->byteBlob->size);
#endif
        kept_size = app->byteBlob->size;
    }
    plant_decide(out, FWP_ACTION_PERMIT);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = kept_size;

    UNREFERENCED_PARAMETER(device);
    if (size == 0 || plant_output(irp) < size)
        return plant_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, kept, size);
    return plant_complete(irp, STATUS_SUCCESS, size);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
