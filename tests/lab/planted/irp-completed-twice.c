/* SPDX-License-Identifier: MIT */
/*
 * irp-completed-twice - the routine that checks a request completes it when it is bad, and so does the one that called
 * it, with the status it got.
 * Windows: bug check MULTIPLE_IRP_COMPLETE_REQUESTS (0x44).
 */
#include "plant.h"

static NTSTATUS check(PIRP irp)
{
    if (plant_input(irp) >= sizeof(UINT64))
        return STATUS_SUCCESS;
#ifndef MENDED
    return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
#else
    return STATUS_INVALID_PARAMETER;
#endif
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    NTSTATUS status = check(irp);

    UNREFERENCED_PARAMETER(device);
    return plant_complete(irp, status, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
