/* SPDX-License-Identifier: MIT */
/*
 * deadlock - two clients' requests take the same two fast mutexes in opposite orders. Alone each is fine; at one time
 * each has what the other waits for.
 * Windows: both programs hang, cannot be killed, and the driver cannot be stopped.
 */
#include "plant.h"

/* Two requests: one adds a rule (rules, then log), one writes the log out (log, then rules). */
static FAST_MUTEX rules, log_file;

static NTSTATUS start(void)
{
    ExInitializeFastMutex(&rules);
    ExInitializeFastMutex(&log_file);
    return STATUS_SUCCESS;
}

static void with_both(PFAST_MUTEX outer, PFAST_MUTEX inner)
{
    ExAcquireFastMutex(outer);
    ExAcquireFastMutex(inner);
    ExReleaseFastMutex(inner);
    ExReleaseFastMutex(outer);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifndef MENDED
    if (plant_code(irp) == PLANT_CODE(0))
        with_both(&rules, &log_file);
    else
        with_both(&log_file, &rules);
#else
    with_both(&rules, &log_file);
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
