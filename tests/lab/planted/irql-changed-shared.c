/* SPDX-License-Identifier: MIT */
/*
 * irql-changed-shared - one variable keeps the old IRQL of two locks that are held together, so the second acquire
 * overwrites what the first one saved. classifyFn's caller at PASSIVE_LEVEL gets it back at DISPATCH_LEVEL.
 * Windows: the next thing that waits in the stack stops the machine, far from here.
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
    KIRQL irql;

    KeAcquireSpinLock(&table_lock, &irql);
    connects++;
#ifndef MENDED
    KeAcquireSpinLock(&log_lock, &irql);
    lines++;
    KeReleaseSpinLock(&log_lock, irql);
#else
    KeAcquireSpinLockAtDpcLevel(&log_lock);
    lines++;
    KeReleaseSpinLockFromDpcLevel(&log_lock);
#endif
    KeReleaseSpinLock(&table_lock, irql);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
