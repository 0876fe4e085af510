/* SPDX-License-Identifier: MIT */
/*
 * left-thread - a system thread looks after the table once a second; unload forgets that there is one.
 * Windows: the thread's next instruction is in memory that is no longer there:
 * DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS.
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
#ifndef MENDED
    ObDereferenceObject(plant_thread.object);
#else
    KeSetEvent(&ending, IO_NO_INCREMENT, FALSE);
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
