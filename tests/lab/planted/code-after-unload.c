/* SPDX-License-Identifier: MIT */
/*
 * code-after-unload - unload tells the driver's thread to end and goes on without waiting for it. The thread has still
 * some of the driver's code to run.
 * Windows: the file is taken out of memory under the thread's feet, now and then.
 */
#include "plant.h"

static KEVENT ending;
static PVOID thread;

static VOID NTAPI work(PVOID context)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};

    UNREFERENCED_PARAMETER(context);
    while (KeWaitForSingleObject(&ending, Executive, KernelMode, FALSE, &second) == STATUS_TIMEOUT)
        ;
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS start(void)
{
    HANDLE handle;
    NTSTATUS status;

    KeInitializeEvent(&ending, NotificationEvent, FALSE);
    status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, work, NULL);
    if (!NT_SUCCESS(status))
        return status;
    (void)ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    (void)ZwClose(handle);
    return STATUS_SUCCESS;
}

static void stop(void)
{
    KeSetEvent(&ending, IO_NO_INCREMENT, FALSE);
#ifdef MENDED
    (void)KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
#endif
    ObDereferenceObject(thread);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
