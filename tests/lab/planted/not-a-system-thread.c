/* SPDX-License-Identifier: MIT */
/*
 * not-a-system-thread - a routine that was a system thread's became a work item's, and still ends with
 * PsTerminateSystemThread. The worker thread is not the driver's to end.
 * Windows: one of the system's worker threads less each time, until nothing works any more.
 */
#include "plant.h"

static KEVENT done;

static VOID NTAPI work(PVOID io_object, PVOID context, PIO_WORKITEM item)
{
    UNREFERENCED_PARAMETER(io_object);
    IoFreeWorkItem(item);
    KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
#ifndef MENDED
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
#endif
}

static NTSTATUS start(void)
{
    KeInitializeEvent(&done, SynchronizationEvent, FALSE);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_WORKITEM item = IoAllocateWorkItem(device);

    if (item == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    IoQueueWorkItemEx(item, work, DelayedWorkQueue, NULL);
    (void)KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
