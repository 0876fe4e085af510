/* SPDX-License-Identifier: MIT */
/*
 * step2.c - a callout that permits everything.
 */
#include "callout.h"

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    (void)values, (void)metadata, (void)layer_data, (void)context, (void)filter, (void)flow_context;
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        out->actionType = FWP_ACTION_PERMIT;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    return start(driver);
}
