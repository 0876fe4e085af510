/* SPDX-License-Identifier: MIT */
/*
 * plant_thread.h - one system thread, for planted drivers; see plant.h.
 *
 * The thread references its own object before anybody else goes on, so nothing can fail once it runs: whoever got
 * STATUS_SUCCESS has a thread to wait for. PASSIVE_LEVEL.
 */
#ifndef PLANT_THREAD_H
#define PLANT_THREAD_H

#include "plant.h"

static struct plant_thread {
    KEVENT started;
    PVOID object;
    void (*body)(void);
} plant_thread;

static inline VOID NTAPI plant_thread_main(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    plant_thread.object = KeGetCurrentThread();
    ObReferenceObject(plant_thread.object);
    KeSetEvent(&plant_thread.started, IO_NO_INCREMENT, FALSE);
    plant_thread.body();
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
}

/* handle: the caller's to close. */
static inline NTSTATUS plant_thread_make(void (*body)(void), HANDLE *handle)
{
    NTSTATUS status;

    plant_thread.body = body;
    KeInitializeEvent(&plant_thread.started, NotificationEvent, FALSE);
    status = PsCreateSystemThread(handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, plant_thread_main, NULL);
    if (NT_SUCCESS(status))
        (void)KeWaitForSingleObject(&plant_thread.started, Executive, KernelMode, FALSE, NULL);
    return status;
}

static inline NTSTATUS plant_thread_start(void (*body)(void))
{
    HANDLE handle;
    NTSTATUS status = plant_thread_make(body, &handle);

    if (NT_SUCCESS(status))
        (void)ZwClose(handle);
    return status;
}

/* The body has been told to end. */
static inline void plant_thread_wait(void)
{
    (void)KeWaitForSingleObject(plant_thread.object, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(plant_thread.object);
}

#endif
