/* SPDX-License-Identifier: MIT */
/*
 * pool-zero-size - the client sends a list of rules, and the driver allocates room for as many as the request has,
 * without asking whether it has any.
 * Windows: an empty block on some versions, NULL on others; the code behind believes in at least one.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = plant_input(irp);
    UCHAR *copy;

    UNREFERENCED_PARAMETER(device);
#ifdef MENDED
    if (size == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
#endif
    copy = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, PLANT_TAG);
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
