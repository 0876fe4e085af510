/* SPDX-License-Identifier: MIT */
/*
 * irp-not-completed - the dispatch routine checks the length of a request and returns the error; what it does not do
 * is to complete the request.
 * Windows: the program hangs in DeviceIoControl and cannot be killed.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    if (plant_input(irp) < sizeof(UINT32))
#ifndef MENDED
        return STATUS_INVALID_PARAMETER;
#else
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
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
