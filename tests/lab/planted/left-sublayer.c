/* SPDX-License-Identifier: MIT */
/*
 * left-sublayer - the session is not dynamic, and unload deletes filter and callout, but not the sublayer they were
 * in.
 * Windows: it stays until the Base Filtering Engine ends; the next start gets FWP_E_ALREADY_EXISTS.
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
    (void)FwpmFilterDeleteById0(plant.engine, filter_id);
    (void)FwpmCalloutDeleteById0(plant.engine, plant.ids[0]);
#ifdef MENDED
    (void)FwpmSubLayerDeleteByKey0(plant.engine, &plant_sublayer_key);
#endif
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
