/* SPDX-License-Identifier: MIT */
/*
 * irp-information-too-large - the size of the answer is given as Information without a look at the size of the
 * client's buffer. The I/O manager copies that many bytes.
 * Windows: bytes of somebody else's pool go to the program, or the write to the system buffer has damaged it before.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UINT32 *answer = irp->AssociatedIrp.SystemBuffer;

    UNREFERENCED_PARAMETER(device);
    if (plant_output(irp) < sizeof(UINT32))
        return plant_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    *answer = 1;
#ifndef MENDED
    return plant_complete(irp, STATUS_SUCCESS, sizeof(UINT64));
#else
    return plant_complete(irp, STATUS_SUCCESS, sizeof(UINT32));
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
