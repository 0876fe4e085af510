/* SPDX-License-Identifier: MIT */
/*
 * lock-kind - classifyFn was changed to the in-stack queued form of the lock, which scales better, and the client's
 * request was forgotten. The two forms do not exclude each other.
 * Windows: both run the locked part at one time, or one spins for ever.
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
    KLOCK_QUEUE_HANDLE handle;

    KeAcquireInStackQueuedSpinLock(&lock, &handle);
    connects++;
    KeReleaseInStackQueuedSpinLock(&handle);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
#ifndef MENDED
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    connects = 0;
    KeReleaseSpinLock(&lock, irql);
#else
    KLOCK_QUEUE_HANDLE handle;

    KeAcquireInStackQueuedSpinLock(&lock, &handle);
    connects = 0;
    KeReleaseInStackQueuedSpinLock(&handle);
#endif
    UNREFERENCED_PARAMETER(device);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .start = start, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
