/* SPDX-License-Identifier: MIT */
/*
 * pageable-at-dispatch-print - classifyFn prints the program's path with %ws. The conversion of wide characters reads
 * pageable tables: DbgPrint's page allows it at PASSIVE_LEVEL only.
 * Windows: IRQL_NOT_LESS_OR_EQUAL when the tables are paged out; most debug builds never see it.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
    const FWP_VALUE0 *app = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID].value;

    if (app->type == FWP_BYTE_BLOB_TYPE)
#ifndef MENDED
        DbgPrint("connect by %ws\n", (const wchar_t *)app->byteBlob->data);
#else
        DbgPrint("connect by a program whose path has %u bytes\n", app->byteBlob->size);
#endif
    plant_decide(out, FWP_ACTION_PERMIT);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
