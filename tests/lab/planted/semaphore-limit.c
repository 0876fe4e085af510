/* SPDX-License-Identifier: MIT */
/*
 * semaphore-limit - the article's queue counts its waiting connections with a semaphore of a small limit, and
 * classifyFn releases it for each. Nobody reads for a while, and the limit is reached.
 * Windows: KeReleaseSemaphore raises STATUS_SEMAPHORE_LIMIT_EXCEEDED, at DISPATCH_LEVEL, where nobody catches it.
 */
#include "plant.h"

#define QUEUE_ROOM 2

static KSEMAPHORE queued;
static KSPIN_LOCK lock;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    KeInitializeSemaphore(&queued, 0, QUEUE_ROOM);
    return STATUS_SUCCESS;
}

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    KeReleaseSemaphore(&queued, IO_NO_INCREMENT, 1, FALSE);
#else
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    if (KeReadStateSemaphore(&queued) < QUEUE_ROOM)
        KeReleaseSemaphore(&queued, IO_NO_INCREMENT, 1, FALSE);
    KeReleaseSpinLock(&lock, irql);
#endif
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
