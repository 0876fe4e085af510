/* SPDX-License-Identifier: MIT */
/*
 * lock-foreign-release - a request takes a fast mutex and hands the rest of the work to a thread of the driver, which
 * releases the mutex when it is done. Fast mutexes belong to the thread that took them: the saved IRQL and APC state
 * are its own.
 * Windows: APCs stay off in one thread and come on in the other: APC_INDEX_MISMATCH.
 */
#include "plant_thread.h"

static FAST_MUTEX mutex;
static KEVENT wanted, done;
static volatile LONG ending;

static void work(void)
{
    for (;;) {
        (void)KeWaitForSingleObject(&wanted, Executive, KernelMode, FALSE, NULL);
        if (ending)
            break;
#ifndef MENDED
        ExReleaseFastMutex(&mutex);
#endif
        KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
    }
}

static NTSTATUS start(void)
{
    ExInitializeFastMutex(&mutex);
    KeInitializeEvent(&wanted, SynchronizationEvent, FALSE);
    KeInitializeEvent(&done, SynchronizationEvent, FALSE);
    return plant_thread_start(work);
}

static void stop(void)
{
    InterlockedExchange(&ending, 1);
    KeSetEvent(&wanted, IO_NO_INCREMENT, FALSE);
    plant_thread_wait();
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    ExAcquireFastMutex(&mutex);
#ifdef MENDED
    ExReleaseFastMutex(&mutex);
#endif
    KeSetEvent(&wanted, IO_NO_INCREMENT, FALSE);
    (void)KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
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
