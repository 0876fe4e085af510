/* SPDX-License-Identifier: MIT */
/*
 * left-work-item - a work item is allocated in DriverEntry, to be ready when it is needed, and unload does not free
 * it.
 * Windows: its reference to the device stays: the device and the driver are never gone.
 */
#include "plant.h"

static PIO_WORKITEM item;

static NTSTATUS start(void)
{
    item = IoAllocateWorkItem(plant.device);
    return item != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static void stop(void)
{
#ifdef MENDED
    IoFreeWorkItem(item);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
