/* SPDX-License-Identifier: MIT */
/*
 * lock-left - classifyFn leaves early when it does not know the program, in the middle of the locked part, and the
 * return forgets the lock.
 * Windows: the connection passes, and the next classifyFn on any processor spins for ever.
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
    const FWP_VALUE0 *app = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID].value;
    KIRQL irql;

    plant_decide(out, FWP_ACTION_PERMIT);
    KeAcquireSpinLock(&lock, &irql);
#ifndef MENDED
    if (app->type == FWP_EMPTY)
        return;
    connects++;
#else
    if (app->type != FWP_EMPTY)
        connects++;
#endif
    KeReleaseSpinLock(&lock, irql);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .start = start};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
