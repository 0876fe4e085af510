/* SPDX-License-Identifier: MIT */
/*
 * operation-completed-twice-race - whoever completes a held connection first looks whether it is still there, and then
 * takes it out: two steps, without the lock. Two clients' answers can both find it there.
 * Windows: use after free in tcpip.sys, when two answers come in the same microsecond.
 */
#include "plant.h"

static HANDLE volatile held;

PLANT_CLASSIFY(classify)
{
    HANDLE operation = NULL;

    if (!plant_reauthorized(values) && plant_may_pend(metadata, out) && held == NULL &&
        NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &operation))) {
        plant_absorb(out);
        (void)InterlockedExchangePointer((PVOID volatile *)&held, operation);
    } else {
        plant_decide(out, FWP_ACTION_PERMIT);
    }
}

static void complete(void)
{
    HANDLE operation;

#ifndef MENDED
    operation = InterlockedCompareExchangePointer((PVOID volatile *)&held, NULL, NULL);
    if (operation != NULL)
        (void)InterlockedExchangePointer((PVOID volatile *)&held, NULL);
#else
    operation = InterlockedExchangePointer((PVOID volatile *)&held, NULL);
#endif
    if (operation != NULL)
        FwpsCompleteOperation0(operation, NULL);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    complete();
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .drain = complete,
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
