/* SPDX-License-Identifier: MIT */
/*
 * pool-use-after-free - the list is emptied in a loop that frees an entry and then reads the next one's address out of
 * it.
 * Windows: works until another processor takes the memory in between: a wild pointer, or a block freed twice.
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
#ifndef MENDED
    for (PLIST_ENTRY entry = list.Flink; entry != &list; entry = entry->Flink)
        ExFreePoolWithTag(CONTAINING_RECORD(entry, struct seen, link), PLANT_TAG);
#else
    for (PLIST_ENTRY entry = list.Flink, next; entry != &list; entry = next) {
        next = entry->Flink;
        ExFreePoolWithTag(CONTAINING_RECORD(entry, struct seen, link), PLANT_TAG);
    }
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
