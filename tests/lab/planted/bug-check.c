/* SPDX-License-Identifier: MIT */
/*
 * bug-check - a client sends a code that the driver does not know, and the default of the switch stops the machine,
 * because that cannot happen.
 * Windows: any program that can open the device can stop the machine.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    switch (plant_code(irp)) {
    case PLANT_CODE(0):
        return plant_complete(irp, STATUS_SUCCESS, 0);
    default:
#ifndef MENDED
        KeBugCheckEx(0xe2, plant_code(irp), 0, 0, 0);
#else
        return plant_complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
#endif
    }
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
