/* SPDX-License-Identifier: MIT */
/*
 * pool-tag-zero - the allocation was moved from a driver that had its tag in a macro, and the macro is empty here.
 * Pool without a tag cannot be told from anybody else's.
 * Windows: ExAllocatePool2 refuses it (bug check BAD_POOL_CALLER 0x9B under Driver Verifier).
 */
#include "plant.h"

#ifndef MENDED
#define COPY_TAG 0
#else
#define COPY_TAG PLANT_TAG
#endif

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = plant_input(irp);
    UCHAR *copy;

    UNREFERENCED_PARAMETER(device);
    if (size == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
    copy = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, COPY_TAG);
    if (copy == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(copy, irp->AssociatedIrp.SystemBuffer, size);
    ExFreePoolWithTag(copy, COPY_TAG);
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
