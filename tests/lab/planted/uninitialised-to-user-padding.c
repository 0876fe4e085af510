/* SPDX-License-Identifier: MIT */
/*
 * uninitialised-to-user-padding - the answer is built member by member in a block that was not zeroed, and copied
 * whole. Between its members there are four bytes of padding, which nobody wrote.
 * Windows: every answer carries four bytes of whatever the pool had there before.
 */
#include "plant.h"

struct answer {
    UINT32 version;
    UINT64 connects; /* four bytes of padding before it */
};

#ifndef MENDED
#define ANSWER_POOL (POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED)
#else
#define ANSWER_POOL POOL_FLAG_NON_PAGED
#endif

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    struct answer *answer;

    UNREFERENCED_PARAMETER(device);
    if (plant_output(irp) < sizeof(*answer))
        return plant_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    answer = ExAllocatePool2(ANSWER_POOL, sizeof(*answer), PLANT_TAG);
    if (answer == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    answer->version = 1;
    answer->connects = 0;
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, answer, sizeof(*answer));
    ExFreePoolWithTag(answer, PLANT_TAG);
    return plant_complete(irp, STATUS_SUCCESS, sizeof(*answer));
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
