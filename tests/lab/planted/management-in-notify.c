/* SPDX-License-Identifier: MIT */
/*
 * management-in-notify - when somebody adds a filter with the callout, notifyFn adds one for IPv6 beside it. It runs
 * inside a management call, which has the engine's lock.
 * Windows: a call to the engine from notifyFn waits for itself: the service that added the filter hangs.
 */
#include "plant.h"

static LONG filters;

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    if (type != FWPS_CALLOUT_NOTIFY_ADD_FILTER)
        return STATUS_SUCCESS;
    filters++;
#ifndef MENDED
    if (filters == 1)
        (void)plant_filter_add(0, NULL);
#endif
    return STATUS_SUCCESS;
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit, .notify = notify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
