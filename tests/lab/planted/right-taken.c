/* SPDX-License-Identifier: MIT */
/*
 * right-taken - classifyFn has no right to decide, and sets it, so that its own block holds.
 * Windows: undefined; the engine's arbitration no longer says what the administrator sees.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    out->rights |= FWPS_RIGHT_ACTION_WRITE;
    out->actionType = FWP_ACTION_BLOCK;
#else
    plant_decide(out, FWP_ACTION_BLOCK);
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
