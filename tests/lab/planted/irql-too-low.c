/* SPDX-License-Identifier: MIT */
/*
 * irql-too-low - code that was written for a DPC takes the lock with the AtDpcLevel routines, and is then called from
 * a dispatch routine too. They do not raise the IRQL.
 * Windows: the thread may be taken off the processor while it holds the lock, and whoever spins for it at
 * DISPATCH_LEVEL on that processor spins for ever.
 */
#include "plant.h"

static KSPIN_LOCK lock;
static ULONG connects;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

PLANT_CLASSIFY(classify)
{
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    connects++;
    KeReleaseSpinLock(&lock, irql);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    KeAcquireSpinLockAtDpcLevel(&lock);
    connects = 0;
    KeReleaseSpinLockFromDpcLevel(&lock);
#else
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    connects = 0;
    KeReleaseSpinLock(&lock, irql);
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .control = control, .start = start};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
