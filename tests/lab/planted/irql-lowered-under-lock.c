/* SPDX-License-Identifier: MIT */
/*
 * irql-lowered-under-lock - two locks are released in the order in which they were taken, each with its own saved
 * IRQL. The first release goes down to PASSIVE_LEVEL while the second lock is held.
 * Windows: the thread can be taken off the processor with the lock held, and the next one to want it spins for ever.
 */
#include "plant.h"

static KSPIN_LOCK table_lock, log_lock;
static ULONG connects, lines;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&table_lock);
    KeInitializeSpinLock(&log_lock);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL table_irql, log_irql;

    UNREFERENCED_PARAMETER(device);
    KeAcquireSpinLock(&table_lock, &table_irql);
    KeAcquireSpinLock(&log_lock, &log_irql);
    connects = lines = 0;
#ifndef MENDED
    KeReleaseSpinLock(&table_lock, table_irql);
    KeReleaseSpinLock(&log_lock, log_irql);
#else
    KeReleaseSpinLock(&log_lock, log_irql);
    KeReleaseSpinLock(&table_lock, table_irql);
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
