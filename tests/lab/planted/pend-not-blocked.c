/* SPDX-License-Identifier: MIT */
/*
 * pend-not-blocked - classifyFn pends the operation and permits it meanwhile, as the forum's driver did: the answer
 * will be given later.
 * Windows: the connection goes through at once, and the completion later finds an endpoint that is past it.
 */
#include "plant_hold.h"

PLANT_CLASSIFY(classify)
{
    if (plant_reauthorized(values)) {
        plant_hold_reauthorize(metadata, out);
    } else if (plant_hold_pend(metadata, out)) {
#ifndef MENDED
        out->actionType = FWP_ACTION_PERMIT;
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
#else
        plant_absorb(out);
#endif
    } else {
        plant_decide(out, FWP_ACTION_PERMIT);
    }
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
