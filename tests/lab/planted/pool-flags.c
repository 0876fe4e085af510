/* SPDX-License-Identifier: MIT */
/*
 * pool-flags - ExAllocatePoolWithTag was replaced by ExAllocatePool2, as the compiler's warning said, and the
 * POOL_TYPE was left where the POOL_FLAGS go: NonPagedPoolNx is 512.
 * Windows: the flag 512 names no pool, so every allocation gives NULL.
 */
#include "plant.h"

#ifndef MENDED
#define COPY_POOL NonPagedPoolNx
#else
#define COPY_POOL POOL_FLAG_NON_PAGED
#endif

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = plant_input(irp);
    UCHAR *copy;

    UNREFERENCED_PARAMETER(device);
    if (size == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
    copy = ExAllocatePool2(COPY_POOL, size, PLANT_TAG);
    if (copy == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(copy, irp->AssociatedIrp.SystemBuffer, size);
    ExFreePoolWithTag(copy, PLANT_TAG);
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
