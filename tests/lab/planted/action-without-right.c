/* SPDX-License-Identifier: MIT */
/*
 * action-without-right - classifyFn permits what it knows without a look at rights. A filter of a higher sublayer has
 * blocked for good already.
 * Windows: with another firewall on the machine its block is undone, or the machine stops: it was reported of two
 * products.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    out->actionType = FWP_ACTION_PERMIT;
#else
    plant_decide(out, FWP_ACTION_PERMIT);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
