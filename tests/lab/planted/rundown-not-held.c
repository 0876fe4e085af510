/* SPDX-License-Identifier: MIT */
/*
 * rundown-not-held - rundown protection is released at the common end of the routine, which is also reached when it
 * was not acquired.
 * Windows: the count goes below nothing: unload waits for ever, or does not wait at all.
 */
#include "plant.h"

static EX_RUNDOWN_REF rundown;
static BOOLEAN paused;

static NTSTATUS start(void)
{
    ExInitializeRundownProtection(&rundown);
    return STATUS_SUCCESS;
}

static void stop(void)
{
    ExWaitForRundownProtectionRelease(&rundown);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    NTSTATUS status = STATUS_DEVICE_NOT_READY;

    UNREFERENCED_PARAMETER(device);
    if (plant_code(irp) == PLANT_CODE(1))
        paused = TRUE;
    if (paused)
        goto out;
    if (!ExAcquireRundownProtection(&rundown))
        return plant_complete(irp, STATUS_DELETE_PENDING, 0);
    status = STATUS_SUCCESS;
#ifndef MENDED
out:
    ExReleaseRundownProtection(&rundown);
#else
    ExReleaseRundownProtection(&rundown);
out:
#endif
    return plant_complete(irp, status, 0);
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
