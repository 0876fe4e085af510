/* SPDX-License-Identifier: MIT */
/*
 * pageable-at-dispatch - a helper that was written for IOCTLs, and is in the pageable section, is called from
 * classifyFn too. Its PAGED_CODE says so.
 * Windows: fine while the page is in memory, else IRQL_NOT_LESS_OR_EQUAL.
 */
#include "plant.h"

static ULONG watched_port = 443;

#ifndef MENDED
static BOOLEAN is_watched(UINT16 port)
{
    PAGED_CODE();
    return port == watched_port;
}
#else
static BOOLEAN is_watched(UINT16 port)
{
    return port == watched_port;
}
#endif

PLANT_CLASSIFY(classify)
{
    UINT16 port = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value.uint16;

    plant_decide(out, is_watched(port) ? FWP_ACTION_PERMIT : FWP_ACTION_CONTINUE);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
