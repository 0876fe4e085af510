/* SPDX-License-Identifier: MIT */
/*
 * lock-recursion - classifyFn holds the lock of its table and calls a routine that takes it again. Each of the two is
 * right alone.
 * Windows: the processor spins for ever: DPC_WATCHDOG_VIOLATION.
 */
#include "plant.h"

static KSPIN_LOCK lock;
static ULONG connects;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

static void count_connect(void)
{
#ifndef MENDED
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    connects++;
    KeReleaseSpinLock(&lock, irql);
#else
    connects++; /* the caller holds the lock */
#endif
}

PLANT_CLASSIFY(classify)
{
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    count_connect();
    KeReleaseSpinLock(&lock, irql);
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
