/* SPDX-License-Identifier: MIT */
/*
 * irql-too-high - the program's path is compared without regard to case in classifyFn, to let one program pass.
 * RtlEqualUnicodeString reads pageable case tables and may be called at PASSIVE_LEVEL only, and classifyFn runs at
 * DISPATCH_LEVEL.
 * Windows: works until the tables are paged out, then IRQL_NOT_LESS_OR_EQUAL.
 */
#include "plant.h"

static UNICODE_STRING trusted = RTL_CONSTANT_STRING(L"/bin/app");

static BOOLEAN is_trusted(const FWP_VALUE0 *app)
{
    UNICODE_STRING path;

    if (app->type != FWP_BYTE_BLOB_TYPE || app->byteBlob->size < sizeof(wchar_t) || app->byteBlob->size > 0x7fff)
        return FALSE;
    path.Buffer = (wchar_t *)app->byteBlob->data;
    path.MaximumLength = (USHORT)app->byteBlob->size;
    path.Length = (USHORT)(path.MaximumLength - sizeof(wchar_t));
#ifndef MENDED
    return RtlEqualUnicodeString(&path, &trusted, TRUE);
#else
    return path.Length == trusted.Length && RtlCompareMemory(path.Buffer, trusted.Buffer, path.Length) == path.Length;
#endif
}

PLANT_CLASSIFY(classify)
{
    const FWP_VALUE0 *app = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID].value;

    plant_decide(out, is_trusted(app) ? FWP_ACTION_PERMIT : FWP_ACTION_CONTINUE);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
