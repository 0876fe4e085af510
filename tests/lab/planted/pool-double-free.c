/* SPDX-License-Identifier: MIT */
/*
 * pool-double-free - the path for a bad request frees the copy and then goes to the label that frees it again.
 * Windows: bug check BAD_POOL_CALLER 0x7, or the block has a new owner, who loses it.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = plant_input(irp);
    UCHAR *copy;

    UNREFERENCED_PARAMETER(device);
    NTSTATUS status = STATUS_SUCCESS;

    if (size == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
    copy = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, PLANT_TAG);
    if (copy == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(copy, irp->AssociatedIrp.SystemBuffer, size);
    if (copy[0] > 1) {
        status = STATUS_INVALID_PARAMETER;
#ifndef MENDED
        ExFreePoolWithTag(copy, PLANT_TAG);
#endif
        goto out;
    }
out:
    ExFreePoolWithTag(copy, PLANT_TAG);
    return plant_complete(irp, status, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
