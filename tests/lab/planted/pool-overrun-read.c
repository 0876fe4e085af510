/* SPDX-License-Identifier: MIT */
/*
 * pool-overrun-read - a request says how many records follow, and the driver copies that many out of its own table of
 * four without a look at the number.
 * Windows: the client reads what lies behind in the pool, or the machine stops at the end of a page.
 */
#include "plant.h"

#define RECORDS 4u

static UINT64 *records;

static NTSTATUS start(void)
{
    records = ExAllocatePool2(POOL_FLAG_NON_PAGED, RECORDS * sizeof(*records), PLANT_TAG);
    return records != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static void stop(void)
{
    ExFreePoolWithTag(records, PLANT_TAG);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UINT32 *count = irp->AssociatedIrp.SystemBuffer;
    ULONG wanted;

    UNREFERENCED_PARAMETER(device);
    if (plant_input(irp) < sizeof(*count) || *count == 0)
        return plant_complete(irp, STATUS_INVALID_PARAMETER, 0);
#ifndef MENDED
    wanted = *count;
#else
    wanted = *count < RECORDS ? *count : RECORDS;
#endif
    if (plant_output(irp) / sizeof(*records) < wanted)
        return plant_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, records, wanted * sizeof(*records));
    return plant_complete(irp, STATUS_SUCCESS, wanted * sizeof(*records));
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .stop = stop,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
