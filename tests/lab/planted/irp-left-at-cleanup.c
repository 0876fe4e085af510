/* SPDX-License-Identifier: MIT */
/*
 * irp-left-at-cleanup - a request waits in the driver with a good cancel routine, and the driver has no cleanup
 * routine that ends what waits for the file. It relies on the I/O manager's cancel, which comes for the thread that
 * sent it only.
 * Windows: with a handle that two processes have, the request outlives its file: the device cannot be closed.
 */
#include "plant_park.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return plant_park_request(irp);
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
    .drain = plant_park_drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
