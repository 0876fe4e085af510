/* SPDX-License-Identifier: MIT */
/*
 * code-after-unload - unload tells the driver's thread to end and goes on without waiting for it. The thread has still
 * some of the driver's code to run.
 * Windows: the file is taken out of memory under the thread's feet, now and then.
 */
#include "plant_thread.h"

static KEVENT ending;

static void work(void)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};

    while (KeWaitForSingleObject(&ending, Executive, KernelMode, FALSE, &second) == STATUS_TIMEOUT)
        ;
}

static NTSTATUS start(void)
{
    KeInitializeEvent(&ending, NotificationEvent, FALSE);
    return plant_thread_start(work);
}

static void stop(void)
{
    KeSetEvent(&ending, IO_NO_INCREMENT, FALSE);
#ifndef MENDED
    ObDereferenceObject(plant_thread.object);
#else
    plant_thread_wait();
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
