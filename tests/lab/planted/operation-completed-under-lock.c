/* SPDX-License-Identifier: MIT */
/*
 * operation-completed-under-lock - the answer is given with the table's lock held. FwpsCompleteOperation0 calls
 * classifyFn for the reauthorization before it returns, and that takes the same lock.
 * Windows: the processor spins for ever with its own lock, at the first answer.
 */
#include "plant.h"

static KSPIN_LOCK lock;
static HANDLE held;
static FWP_ACTION_TYPE verdict = FWP_ACTION_PERMIT;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

PLANT_CLASSIFY(classify)
{
    FWP_ACTION_TYPE decided;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    decided = verdict;
    KeReleaseSpinLock(&lock, irql);
    if (!plant_reauthorized(values) && plant_may_pend(metadata, out) && held == NULL &&
        NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &held)))
        plant_absorb(out);
    else
        plant_decide(out, decided);
}

static void drain(void)
{
    HANDLE operation;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    operation = held;
    held = NULL;
#ifndef MENDED
    if (operation != NULL)
        FwpsCompleteOperation0(operation, NULL);
    KeReleaseSpinLock(&lock, irql);
#else
    KeReleaseSpinLock(&lock, irql);
    if (operation != NULL)
        FwpsCompleteOperation0(operation, NULL);
#endif
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
