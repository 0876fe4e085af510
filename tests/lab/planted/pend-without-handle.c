/* SPDX-License-Identifier: MIT */
/*
 * pend-without-handle - classifyFn keeps the completion handle of the last connect, in the belief that it is the
 * callout's, and pends a later connect with it.
 * Windows: no check is made of the handle: it is a pointer into a classify that has ended.
 */
#include "plant.h"

static HANDLE first_handle;
static HANDLE held[4];
static ULONG count;

PLANT_CLASSIFY(classify)
{
    HANDLE operation = NULL;

    if (plant_reauthorized(values) || !plant_may_pend(metadata, out)) {
        plant_decide(out, FWP_ACTION_PERMIT);
        return;
    }
#ifndef MENDED
    if (first_handle == NULL)
        first_handle = metadata->completionHandle;
#else
    first_handle = metadata->completionHandle;
#endif
    if (!NT_SUCCESS(FwpsPendOperation0(first_handle, &operation))) {
        plant_decide(out, FWP_ACTION_PERMIT);
        return;
    }
    plant_absorb(out);
    held[count++] = operation;
}

static void drain(void)
{
    while (count > 0)
        FwpsCompleteOperation0(held[--count], NULL);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .drain = drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
