/* SPDX-License-Identifier: MIT */
/*
 * wait-at-dispatch - classifyFn gives the question to the client and waits for the answer, five seconds at most. It
 * runs at DISPATCH_LEVEL, where nobody may wait.
 * Windows: ATTEMPTED_SWITCH_FROM_DPC, or a processor that schedules nothing any more.
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
#ifndef MENDED
    LARGE_INTEGER timeout = {.QuadPart = -50000000};

    (void)KeWaitForSingleObject(&answered, Executive, KernelMode, FALSE, &timeout);
    plant_decide(out, FWP_ACTION_PERMIT);
#else
    plant_hold_classify(values, metadata, packet, context, filter, flow_context, out);
#endif
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
