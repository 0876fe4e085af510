/* SPDX-License-Identifier: MIT */
/*
 * step4.c - a callout that holds a connect and leaves classifyFn; a timer decides. One connect at a time.
 */
#include "callout.h"

static KTIMER timer;
static KDPC dpc;
static HANDLE held;

/* At DISPATCH_LEVEL, with no lock: the engine calls classify again within FwpsCompleteOperation0. */
static VOID NTAPI decide(PKDPC timer_dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    HANDLE operation = InterlockedExchangePointer(&held, NULL);

    (void)timer_dpc, (void)context, (void)argument1, (void)argument2;
    if (operation != NULL)
        FwpsCompleteOperation0(operation, NULL);
}

static BOOLEAN hold(HANDLE completion_handle)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};
    HANDLE operation;

    if (held != NULL || !NT_SUCCESS(FwpsPendOperation0(completion_handle, &operation)))
        return FALSE;
    held = operation;
    KeSetTimer(&timer, second, &dpc);
    return TRUE;
}

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    UINT32 flags = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;

    (void)layer_data, (void)context, (void)filter, (void)flow_context;
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) == 0 && hold(metadata->completionHandle)) {
        out->actionType = FWP_ACTION_BLOCK;
        out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    } else {
        out->actionType = FWP_ACTION_PERMIT;
    }
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, decide, NULL);
    return start(driver);
}
