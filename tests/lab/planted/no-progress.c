/* SPDX-License-Identifier: MIT */
/*
 * no-progress - unload calls FwpsCalloutUnregisterById0 until it is no longer busy, and does not remove the flow
 * contexts that keep it busy. STATUS_DEVICE_BUSY means: remove them and call again.
 * Windows: the service stays in STOP_PENDING and one processor is fully used, until the machine is switched off.
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
    plant_session_close();
#ifdef MENDED
    if (flow != 0)
        (void)FwpsFlowRemoveContext0(flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, plant.ids[0]);
#endif
    while (FwpsCalloutUnregisterById0(plant.ids[0]) == STATUS_DEVICE_BUSY)
        ;
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

    driver->DriverUnload = unload;
    return status;
}
