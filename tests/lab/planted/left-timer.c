/* SPDX-License-Identifier: MIT */
/*
 * left-timer - a timer that checks once a second is started in DriverEntry, and unload does not cancel it.
 * Windows: bug check DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS, within the second.
 */
#include "plant.h"

static KTIMER timer;
static KDPC dpc;

static VOID NTAPI tick(PKDPC self, PVOID context, PVOID argument1, PVOID argument2)
{
}

static NTSTATUS start(void)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};

    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, tick, NULL);
    KeSetTimerEx(&timer, second, 1000, &dpc);
    return STATUS_SUCCESS;
}

static void stop(void)
{
#ifdef MENDED
    KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
