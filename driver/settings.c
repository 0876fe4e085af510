/* SPDX-License-Identifier: MIT */
/*
 * settings.c - see settings.h.
 */
#include "driver/settings.h"

#define CAPACITY_DEFAULT 65536u
#define CAPACITY_MAX     4194304u
#define DEADLINE_DEFAULT 60000u

struct setting {
    PCWSTR name;
    ULONG lowest, highest, standard;
};

static const struct setting settings[] = {
    {L"DeadlineMs", GATEHOUSE_DEADLINE_MIN_MS, GATEHOUSE_DEADLINE_MAX_MS, DEADLINE_DEFAULT},
    {L"Undecided", GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_VERDICT_BLOCK},
    {L"NoDecider", GATEHOUSE_NO_DECIDER_HOLD, GATEHOUSE_NO_DECIDER_BLOCK, GATEHOUSE_NO_DECIDER_HOLD},
    {L"Capacity", 1, CAPACITY_MAX, CAPACITY_DEFAULT},
    {L"HoldLoopback", 0, 1, 0},
};
#define SETTINGS RTL_NUMBER_OF(settings)

/* Only a ULONG of the right type gets in: RTL_QUERY_REGISTRY_DIRECT would copy what is longer, if the old value of its
 * target said that there is room. */
static NTSTATUS NTAPI take_value(PWSTR name, ULONG type, PVOID data, ULONG size, PVOID context, PVOID value)
{
    UNREFERENCED_PARAMETER(name);
    UNREFERENCED_PARAMETER(context);
    if (type == REG_DWORD && size == sizeof(ULONG) && data != NULL)
        RtlCopyMemory(value, data, sizeof(ULONG));
    return STATUS_SUCCESS;
}

/* A string, with its NUL, that fits: else the folder is not set. */
static NTSTATUS NTAPI take_folder(PWSTR name, ULONG type, PVOID data, ULONG size, PVOID context, PVOID folder)
{
    UNREFERENCED_PARAMETER(context);
    if (type != REG_SZ || data == NULL || size < sizeof(WCHAR) || size % sizeof(WCHAR) != 0)
        return STATUS_SUCCESS;
    if (size > (DRIVER_FOLDER_MAX + 1u) * sizeof(WCHAR)) {
        DRIVER_TRACE("setting %ws is longer than %u characters; rules are not kept there\n", name, DRIVER_FOLDER_MAX);
        return STATUS_SUCCESS;
    }
    RtlCopyMemory(folder, data, size - sizeof(WCHAR));
    return STATUS_SUCCESS;
}

/* Each value by itself: a query ends at the first one that it does not like, and on Wine at one that is not there.
 * The second row is the zeroed end mark. Without the key or the value: the standard value stays. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS query_one(PCWSTR path, PCWSTR name, PRTL_QUERY_REGISTRY_ROUTINE take, PVOID target)
{
    RTL_QUERY_REGISTRY_TABLE table[2];

    RtlZeroMemory(table, sizeof(table));
    table[0].QueryRoutine = take;
    table[0].Flags = RTL_QUERY_REGISTRY_NOEXPAND;
    table[0].Name = (PWSTR)name;
    table[0].EntryContext = target;
    table[0].DefaultType = REG_NONE;
    return RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, path, table, NULL, NULL);
}

/* Only "it is not there" means that nothing is kept: a driver that could not look must not start without its rules. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS query_folder(PCWSTR path, PCWSTR name, wchar_t *folder)
{
    NTSTATUS status = query_one(path, name, take_folder, folder);

    return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS query(PCWSTR path, ULONG *values)
{
    NTSTATUS status;

    for (ULONG i = 0; i < SETTINGS; i++)
        (void)query_one(path, settings[i].name, take_value, &values[i]);
    status = query_folder(path, L"RulesFolder", driver_state.folder);
    if (NT_SUCCESS(status))
        status = query_folder(path, L"RulesVolatileFolder", driver_state.volatile_folder);
    return status;
}

/*
 * The subkey is part of the path: Wine does not enter one by RTL_QUERY_REGISTRY_SUBKEY. A UNICODE_STRING need not end
 * with a NUL; RtlQueryRegistryValues reads up to one.
 */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS query_counted(PUNICODE_STRING registry_path, ULONG *values)
{
    static const WCHAR subkey[] = L"\\Parameters";
    PWSTR path = ExAllocatePool2(POOL_FLAG_NON_PAGED, registry_path->Length + sizeof(subkey), DRIVER_POOL_TAG);

    NTSTATUS status;

    if (path == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(path, registry_path->Buffer, registry_path->Length);
    RtlCopyMemory(path + registry_path->Length / sizeof(WCHAR), subkey, sizeof(subkey));
    status = query(path, values);
    ExFreePoolWithTag(path, DRIVER_POOL_TAG);
    return status;
}

_Use_decl_annotations_
NTSTATUS settings_read(PUNICODE_STRING registry_path, struct gatehouse_policy *policy, uint32_t *capacity,
                       BOOLEAN *hold_loopback)
{
    ULONG values[SETTINGS];
    NTSTATUS status;

    for (ULONG i = 0; i < SETTINGS; i++)
        values[i] = settings[i].standard;
    status = query_counted(registry_path, values);
    for (ULONG i = 0; i < SETTINGS; i++) {
        if (values[i] < settings[i].lowest || values[i] > settings[i].highest) {
            DRIVER_TRACE("setting %ws is %u, out of range; using %u\n", settings[i].name, (unsigned)values[i],
                         (unsigned)settings[i].standard);
            values[i] = settings[i].standard;
        }
    }
    policy->version = GATEHOUSE_PROTOCOL_VERSION;
    policy->deadline_ms = values[0];
    policy->undecided = values[1];
    policy->no_decider = values[2];
    policy->reserved = 0;
    *capacity = values[3];
    *hold_loopback = (BOOLEAN)values[4];
    return status;
}
