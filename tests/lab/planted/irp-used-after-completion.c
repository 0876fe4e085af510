/* SPDX-License-Identifier: MIT */
/*
 * irp-used-after-completion - after IoCompleteRequest the dispatch routine returns the status that it reads out of the
 * request. The request may be freed, or somebody else's, by then.
 * Windows: works nearly always; under Driver Verifier PAGE_FAULT_IN_NONPAGED_AREA.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
#ifndef MENDED
    return irp->IoStatus.Status;
#else
    return STATUS_SUCCESS;
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
