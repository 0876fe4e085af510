/* SPDX-License-Identifier: MIT */
/*
 * operation-unknown - the metadata's completion handle is kept and completed, instead of the completion context that
 * FwpsPendOperation0 gave. Both are HANDLEs, and their names differ by one word.
 * Windows: a pointer to the wrong structure: bug check in tcpip.sys, at the first answer.
 */
#include "plant.h"

static HANDLE handle;
static HANDLE held;

PLANT_CLASSIFY(classify)
{
    if (plant_reauthorized(values) || !plant_may_pend(metadata, out) || held != NULL ||
        !NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &held))) {
        plant_decide(out, FWP_ACTION_PERMIT);
        return;
    }
    handle = metadata->completionHandle;
    plant_absorb(out);
}

static void drain(void)
{
    HANDLE operation = held;

    held = NULL;
    if (operation == NULL)
        return;
#ifndef MENDED
    FwpsCompleteOperation0(handle, NULL);
#else
    UNREFERENCED_PARAMETER(handle);
    FwpsCompleteOperation0(operation, NULL);
#endif
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    drain();
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .drain = drain, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
