/* SPDX-License-Identifier: MIT */
/*
 * irp-left-at-cleanup-forgotten - a request waits in the driver without a cancel routine, and the driver has no
 * cleanup routine that looks for it when its file is closed.
 * Windows: the process stays as a zombie that cannot be ended, and the driver can never be stopped.
 */
#include "plant_park.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    IoMarkIrpPending(irp);
    plant_park.irp = irp;
    return STATUS_PENDING;
#else
    return plant_park_request(irp);
#endif
}

static void drain(void)
{
#ifndef MENDED
    if (plant_park.irp != NULL)
        (void)plant_complete(plant_park.irp, STATUS_CANCELLED, 0);
    plant_park.irp = NULL;
#else
    plant_park_drain();
#endif
}

#ifndef MENDED
#define CLEANUP plant_done
#else
#define CLEANUP plant_park_cleanup
#endif

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = plant_park_start,
    .control = control,
    .cleanup = CLEANUP,
    .drain = drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
