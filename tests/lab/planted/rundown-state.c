/* SPDX-License-Identifier: MIT */
/*
 * rundown-state - rundown protection is initialized again to take requests again, without having been run down. What
 * is acquired meanwhile is forgotten.
 * Windows: unload no longer waits for what is under way.
 */
#include "plant.h"

static EX_RUNDOWN_REF rundown;

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
    UNREFERENCED_PARAMETER(device);
#ifdef MENDED
    ExWaitForRundownProtectionRelease(&rundown);
#endif
    ExReInitializeRundownProtection(&rundown);
    return plant_complete(irp, STATUS_SUCCESS, 0);
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
