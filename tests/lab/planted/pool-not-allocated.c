/* SPDX-License-Identifier: MIT */
/*
 * pool-not-allocated - the list's link is freed instead of the entry it lies in. It went well as long as the link was
 * the first member.
 * Windows: bug check BAD_POOL_CALLER 0x7 or a corrupt pool header.
 */
#include "plant.h"

struct seen {
    UINT64 endpoint;
    LIST_ENTRY link;
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
    while (!IsListEmpty(&list)) {
        PLIST_ENTRY entry = RemoveHeadList(&list);

#ifndef MENDED
        ExFreePoolWithTag(entry, PLANT_TAG);
#else
        ExFreePoolWithTag(CONTAINING_RECORD(entry, struct seen, link), PLANT_TAG);
#endif
    }
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
