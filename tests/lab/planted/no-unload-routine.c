/* SPDX-License-Identifier: MIT */
/*
 * no-unload-routine - DriverEntry does not set DriverUnload. Everything else is there.
 * Windows: the service can be started and never stopped; each new build of the driver needs a restart of the machine.
 */
#include "plant.h"

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status;

    UNREFERENCED_PARAMETER(path);
    plant.hooks = &hooks;
#ifdef MENDED
    driver->DriverUnload = plant_unload;
#endif
    status = plant_device_make(driver);
    if (NT_SUCCESS(status))
        status = plant_callouts_start();
    if (!NT_SUCCESS(status))
        plant_stop();
    return status;
}
