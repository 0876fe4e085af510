/* SPDX-License-Identifier: MIT */
/*
 * deadlock-lost-wakeup - the driver's thread looks whether it is to end, then clears the event it waits on, and waits.
 * When unload sets both between the look and the clear, its event is lost: the thread waits for unload, and unload for
 * the thread.
 * Windows: the service stays in STOP_PENDING, once in a hundred stops.
 */
#include "plant_thread.h"

static KEVENT wake;
static volatile LONG lines, ending;

static void wait_for_work(void)
{
#ifndef MENDED
    if (InterlockedExchange(&lines, 0) == 0 && !ending) {
        KeClearEvent(&wake);
        (void)KeWaitForSingleObject(&wake, Executive, KernelMode, FALSE, NULL);
    }
#else
    KeClearEvent(&wake);
    if (InterlockedExchange(&lines, 0) == 0 && !ending)
        (void)KeWaitForSingleObject(&wake, Executive, KernelMode, FALSE, NULL);
#endif
}

static void write_log(void)
{
    while (!ending)
        wait_for_work();
}

static NTSTATUS start(void)
{
    KeInitializeEvent(&wake, NotificationEvent, FALSE);
    return plant_thread_start(write_log);
}

/* The last line of the log. */
static void drain(void)
{
    InterlockedIncrement(&lines);
    KeSetEvent(&wake, IO_NO_INCREMENT, FALSE);
}

static void stop(void)
{
    InterlockedExchange(&ending, 1);
    KeSetEvent(&wake, IO_NO_INCREMENT, FALSE);
    plant_thread_wait();
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .drain = drain,
    .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
