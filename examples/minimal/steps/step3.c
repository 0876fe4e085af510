/* SPDX-License-Identifier: MIT */
/*
 * step3.c - a callout that holds a connect, and waits in classifyFn for somebody to decide. Three mistakes.
 */
#include "callout.h"

static KEVENT decided;

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};
    HANDLE operation;

    (void)values, (void)layer_data, (void)context, (void)filter, (void)flow_context;
    if (NT_SUCCESS(FwpsPendOperation0(metadata->completionHandle, &operation)))
        KeWaitForSingleObject(&decided, Executive, KernelMode, FALSE, &second);
    out->actionType = FWP_ACTION_PERMIT;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    KeInitializeEvent(&decided, NotificationEvent, FALSE);
    return start(driver);
}
