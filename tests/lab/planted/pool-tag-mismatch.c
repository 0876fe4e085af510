/* SPDX-License-Identifier: MIT */
/*
 * pool-tag-mismatch - the tag is spelled twice, once in reverse as it shows in a dump and once as it is read. What is
 * allocated under one is freed under the other.
 * Windows: bug check BAD_POOL_CALLER under Driver Verifier; else the leak statistics of both tags are wrong.
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

#ifndef MENDED
#define SEEN_TAG 'Plnt'
#else
#define SEEN_TAG PLANT_TAG
#endif

static void stop(void)
{
    while (!IsListEmpty(&list))
        ExFreePoolWithTag(CONTAINING_RECORD(RemoveHeadList(&list), struct seen, link), SEEN_TAG);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
