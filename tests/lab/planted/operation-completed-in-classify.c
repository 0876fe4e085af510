/* SPDX-License-Identifier: MIT */
/*
 * operation-completed-in-classify - classifyFn pends, finds that it knows the answer already, and completes the
 * operation before it returns. The completion can only be put off until classifyFn is over.
 * Windows: it works, and each such connect is classified twice for nothing.
 */
#include "plant.h"

static FWP_ACTION_TYPE known = FWP_ACTION_PERMIT;

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    HANDLE operation;

    if (!plant_reauthorized(values) && plant_may_pend(metadata, out) &&
        NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &operation))) {
        plant_absorb(out);
        FwpsCompleteOperation0(operation, NULL);
        return;
    }
#endif
    plant_decide(out, known);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
