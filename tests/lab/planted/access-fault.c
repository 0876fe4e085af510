/* SPDX-License-Identifier: MIT */
/*
 * access-fault - the block that classifyFn allocates for each connection is used without a look at the pointer. Kernel
 * pool does run out, and then it is NULL.
 * Windows: SYSTEM_SERVICE_EXCEPTION or KMODE_EXCEPTION_NOT_HANDLED, on machines with little memory only.
 */
#include "plant.h"

struct seen {
    LIST_ENTRY link;
    UINT64 endpoint;
};

static LIST_ENTRY list;
static KSPIN_LOCK lock;

static NTSTATUS start(void)
{
    InitializeListHead(&list);
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

PLANT_CLASSIFY(classify)
{
    struct seen *seen = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*seen), PLANT_TAG);
    KIRQL irql;

#ifdef MENDED
    if (seen != NULL)
#endif
    {
        seen->endpoint = plant_endpoint(metadata);
        KeAcquireSpinLock(&lock, &irql);
        InsertTailList(&list, &seen->link);
        KeReleaseSpinLock(&lock, irql);
    }
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void stop(void)
{
    while (!IsListEmpty(&list))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&list), struct seen, link), PLANT_TAG);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
