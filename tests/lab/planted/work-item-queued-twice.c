/* SPDX-License-Identifier: MIT */
/*
 * work-item-queued-twice - one work item is allocated for the driver, and classifyFn queues it when the program is new
 * and again when the address is. For the first connect both are true, and the item has not run in between.
 * Windows: the worker's list is tied into a knot: WORKER_INVALID, or a worker thread that runs in circles.
 */
#include "plant.h"

static PIO_WORKITEM item;
static LONG queued;
static BOOLEAN programs, addresses;

static VOID NTAPI work(PVOID io_object, PVOID context, PIO_WORKITEM self)
{
    UNREFERENCED_PARAMETER(io_object);
    (void)InterlockedExchange(&queued, 0);
}

static NTSTATUS start(void)
{
    item = IoAllocateWorkItem(plant.device);
    return item != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static void tell(void)
{
#ifdef MENDED
    if (InterlockedExchange(&queued, 1) != 0)
        return;
#endif
    IoQueueWorkItemEx(item, work, DelayedWorkQueue, NULL);
}

PLANT_CLASSIFY(classify)
{
    if (!programs)
        tell();
    programs = TRUE;
    if (!addresses)
        tell();
    addresses = TRUE;
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void stop(void)
{
    IoFreeWorkItem(item);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
