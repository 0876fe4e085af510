/* SPDX-License-Identifier: MIT */
/*
 * left-process-notify - a routine forgets programs that have exited; unload does not take it out again.
 * Windows: the next process that ends anywhere calls into memory that is no longer there.
 */
#include "plant.h"

static volatile LONG exits;

static VOID process_ended(HANDLE parent, HANDLE process, BOOLEAN create)
{
    UNREFERENCED_PARAMETER(parent);
    UNREFERENCED_PARAMETER(process);
    if (!create)
        InterlockedIncrement(&exits);
}

static NTSTATUS start(void)
{
    return PsSetCreateProcessNotifyRoutine(process_ended, FALSE);
}

static void stop(void)
{
#ifdef MENDED
    (void)PsSetCreateProcessNotifyRoutine(process_ended, TRUE);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
