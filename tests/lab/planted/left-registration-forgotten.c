/* SPDX-License-Identifier: MIT */
/*
 * left-registration-forgotten - unload closes the session, which takes filters and callout away, and forgets that the
 * callout is registered as well. The engine keeps three addresses in the driver.
 * Windows: whoever adds a filter with this callout's key next calls memory that is no longer there.
 */
#include "plant.h"

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    plant_session_close();
#ifdef MENDED
    plant_unregister();
#endif
    plant_device_delete();
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
