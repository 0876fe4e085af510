/* SPDX-License-Identifier: MIT */
/*
 * deadlock-lost-wakeup - a request looks whether something has come, and only then clears the event it waits on. What
 * comes between the look and the clear sets an event that is cleared at once.
 * Windows: the reader sleeps although there is work; as it waits in kernel mode, it cannot be killed either.
 */
#include "plant.h"

static KEVENT ready;
static volatile LONG queued;

static NTSTATUS start(void)
{
    KeInitializeEvent(&ready, NotificationEvent, FALSE);
    return STATUS_SUCCESS;
}

static void wait_for_one(void)
{
#ifndef MENDED
    if (InterlockedCompareExchange(&queued, 0, 1) == 1)
        return;
    KeClearEvent(&ready);
    (void)KeWaitForSingleObject(&ready, UserRequest, KernelMode, FALSE, NULL);
#else
    for (;;) {
        KeClearEvent(&ready);
        if (InterlockedCompareExchange(&queued, 0, 1) == 1)
            return;
        (void)KeWaitForSingleObject(&ready, UserRequest, KernelMode, FALSE, NULL);
    }
#endif
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    if (plant_code(irp) == PLANT_CODE(0)) {
        wait_for_one();
    } else {
        (void)InterlockedExchange(&queued, 1);
        KeSetEvent(&ready, IO_NO_INCREMENT, FALSE);
    }
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}},
    .start = start,
    .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
