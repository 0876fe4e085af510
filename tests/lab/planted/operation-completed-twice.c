/* SPDX-License-Identifier: MIT */
/*
 * operation-completed-twice - the deadline of a held connection and the user's answer both complete it: neither takes
 * it out of the table, and the answer does not stop the timer. The two come seconds apart.
 * Windows: FwpsCompleteOperation0 checks nothing: use after free in tcpip.sys.
 */
#include "plant_hold.h"

static KTIMER timer;
static KDPC dpc;

/* Gives the operation to whoever is to complete it. */
static HANDLE claim(FWP_ACTION_TYPE verdict)
{
#ifndef MENDED
    plant_hold.verdict = verdict;
    return plant_hold.context;
#else
    return plant_hold_claim(verdict);
#endif
}

static VOID NTAPI deadline(PKDPC self, PVOID context, PVOID argument1, PVOID argument2)
{
    HANDLE operation = claim(FWP_ACTION_BLOCK);

    if (operation != NULL)
        FwpsCompleteOperation0(operation, NULL);
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
    LARGE_INTEGER second = {.QuadPart = -10000000};

    if (!plant_reauthorized(values))
        KeSetTimer(&timer, second, &dpc);
    plant_hold_classify(values, metadata, packet, context, filter, flow_context, out);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    HANDLE operation = claim(FWP_ACTION_PERMIT);

    UNREFERENCED_PARAMETER(device);
    if (operation == NULL)
        return plant_complete(irp, STATUS_NOT_FOUND, 0);
    FwpsCompleteOperation0(operation, NULL);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start,
                                         .drain = plant_hold_drain,
                                         .stop = stop,
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
