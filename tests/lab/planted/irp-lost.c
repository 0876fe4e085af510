/* SPDX-License-Identifier: MIT */
/*
 * irp-lost - one routine is set for all major functions, and it parks whatever comes until there is something to read.
 * IRP_MJ_CLEANUP comes as well, and waits for a reader that has gone.
 * Windows: CloseHandle does not return; the process stays as a zombie that cannot be ended.
 */
#include "plant_park.h"

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return plant_park_request(irp);
}

#ifndef MENDED
#define CLEANUP dispatch
#else
#define CLEANUP plant_park_cleanup
#endif

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = plant_park_start,
    .control = dispatch,
    .cleanup = CLEANUP,
    .drain = plant_park_drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
