/* SPDX-License-Identifier: MIT */
/*
 * left-flow-context - a context is put on each flow, and unload unregisters the callout without taking them back.
 * FwpsCalloutUnregisterById0 gives STATUS_DEVICE_BUSY, which nobody looks at.
 * Windows: flowDeleteFn is called in a driver that is gone, when the flow ends.
 */
#include "plant.h"

static UINT64 flow;

PLANT_CLASSIFY(flow_established)
{
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_FLOW_HANDLE) &&
        NT_SUCCESS(FwpsFlowAssociateContext0(metadata->flowHandle, values->layerId, plant.ids[0], 1)))
        flow = metadata->flowHandle;
}

static void NTAPI flow_deleted(UINT16 layer, UINT32 callout, UINT64 context)
{
    flow = 0;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    plant_session_close();
#ifdef MENDED
    if (flow != 0)
        (void)FwpsFlowRemoveContext0(flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, plant.ids[0]);
    plant_unregister();
#else
    (void)FwpsCalloutUnregisterById0(plant.ids[0]);
#endif
    plant_device_delete();
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4,
                                                       .classify = flow_established,
                                                       .flow_delete = flow_deleted,
                                                       .action = FWP_ACTION_CALLOUT_INSPECTION}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status = plant_start(driver, &hooks);

    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    return status;
}
