/* SPDX-License-Identifier: MIT */
/*
 * pool-overrun - the client's name is copied to a block of its length and then ended with a zero, one byte behind the
 * block.
 * Windows: the neighbour's pool header is damaged: BAD_POOL_HEADER, when the neighbour is freed.
 */
#include "plant.h"

#ifndef MENDED
#define ROOM_FOR_ZERO 0
#else
#define ROOM_FOR_ZERO 1
#endif

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = plant_input(irp);
    UCHAR *copy;

    UNREFERENCED_PARAMETER(device);
    if (size == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
    copy = ExAllocatePool2(POOL_FLAG_NON_PAGED, size + ROOM_FOR_ZERO, PLANT_TAG);
    if (copy == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(copy, irp->AssociatedIrp.SystemBuffer, size);
    copy[size] = 0;
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
