/* SPDX-License-Identifier: MIT */
/*
 * registry.c - reads the values that the host gave to nt_driver_load.
 *
 * Known are HKLM services' keys of loaded drivers, each with one subkey, Parameters, of REG_DWORDs and
 * REG_SZs.
 * A table may reach it by its Path or by an RTL_QUERY_REGISTRY_SUBKEY entry, and get a value by a
 * query routine or by RTL_QUERY_REGISTRY_DIRECT.
 * Pages: wdm.h RtlQueryRegistryValues, RtlCheckRegistryKey.
 */
#include "nt/foreign.h"
#include "nt/internal.h"

#define STRING_TAG 'gRtN'

static size_t wide_length(const WCHAR *text)
{
    size_t chars = 0;
    while (text[chars] != 0)
        chars++;
    return chars;
}

static bool is_parameters(const WCHAR *name)
{
    static const WCHAR parameters[] = L"Parameters";
    return name != NULL && nt_wide_equal(name, wide_length(name), parameters, RTL_NUMBER_OF(parameters) - 1);
}

/* The string as RTL_QUERY_REGISTRY_DIRECT stores it: in EntryContext's buffer, or in one from pool. */
static NTSTATUS store_string(PUNICODE_STRING to, const struct nt_registry_data *value)
{
    if (value->size > UNICODE_STRING_MAX_BYTES)
        return STATUS_BUFFER_TOO_SMALL;
    if (to->Buffer == NULL) {
        to->Buffer = ExAllocatePool2(POOL_FLAG_PAGED, value->size, STRING_TAG);
        to->MaximumLength = (USHORT)value->size;
    }
    if (to->Buffer == NULL)
        return STATUS_NO_MEMORY;
    if (to->MaximumLength < value->size)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(to->Buffer, value->data, value->size);
    to->Length = (USHORT)(value->size - sizeof(WCHAR));
    return STATUS_SUCCESS;
}

static NTSTATUS give(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context, const struct nt_registry_data *value)
{
    if (entry->QueryRoutine == NULL && value->type == REG_SZ)
        return store_string(entry->EntryContext, value);
    if (entry->QueryRoutine == NULL) {
        memcpy(entry->EntryContext, value->data, sizeof(ULONG));
        return STATUS_SUCCESS;
    }
    NTSTATUS status = NT_CALL(entry->QueryRoutine, (PWSTR)entry->Name, value->type, (PVOID)value->data, value->size,
                              context, entry->EntryContext);
    return status == STATUS_BUFFER_TOO_SMALL ? STATUS_SUCCESS : status; /* its page */
}

static NTSTATUS give_default(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context)
{
    struct nt_registry_data value = {entry->DefaultType & 0xffu, entry->DefaultLength, entry->DefaultData};
    if ((entry->Flags & RTL_QUERY_REGISTRY_REQUIRED) != 0)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (entry->DefaultData == NULL || (value.type != REG_DWORD && value.type != REG_SZ))
        return STATUS_SUCCESS;
    if (value.type == REG_DWORD)
        value.size = sizeof(ULONG);
    else if (value.size == 0)
        value.size = (ULONG)((wide_length(value.data) + 1) * sizeof(WCHAR));
    return give(entry, context, &value);
}

static NTSTATUS query_value(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context, PCUNICODE_STRING service,
                            bool in_parameters)
{
    bool direct = (entry->Flags & RTL_QUERY_REGISTRY_DIRECT) != 0;
    struct nt_registry_data value;
    if (entry->Name == NULL || direct == (entry->QueryRoutine != NULL))
        return STATUS_NOT_SUPPORTED;
    if (!in_parameters || !nt_registry_find(service, entry->Name, &value))
        return give_default(entry, context);
    if (direct && (entry->Flags & RTL_QUERY_REGISTRY_TYPECHECK) != 0 &&
        entry->DefaultType >> RTL_QUERY_REGISTRY_TYPECHECK_SHIFT != value.type)
        return STATUS_OBJECT_TYPE_MISMATCH;
    return give(entry, context, &value);
}

NTSTATUS RtlQueryRegistryValues(ULONG RelativeTo, PCWSTR Path, PRTL_QUERY_REGISTRY_TABLE QueryTable, PVOID Context,
                                PVOID Environment)
{
    NT_ENTER(RtlQueryRegistryValues);
    UNICODE_STRING service;
    bool at_parameters;
    NTSTATUS status = STATUS_SUCCESS;
    UNREFERENCED_PARAMETER(Environment);
    if (nt_fails("RtlQueryRegistryValues"))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!nt_registry_service(RelativeTo & ~RTL_REGISTRY_OPTIONAL, Path, &service, &at_parameters))
        return (RelativeTo & RTL_REGISTRY_OPTIONAL) != 0 ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
    bool here = at_parameters;
    for (PRTL_QUERY_REGISTRY_TABLE entry = QueryTable;
         NT_SUCCESS(status) && (entry->Name != NULL || entry->QueryRoutine != NULL || entry->Flags != 0); entry++) {
        if ((entry->Flags & RTL_QUERY_REGISTRY_TOPKEY) != 0)
            here = at_parameters;
        if ((entry->Flags & RTL_QUERY_REGISTRY_SUBKEY) != 0) {
            here = !at_parameters && is_parameters(entry->Name);
            if (!here && (entry->Flags & RTL_QUERY_REGISTRY_REQUIRED) != 0)
                status = STATUS_OBJECT_NAME_NOT_FOUND;
        } else {
            status = query_value(entry, Context, &service, here);
        }
    }
    return status;
}

NTSTATUS RtlCheckRegistryKey(ULONG RelativeTo, PWSTR Path)
{
    NT_ENTER(RtlCheckRegistryKey);
    UNICODE_STRING service;
    bool at_parameters;
    if (nt_fails("RtlCheckRegistryKey"))
        return STATUS_INSUFFICIENT_RESOURCES;
    return nt_registry_service(RelativeTo, Path, &service, &at_parameters) ? STATUS_SUCCESS
                                                                           : STATUS_OBJECT_NAME_NOT_FOUND;
}
