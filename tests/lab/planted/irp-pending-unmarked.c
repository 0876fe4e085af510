/* SPDX-License-Identifier: MIT */
/*
 * irp-pending-unmarked - a request is kept for later and STATUS_PENDING is returned, without IoMarkIrpPending.
 * Windows: the program's event is never set when the request is completed later: it waits for ever.
 */
#include "plant.h"

/* Short waits only: the second client answers the first at once. */
static PIRP waiting;
static KSPIN_LOCK lock;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    if (plant_code(irp) == PLANT_CODE(0)) {
#ifdef MENDED
        IoMarkIrpPending(irp);
#endif
        KeAcquireSpinLock(&lock, &irql);
        waiting = irp;
        KeReleaseSpinLock(&lock, irql);
        return STATUS_PENDING;
    }
    KeAcquireSpinLock(&lock, &irql);
    if (waiting != NULL) {
        PIRP first = waiting;

        waiting = NULL;
        KeReleaseSpinLock(&lock, irql);
        (void)plant_complete(first, STATUS_SUCCESS, 0);
    } else {
        KeReleaseSpinLock(&lock, irql);
    }
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
