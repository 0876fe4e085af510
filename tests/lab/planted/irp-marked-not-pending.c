/* SPDX-License-Identifier: MIT */
/*
 * irp-marked-not-pending - the dispatch routine marks the request as pending first, as one has to, and then finds the
 * answer at once and returns success.
 * Windows: the I/O manager completes it twice over: once inline and once by an APC, which writes to a buffer that is
 * gone.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    IoMarkIrpPending(irp);
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
