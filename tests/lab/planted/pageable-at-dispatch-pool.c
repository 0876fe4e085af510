/* SPDX-License-Identifier: MIT */
/*
 * pageable-at-dispatch-pool - the list of connections that have been seen is kept in paged pool, because it can be
 * long, and classifyFn adds to it. Paged pool can be neither allocated nor touched at DISPATCH_LEVEL.
 * Windows: IRQL_NOT_LESS_OR_EQUAL, or bug check BAD_POOL_CALLER.
 */
#include "plant.h"

struct seen {
    struct seen *next;
    UINT32 address;
};

static struct seen *volatile first;

#ifndef MENDED
#define SEEN_POOL POOL_FLAG_PAGED
#else
#define SEEN_POOL POOL_FLAG_NON_PAGED
#endif

PLANT_CLASSIFY(classify)
{
    struct seen *seen = ExAllocatePool2(SEEN_POOL, sizeof(*seen), PLANT_TAG);

    if (seen != NULL) {
        seen->address = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS].value.uint32;
        do {
            seen->next = first;
        } while (InterlockedCompareExchangePointer((PVOID volatile *)&first, seen, seen->next) != seen->next);
    }
    plant_decide(out, FWP_ACTION_PERMIT);
}

static void stop(void)
{
    while (first != NULL) {
        struct seen *next = first->next;

        ExFreePoolWithTag(first, PLANT_TAG);
        first = next;
    }
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
