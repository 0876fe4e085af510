/* SPDX-License-Identifier: MIT */
/*
 * pool-freed-in-use - the block of a client is freed with its timer still armed; only a timer that had rung was ever
 * tried. The timer list of the kernel goes through the freed block.
 * Windows: bug check TIMER_OR_DPC_INVALID, or a jump to nowhere when the time comes.
 */
#include "plant.h"

struct watch {
    KTIMER timer;
    KDPC dpc;
    LONG rung;
};

static VOID NTAPI ring(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    ((struct watch *)context)->rung = 1;
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    struct watch *watch = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*watch), PLANT_TAG);
    LARGE_INTEGER second = {.QuadPart = -10000000};

    UNREFERENCED_PARAMETER(device);
    if (watch == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    KeInitializeTimer(&watch->timer);
    KeInitializeDpc(&watch->dpc, ring, watch);
    KeSetTimer(&watch->timer, second, &watch->dpc);
#ifdef MENDED
    KeCancelTimer(&watch->timer);
    KeFlushQueuedDpcs();
#endif
    ExFreePoolWithTag(watch, PLANT_TAG);
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
