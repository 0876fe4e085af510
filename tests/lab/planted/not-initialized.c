/* SPDX-License-Identifier: MIT */
/*
 * not-initialized - the timer that ends a pause is cancelled in unload, and initialized only when there is a first
 * pause.
 * Windows: KeCancelTimer goes through a list head of zeros: an access violation at unload, if nobody ever paused.
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
    LARGE_INTEGER second = {.QuadPart = -10000000};

    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    prepare();
#endif
    KeSetTimer(&timer, second, &dpc);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static void stop(void)
{
    KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .stop = stop,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
