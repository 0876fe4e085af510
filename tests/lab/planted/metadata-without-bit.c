/* SPDX-License-Identifier: MIT */
/*
 * metadata-without-bit - a context is put on the flow at the connect layer, with the flow handle of the metadata, and
 * without a look at its bit. The flow has no handle before it is authorized.
 * Windows: STATUS_INVALID_PARAMETER, or the context lands on the flow whose handle was there before.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
#ifdef MENDED
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_FLOW_HANDLE))
#endif
        (void)FwpsFlowAssociateContext0(metadata->flowHandle, values->layerId, plant.ids[0], 1);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void NTAPI flow_deleted(UINT16 layer, UINT32 callout, UINT64 context)
{
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify, .flow_delete = flow_deleted}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
