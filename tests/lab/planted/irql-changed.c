/* SPDX-License-Identifier: MIT */
/*
 * irql-changed - a lock taken with KeAcquireSpinLock is released with KeReleaseSpinLockFromDpcLevel, which leaves the
 * IRQL as it is. The dispatch routine returns to the I/O manager at DISPATCH_LEVEL.
 * Windows: IRQL_GT_ZERO_AT_SYSTEM_SERVICE when the client's call returns.
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
    KeReleaseSpinLockFromDpcLevel(&lock);
#else
    KeReleaseSpinLock(&lock, irql);
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
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
