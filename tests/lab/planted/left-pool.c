/* SPDX-License-Identifier: MIT */
/*
 * left-pool - classifyFn remembers each connection in a list, and unload forgets the list. Nothing is wrong while the
 * driver runs.
 * Windows: the memory is gone until the machine starts again; Driver Verifier stops at the unload:
 * DRIVER_VERIFIER_DETECTED_VIOLATION 0x62.
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

    if (seen != NULL) {
        seen->endpoint = plant_endpoint(metadata);
        KeAcquireSpinLock(&lock, &irql);
        InsertTailList(&list, &seen->link);
        KeReleaseSpinLock(&lock, irql);
    }
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void stop(void)
{
#ifdef MENDED
    while (!IsListEmpty(&list))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&list), struct seen, link), PLANT_TAG);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
