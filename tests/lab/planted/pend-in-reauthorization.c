/* SPDX-License-Identifier: MIT */
/*
 * pend-in-reauthorization - classifyFn never asks whether this is a reauthorization: after the completion it is called
 * again, and wants to pend again. FwpsPendOperation0 gives STATUS_FWP_CANNOT_PEND, which is taken for an error: block.
 * Windows: every connection that was permitted by the user is blocked all the same.
 */
#include "plant_hold.h"

PLANT_CLASSIFY(classify)
{
#ifdef MENDED
    if (plant_reauthorized(values)) {
        plant_hold_reauthorize(metadata, out);
        return;
    }
#endif
    if (plant_may_pend(metadata, out) && plant_hold_pend(metadata, out))
        plant_absorb(out);
    else
        plant_decide(out, FWP_ACTION_BLOCK);
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
