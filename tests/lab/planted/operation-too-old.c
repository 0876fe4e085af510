/* SPDX-License-Identifier: MIT */
/*
 * operation-too-old - a held connection waits for the user's answer without a deadline. Nobody is at the machine.
 * Windows: the program waits in connect() for ever, and with it whatever waits for the program.
 */
#include "plant_hold.h"

static KTIMER timer;
static KDPC dpc;

static VOID NTAPI deadline(PKDPC self, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)plant_hold_answer(FWP_ACTION_BLOCK);
}

static NTSTATUS start(void)
{
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, deadline, NULL);
    return plant_hold_start();
}

static void stop(void)
{
    KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
}

PLANT_CLASSIFY(classify)
{
#ifdef MENDED
    LARGE_INTEGER minute = {.QuadPart = -600000000};
#endif

    plant_hold_classify(values, metadata, packet, context, filter, flow_context, out);
#ifdef MENDED
    if (!plant_reauthorized(values))
        KeSetTimer(&timer, minute, &dpc);
#endif
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start,
                                         .drain = plant_hold_drain,
                                         .control = plant_hold_control,
                                         .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
