/* SPDX-License-Identifier: MIT */
/*
 * object-invalid - the thread object is dereferenced when it has ended, and again on the way out. Two references were
 * taken back, one was held.
 * Windows: REFERENCE_BY_POINTER, when the memory has another owner.
 */
#include "plant.h"

static PVOID thread;

static VOID NTAPI work(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS start(void)
{
    HANDLE handle;
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
    ObDereferenceObject(thread);
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
