/* SPDX-License-Identifier: MIT */
/*
 * registry.c - reads the values that the host gave to nt_driver_load.
 *
 * Known are HKLM services' keys of loaded drivers, each with one subkey, Parameters, of REG_DWORDs.
 * A table may reach it by its Path or by an RTL_QUERY_REGISTRY_SUBKEY entry, and get a value by a
 * query routine or by RTL_QUERY_REGISTRY_DIRECT.
 * Pages: wdm.h RtlQueryRegistryValues, RtlCheckRegistryKey.
 */
#include "nt/foreign.h"
#include "nt/internal.h"

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

static NTSTATUS give(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context, ULONG value)
{
    if (entry->QueryRoutine != NULL)
        return NT_CALL(entry->QueryRoutine, (PWSTR)entry->Name, REG_DWORD, &value, sizeof(value), context,
                       entry->EntryContext);
    *(ULONG *)entry->EntryContext = value;
    return STATUS_SUCCESS;
}

static NTSTATUS give_default(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context)
{
    if ((entry->Flags & RTL_QUERY_REGISTRY_REQUIRED) != 0)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if ((entry->DefaultType & 0xffffffu) == REG_DWORD && entry->DefaultData != NULL)
        return give(entry, context, *(const ULONG *)entry->DefaultData);
    return STATUS_SUCCESS;
}

static NTSTATUS query_value(const RTL_QUERY_REGISTRY_TABLE *entry, PVOID context, PCUNICODE_STRING service,
                            bool in_parameters)
{
    bool direct = (entry->Flags & RTL_QUERY_REGISTRY_DIRECT) != 0;
    ULONG value;
    if (entry->Name == NULL || direct == (entry->QueryRoutine != NULL))
        return STATUS_NOT_SUPPORTED;
    if (!in_parameters || !nt_registry_find(service, entry->Name, &value))
        return give_default(entry, context);
    if (direct && (entry->Flags & RTL_QUERY_REGISTRY_TYPECHECK) != 0 &&
        entry->DefaultType >> RTL_QUERY_REGISTRY_TYPECHECK_SHIFT != REG_DWORD)
        return STATUS_OBJECT_TYPE_MISMATCH;
    return give(entry, context, value);
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
