/* SPDX-License-Identifier: MIT */
/*
 * pend-under-lock - the operation is pended with the table's lock held, so that nobody sees an entry without its
 * completion context. The engine takes its own locks in there.
 * Windows: a lock order between the driver and the TCP/IP stack that nobody knows of, and some day a deadlock.
 */
#include "plant.h"

static KSPIN_LOCK lock;
static HANDLE held;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

/* A place that is taken but not filled yet. */
#define PENDING ((HANDLE)(ULONG_PTR)1)

static BOOLEAN pend(HANDLE handle)
{
    HANDLE operation = NULL;
    NTSTATUS status = STATUS_DEVICE_BUSY;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
#ifndef MENDED
    if (held == NULL)
        status = FwpsPendOperation0(handle, &operation);
    if (NT_SUCCESS(status))
        held = operation;
#else
    if (held == NULL) {
        held = PENDING;
        KeReleaseSpinLock(&lock, irql);
        status = FwpsPendOperation0(handle, &operation);
        KeAcquireSpinLock(&lock, &irql);
        held = NT_SUCCESS(status) ? operation : NULL;
    }
#endif
    KeReleaseSpinLock(&lock, irql);
    return NT_SUCCESS(status);
}

PLANT_CLASSIFY(classify)
{
    if (!plant_reauthorized(values) && plant_may_pend(metadata, out) && pend(metadata->completionHandle))
        plant_absorb(out);
    else
        plant_decide(out, FWP_ACTION_PERMIT);
}

static void drain(void)
{
    HANDLE operation;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    operation = held;
    held = NULL;
    KeReleaseSpinLock(&lock, irql);
    if (operation != NULL)
        FwpsCompleteOperation0(operation, NULL);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    drain();
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start,
                                         .drain = drain,
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
