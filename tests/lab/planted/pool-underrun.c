/* SPDX-License-Identifier: MIT */
/*
 * pool-underrun - the newline at the end of the client's text is cut off at length - 1, and an empty text has the
 * length 0.
 * Windows: the last byte of the pool header before the block is gone: BAD_POOL_HEADER, when the block is freed.
 */
#include "plant.h"

static ULONG length_of(const UCHAR *text, ULONG most)
{
    ULONG length = 0;

    while (length < most && text[length] != 0)
        length++;
    return length;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = plant_input(irp), length;
    UCHAR *copy;

    UNREFERENCED_PARAMETER(device);
    if (size == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
    copy = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, PLANT_TAG);
    if (copy == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(copy, irp->AssociatedIrp.SystemBuffer, size);
    length = length_of(copy, size);
#ifdef MENDED
    if (length > 0)
#endif
        copy[(LONG)length - 1] = 0;
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
