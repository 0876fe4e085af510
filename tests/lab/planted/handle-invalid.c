/* SPDX-License-Identifier: MIT */
/*
 * handle-invalid - the thread's handle is closed as soon as the object is referenced, and once more in unload, where
 * everything is given back.
 * Windows: INVALID_KERNEL_HANDLE, or somebody else's new handle of the same number is closed.
 */
#include "plant_thread.h"

static HANDLE handle;

static void work(void)
{
}

static NTSTATUS start(void)
{
    NTSTATUS status = plant_thread_make(work, &handle);

    if (NT_SUCCESS(status))
        (void)ZwClose(handle);
    return status;
}

static void stop(void)
{
    plant_thread_wait();
#ifndef MENDED
    (void)ZwClose(handle);
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
