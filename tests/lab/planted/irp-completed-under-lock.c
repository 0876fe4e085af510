/* SPDX-License-Identifier: MIT */
/*
 * irp-completed-under-lock - a request is completed inside the locked part, because its answer is there. Completion
 * runs other people's code, which may come back for the same lock.
 * Windows: a processor that spins for ever, as soon as a filter driver is above the device.
 */
#include "plant.h"

static KSPIN_LOCK lock;
static ULONG connects;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    KeAcquireSpinLock(&lock, &irql);
    connects = 0;
#ifndef MENDED
    (void)plant_complete(irp, STATUS_SUCCESS, 0);
    KeReleaseSpinLock(&lock, irql);
#else
    KeReleaseSpinLock(&lock, irql);
    (void)plant_complete(irp, STATUS_SUCCESS, 0);
#endif
    return STATUS_SUCCESS;
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .control = control,
    .start = start};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
