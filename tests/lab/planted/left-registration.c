/* SPDX-License-Identifier: MIT */
/*
 * left-registration - DriverEntry registers its callout, then a filter cannot be added, and the error path closes the
 * session and deletes the device: the registration is forgotten.
 * Windows: the driver is not loaded, and the engine knows a classifyFn in it.
 */
#include "plant.h"

static UINT64 filter_id;

static NTSTATUS add_objects(void)
{
    NTSTATUS status = plant_register(0);

    if (NT_SUCCESS(status))
        status = plant_session_open();
    if (NT_SUCCESS(status))
        status = plant_sublayer_add();
    if (NT_SUCCESS(status))
        status = plant_callout_add(0);
    return NT_SUCCESS(status) ? plant_filter_add(0, &filter_id) : status;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    plant_session_close();
    plant_unregister();
    plant_device_delete();
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .static_objects = FALSE};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status;

    UNREFERENCED_PARAMETER(path);
    plant.hooks = &hooks;
    driver->DriverUnload = unload;
    status = plant_device_make(driver);
    if (NT_SUCCESS(status))
        status = add_objects();
    if (!NT_SUCCESS(status)) {
#ifndef MENDED
        plant_session_close();
        plant_device_delete();
#else
        unload(driver);
#endif
    }
    return status;
}
