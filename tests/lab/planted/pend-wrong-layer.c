/* SPDX-License-Identifier: MIT */
/*
 * pend-wrong-layer - the callout sits at the flow established layer, to see finished connects only, and pends there.
 * That layer authorizes nothing, and nothing there can be pended.
 * Windows: STATUS_FWP_NULL_POINTER, or a completion handle that is another field's leftover.
 */
#include "plant.h"

PLANT_CLASSIFY(flow_established)
{
#ifndef MENDED
    HANDLE operation;

    if (NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &operation)))
        plant_absorb(out);
#endif
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4,
                                                       .classify = flow_established,
                                                       .action = FWP_ACTION_CALLOUT_INSPECTION}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
