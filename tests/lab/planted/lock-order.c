/* SPDX-License-Identifier: MIT */
/*
 * lock-order - classifyFn takes the table's lock and then the log's; the client's request takes the log's first. On
 * two processors at a time each waits for the other.
 * Windows: both processors hang, once in a week; Driver Verifier calls it DRIVER_VERIFIER_DETECTED_VIOLATION 0x1001.
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

PLANT_CLASSIFY(classify)
{
    KIRQL table_irql, log_irql;

    KeAcquireSpinLock(&table_lock, &table_irql);
    connects++;
    KeAcquireSpinLock(&log_lock, &log_irql);
    lines++;
    KeReleaseSpinLock(&log_lock, log_irql);
    KeReleaseSpinLock(&table_lock, table_irql);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void forget(PKSPIN_LOCK outer, PKSPIN_LOCK inner)
{
    KIRQL outer_irql, inner_irql;

    KeAcquireSpinLock(outer, &outer_irql);
    KeAcquireSpinLock(inner, &inner_irql);
    connects = lines = 0;
    KeReleaseSpinLock(inner, inner_irql);
    KeReleaseSpinLock(outer, outer_irql);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    forget(&log_lock, &table_lock);
#else
    forget(&table_lock, &log_lock);
#endif
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
