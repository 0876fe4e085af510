/* SPDX-License-Identifier: MIT */
/*
 * handle-invalid - the thread's handle is closed as soon as the object is referenced, and once more in unload, where
 * everything is given back.
 * Windows: INVALID_KERNEL_HANDLE, or somebody else's new handle of the same number is closed.
 */
#include "plant.h"

static PVOID thread;
static HANDLE handle;

static VOID NTAPI work(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS start(void)
{
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, work, NULL);

    if (!NT_SUCCESS(status))
        return status;
    (void)ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    (void)ZwClose(handle);
    return STATUS_SUCCESS;
}

static void stop(void)
{
    (void)KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
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
