/* SPDX-License-Identifier: MIT */
/*
 * irp-completed-pending - the routine that queues a request gives STATUS_PENDING when nothing is there yet, and the
 * common end of the dispatch routine completes with whatever status it has.
 * Windows: the program's overlapped structure says pending for ever; Driver Verifier stops.
 */
#include "plant.h"

static LONG events;

static NTSTATUS next_event(PIRP irp)
{
    if (events > 0)
        return STATUS_SUCCESS;
#ifndef MENDED
    return STATUS_PENDING;
#else
    return STATUS_NO_MORE_ENTRIES;
#endif
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    NTSTATUS status = next_event(irp);

    UNREFERENCED_PARAMETER(device);
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
