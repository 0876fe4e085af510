/* SPDX-License-Identifier: MIT */
/*
 * irp-status-mismatch - the request is completed with the error, and the dispatch routine returns success, because its
 * last line does so for every request.
 * Windows: the caller of IoCallDriver believes the return, the program the status: one of them goes on with nothing.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    if (plant_input(irp) < sizeof(UINT32)) {
#ifndef MENDED
        (void)plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
        return STATUS_SUCCESS;
#else
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
#endif
    }
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
