/* SPDX-License-Identifier: MIT */
/*
 * left-filter - the session is not dynamic, and unload deletes what it added, except the filter. Its callout can then
 * not be deleted either: it is in use.
 * Windows: a terminating filter without a callout blocks every connect until the Base Filtering Engine is restarted.
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

static void delete_objects(void)
{
#ifdef MENDED
    (void)FwpmFilterDeleteById0(plant.engine, filter_id);
#endif
    (void)FwpmCalloutDeleteById0(plant.engine, plant.ids[0]);
    (void)FwpmSubLayerDeleteByKey0(plant.engine, &plant_sublayer_key);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    delete_objects();
    plant_session_close();
    plant_unregister();
    plant_device_delete();
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .static_objects = TRUE};

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
    if (!NT_SUCCESS(status))
        unload(driver);
    return status;
}
