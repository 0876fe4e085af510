/* SPDX-License-Identifier: MIT */
/*
 * work-item-freed-queued - a work item is freed as soon as it is queued, as if IoQueueWorkItem had made a copy.
 * Windows: the worker thread takes a freed item from its list: WORKER_INVALID.
 */
#include "plant.h"

static VOID NTAPI work(PVOID io_object, PVOID context, PIO_WORKITEM self)
{
    UNREFERENCED_PARAMETER(io_object);
#ifdef MENDED
    IoFreeWorkItem(self);
#endif
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_WORKITEM item = IoAllocateWorkItem(device);

    if (item == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    IoQueueWorkItemEx(item, work, DelayedWorkQueue, NULL);
#ifndef MENDED
    IoFreeWorkItem(item);
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
