/* SPDX-License-Identifier: MIT */
/*
 * classify-out-touched - classifyFn clears the whole of FWPS_CLASSIFY_OUT0 before it fills it in, and writes the
 * filter's id into it. Three of its members are the engine's.
 * Windows: the audit names a wrong filter, and rights are lost that somebody below needs.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    RtlZeroMemory(out, sizeof(*out));
    out->filterId = filter->filterId;
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
