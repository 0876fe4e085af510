/* SPDX-License-Identifier: MIT */
/*
 * lock-not-held - the error path jumps to the label that releases the lock, from before where it is taken.
 * Windows: a queued waiter or nobody loses its lock: two processors in the locked part at one time, and a list that is
 * broken much later.
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
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    if (plant_input(irp) < sizeof(ULONG))
        goto out;
    KeAcquireSpinLockAtDpcLevel(&lock);
    connects = *(ULONG *)irp->AssociatedIrp.SystemBuffer;
    status = STATUS_SUCCESS;
#ifndef MENDED
out:
    KeReleaseSpinLockFromDpcLevel(&lock);
#else
    KeReleaseSpinLockFromDpcLevel(&lock);
out:
#endif
    KeLowerIrql(irql);
    return plant_complete(irp, status, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
