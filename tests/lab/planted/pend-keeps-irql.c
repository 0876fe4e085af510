/* SPDX-License-Identifier: MIT */
/*
 * pend-keeps-irql - the forum's driver: it pends the operation and then asks user mode from the same classifyFn, in
 * the belief that a pended classify runs at PASSIVE_LEVEL. FwpsPendOperation0 changes nothing about the thread that
 * called it.
 * Windows: INVALID_PROCESS_ATTACH_ATTEMPT or IRQL_NOT_LESS_OR_EQUAL, at the first question.
 */
#include "plant_hold.h"

static KEVENT answered;

static NTSTATUS start(void)
{
    KeInitializeEvent(&answered, NotificationEvent, FALSE);
    return plant_hold_start();
}

PLANT_CLASSIFY(classify)
{
    if (plant_reauthorized(values)) {
        plant_hold_reauthorize(metadata, out);
    } else if (plant_hold_pend(metadata, out)) {
#ifndef MENDED
        LARGE_INTEGER timeout = {.QuadPart = -50000000};

        (void)KeWaitForSingleObject(&answered, UserRequest, KernelMode, FALSE, &timeout);
#endif
        plant_absorb(out);
    } else {
        plant_decide(out, FWP_ACTION_PERMIT);
    }
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start,
                                         .drain = plant_hold_drain,
                                         .control = plant_hold_control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
