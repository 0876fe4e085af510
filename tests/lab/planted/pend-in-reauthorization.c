/* SPDX-License-Identifier: MIT */
/*
 * pend-in-reauthorization - classifyFn never asks whether this is a reauthorization: it pends again after the
 * completion, gets STATUS_FWP_CANNOT_PEND and absorbs all the same, as if it were held. Nobody will ask about this
 * connection again.
 * Windows: every connection that the user permits is dropped without a trace.
 */
#include "plant_hold.h"

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE)) {
        HANDLE operation = NULL;

        (void)FwpsPendOperation0(metadata->completionHandle, &operation);
        if (operation != NULL)
            plant_hold_fill(operation);
        plant_absorb(out);
    }
#else
    plant_hold_classify(values, metadata, packet, context, filter, flow_context, out);
#endif
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = plant_hold_start,
                                         .drain = plant_hold_drain,
                                         .control = plant_hold_control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
