/* SPDX-License-Identifier: MIT */
/*
 * irp-completed-cancelable - a waiting request is taken out and completed with its cancel routine still set. Whoever
 * cancels it in that moment completes it too.
 * Windows: nothing, until a program ends at the wrong time: MULTIPLE_IRP_COMPLETE_REQUESTS.
 */
#include "plant_park.h"

static PIRP take(void)
{
#ifndef MENDED
    PIRP irp;
    KIRQL irql;

    KeAcquireSpinLock(&plant_park.lock, &irql);
    irp = plant_park.irp;
    plant_park.irp = NULL;
    KeReleaseSpinLock(&plant_park.lock, irql);
    return irp;
#else
    return plant_park_take();
#endif
}

static NTSTATUS give(PIRP waiting)
{
    if (waiting == NULL)
        return STATUS_NOT_FOUND;
    (void)plant_complete(waiting, STATUS_SUCCESS, 0);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    if (plant_code(irp) == PLANT_CODE(0))
        return plant_park_request(irp);
    return plant_complete(irp, give(take()), 0);
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
