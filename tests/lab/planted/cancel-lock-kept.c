/* SPDX-License-Identifier: MIT */
/*
 * cancel-lock-kept - the cancel routine completes its request and does not release the system's cancel spin lock,
 * which it is called with.
 * Windows: the next cancel anywhere in the machine spins for ever.
 */
#include "plant.h"

static PIRP waiting;
static KSPIN_LOCK lock;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

static VOID NTAPI cancel(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
#ifdef MENDED
    IoReleaseCancelSpinLock(irp->CancelIrql);
#endif
    KeAcquireSpinLock(&lock, &irql);
    waiting = NULL;
    KeReleaseSpinLock(&lock, irql);
    (void)plant_complete(irp, STATUS_CANCELLED, 0);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    BOOLEAN cancelled = FALSE;
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    IoMarkIrpPending(irp);
    KeAcquireSpinLock(&lock, &irql);
    waiting = irp;
    (void)IoSetCancelRoutine(irp, cancel);
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
        waiting = NULL;
        cancelled = TRUE;
    }
    KeReleaseSpinLock(&lock, irql);
    if (cancelled)
        (void)plant_complete(irp, STATUS_CANCELLED, 0);
    return STATUS_PENDING;
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
