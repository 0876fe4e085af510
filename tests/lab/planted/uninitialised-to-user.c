/* SPDX-License-Identifier: MIT */
/*
 * uninitialised-to-user - the answer is a small structure, and Information says the whole buffer of the client. The
 * I/O manager copies that many bytes of the system buffer to the program.
 * Windows: the program gets kernel memory that somebody else used before.
 */
#include "plant.h"

struct answer {
    UINT32 version;
    UINT32 connects;
};

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    struct answer *answer = irp->AssociatedIrp.SystemBuffer;

    UNREFERENCED_PARAMETER(device);
    if (plant_output(irp) < sizeof(*answer))
        return plant_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    answer->version = 1;
    answer->connects = 0;
#ifndef MENDED
    return plant_complete(irp, STATUS_SUCCESS, plant_output(irp));
#else
    return plant_complete(irp, STATUS_SUCCESS, sizeof(*answer));
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
