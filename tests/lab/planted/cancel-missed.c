/* SPDX-License-Identifier: MIT */
/*
 * cancel-missed - requests are parked by a work item, which makes them cancelable without a look at whether they were
 * cancelled on the way there. The cancel has passed and does not come again.
 * Windows: the program that was killed in that moment never goes away.
 */
#include "plant_park.h"

static NTSTATUS park(PIRP irp)
{
#ifndef MENDED
    KIRQL irql;

    KeAcquireSpinLock(&plant_park.lock, &irql);
    plant_park.irp = irp;
    (void)IoSetCancelRoutine(irp, plant_park_cancel);
    KeReleaseSpinLock(&plant_park.lock, irql);
    return STATUS_PENDING;
#else
    return plant_park_request(irp);
#endif
}

static VOID NTAPI park_later(PVOID io_object, PVOID context, PIO_WORKITEM item)
{
    UNREFERENCED_PARAMETER(io_object);
    IoFreeWorkItem(item);
    (void)park(context);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_WORKITEM item = IoAllocateWorkItem(device);

    if (item == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    IoMarkIrpPending(irp);
    IoQueueWorkItemEx(item, park_later, DelayedWorkQueue, irp);
    return STATUS_PENDING;
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = plant_park_start,
    .control = control,
    .drain = plant_park_drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
