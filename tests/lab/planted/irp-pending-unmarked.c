/* SPDX-License-Identifier: MIT */
/*
 * irp-pending-unmarked - a request is kept for later and STATUS_PENDING is returned, without IoMarkIrpPending.
 * Windows: the program's event is never set when the request is completed later: it waits for ever.
 */
#include "plant_park.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    PIRP waiting;

    UNREFERENCED_PARAMETER(device);
    if (plant_code(irp) == PLANT_CODE(0)) {
#ifndef MENDED
        plant_park.irp = irp;
        return STATUS_PENDING;
#else
        return plant_park_request(irp);
#endif
    }
#ifndef MENDED
    waiting = plant_park.irp;
    plant_park.irp = NULL;
#else
    waiting = plant_park_take();
#endif
    if (waiting != NULL)
        (void)plant_complete(waiting, STATUS_SUCCESS, 0);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = plant_park_start,
    .control = control,
    .cleanup = plant_park_cleanup,
    .drain = plant_park_drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
