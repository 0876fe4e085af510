/* SPDX-License-Identifier: MIT */
/*
 * left-link-late - DriverEntry fails after the link was made, and its error path deletes the device only. The start is
 * refused, but not undone.
 * Windows: the second start fails for another reason than the first: STATUS_OBJECT_NAME_COLLISION.
 */
#include "plant.h"

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}};

static PVOID table;

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    plant_stop();
    ExFreePoolWithTag(table, PLANT_TAG);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    plant.hooks = &hooks;
    driver->DriverUnload = unload;
    if (!NT_SUCCESS(plant_device_make(driver))) {
        plant_device_delete();
        return STATUS_UNSUCCESSFUL;
    }
    table = ExAllocatePool2(POOL_FLAG_NON_PAGED, 4096, PLANT_TAG);
    if (table == NULL) {
#ifndef MENDED
        IoDeleteDevice(plant.device);
#else
        plant_device_delete();
#endif
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (!NT_SUCCESS(plant_callouts_start())) {
        unload(driver);
        return STATUS_UNSUCCESSFUL;
    }
    return STATUS_SUCCESS;
}
