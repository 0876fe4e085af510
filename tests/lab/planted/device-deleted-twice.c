/* SPDX-License-Identifier: MIT */
/*
 * device-deleted-twice - the routine that gives everything back is called by unload, which has deleted the device
 * already, and does not set the pointer to NULL.
 * Windows: the device is freed memory by then: a bug check in the I/O manager.
 */
#include "plant.h"

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = plant.device;

    UNREFERENCED_PARAMETER(driver);
    plant_stop();
#ifndef MENDED
    IoDeleteDevice(device);
#else
    UNREFERENCED_PARAMETER(device);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status = plant_start(driver, &hooks);

    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    return status;
}
