/* SPDX-License-Identifier: MIT */
/*
 * decision-not-stored - the answer is stored after FwpsCompleteOperation0. The reauthorization runs inside that call,
 * finds no answer and blocks.
 * Windows: the user permits, and the program is refused; the second try goes through.
 */
#include "plant_hold.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
#ifndef MENDED
    HANDLE operation = plant_hold_claim(FWP_ACTION_BLOCK);

    UNREFERENCED_PARAMETER(device);
    if (operation == NULL)
        return plant_complete(irp, STATUS_NOT_FOUND, 0);
    FwpsCompleteOperation0(operation, NULL);
    plant_hold.verdict = FWP_ACTION_PERMIT;
    plant_hold_fill(NULL);
    return plant_complete(irp, STATUS_SUCCESS, 0);
#else
    return plant_hold_control(device, irp);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_hold_classify}},
    .start = plant_hold_start,
    .drain = plant_hold_drain,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
