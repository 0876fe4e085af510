/* SPDX-License-Identifier: MIT */
/*
 * left-device - unload deletes the symbolic link and forgets the device. The driver object stays as long as its
 * device.
 * Windows: the file stays loaded, and the next start fails with STATUS_OBJECT_NAME_COLLISION.
 */
#include "plant.h"

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    plant_session_close();
    plant_unregister();
    IoDeleteSymbolicLink(&plant_link_name);
#ifdef MENDED
    IoDeleteDevice(plant.device);
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
