/* SPDX-License-Identifier: MIT */
/*
 * not-initialized - the timer that ends a pause is initialized when the client is there for the first time. A connect
 * that comes before it sets the timer all the same.
 * Windows: a timer list that goes through zeros: a bug check at the next clock tick.
 */
#include "plant.h"

static KTIMER timer;
static KDPC dpc;

static VOID NTAPI pause_over(PKDPC self, PVOID context, PVOID argument1, PVOID argument2)
{
}

static void prepare(void)
{
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, pause_over, NULL);
}

static NTSTATUS start(void)
{
#ifdef MENDED
    prepare();
#endif
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    prepare();
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

PLANT_CLASSIFY(classify)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};

    KeSetTimer(&timer, second, &dpc);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void stop(void)
{
    KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start,
                                         .stop = stop,
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
