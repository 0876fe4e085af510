/* SPDX-License-Identifier: MIT */
/*
 * registry_test.c - contract of RtlQueryRegistryValues over the values that the host gave, numbers and strings.
 *
 * Page: wdm.h RtlQueryRegistryValues (its table of how data is returned), RtlFreeUnicodeString.
 */
#include "tests/engine/nt/test.h"

#define PATH L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\reads\\Parameters"

static struct {
    ULONG type, size, calls;
    WCHAR text[32];
} seen;

static NTSTATUS note(PWSTR name, ULONG type, PVOID data, ULONG size, PVOID context, PVOID entry_context)
{
    (void)name;
    assert_ptr_equal(context, &seen);
    seen.calls++;
    seen.type = type;
    seen.size = size;
    if (size <= sizeof seen.text)
        memcpy(seen.text, data, size);
    return entry_context == NULL ? STATUS_SUCCESS : *(NTSTATUS *)entry_context;
}

static NTSTATUS query(RTL_QUERY_REGISTRY_TABLE entry)
{
    RTL_QUERY_REGISTRY_TABLE table[2] = {entry, {NULL}};
    memset(&seen, 0, sizeof seen);
    return RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, PATH, table, &seen, NULL);
}

static RTL_QUERY_REGISTRY_TABLE direct(PWSTR name, PVOID to, ULONG type)
{
    return (RTL_QUERY_REGISTRY_TABLE){NULL,
                                      RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK,
                                      name,
                                      to,
                                      type << RTL_QUERY_REGISTRY_TYPECHECK_SHIFT,
                                      NULL,
                                      0};
}

static void assert_text(PCUNICODE_STRING text, PCWSTR expected)
{
    UNICODE_STRING wanted;
    RtlInitUnicodeString(&wanted, expected);
    assert_int_equal(text->Length, wanted.Length);
    assert_memory_equal(text->Buffer, wanted.Buffer, wanted.Length + sizeof(WCHAR));
}

static VOID unload(PDRIVER_OBJECT driver)
{
    (void)driver;
}

/* A routine gets the string with its NUL; its error ends the call, but for STATUS_BUFFER_TOO_SMALL. */
static void by_routine(void)
{
    NTSTATUS answer = STATUS_SUCCESS;
    RTL_QUERY_REGISTRY_TABLE entry = {note, 0, L"folder", &answer, REG_NONE, NULL, 0};
    assert_int_equal(query(entry), STATUS_SUCCESS);
    assert_true(seen.calls == 1 && seen.type == REG_SZ && seen.size == 12);
    assert_memory_equal(seen.text, L"\\x\\\x00e9\xdcff", 12);
    answer = STATUS_DATA_ERROR;
    assert_int_equal(query(entry), STATUS_DATA_ERROR);
    answer = STATUS_BUFFER_TOO_SMALL;
    assert_int_equal(query(entry), STATUS_SUCCESS);
    entry.Name = L"Number";
    answer = STATUS_SUCCESS;
    assert_int_equal(query(entry), STATUS_SUCCESS);
    assert_true(seen.type == REG_DWORD && seen.size == 4);
}

static void by_buffer(void)
{
    WCHAR room[8];
    ULONG number = 0;
    UNICODE_STRING given = {0, sizeof room, room}, made = {0, 0, NULL}, small = {0, 10, room};
    assert_int_equal(query(direct(L"Folder", &given, REG_SZ)), STATUS_SUCCESS);
    assert_text(&given, L"\\x\\\x00e9\xdcff");
    assert_int_equal(query(direct(L"Folder", &small, REG_SZ)), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(query(direct(L"Folder", &made, REG_SZ)), STATUS_SUCCESS);
    assert_text(&made, L"\\x\\\x00e9\xdcff");
    RtlFreeUnicodeString(&made);
    assert_null(made.Buffer);
    assert_int_equal(query(direct(L"Empty", &given, REG_SZ)), STATUS_SUCCESS);
    assert_text(&given, L"");
    assert_int_equal(query(direct(L"Folder", &number, REG_DWORD)), STATUS_OBJECT_TYPE_MISMATCH);
    assert_int_equal(query(direct(L"Number", &given, REG_SZ)), STATUS_OBJECT_TYPE_MISMATCH);
    assert_int_equal(number, 0);
    assert_int_equal(query(direct(L"Number", &number, REG_DWORD)), STATUS_SUCCESS);
    assert_int_equal(number, 7);
}

static void by_default(void)
{
    WCHAR room[8];
    UNICODE_STRING given = {0, sizeof room, room};
    RTL_QUERY_REGISTRY_TABLE entry = {NULL, RTL_QUERY_REGISTRY_DIRECT, L"None", &given, REG_SZ, L"abc", 0};
    assert_int_equal(query(entry), STATUS_SUCCESS);
    assert_text(&given, L"abc");
    entry.Flags |= RTL_QUERY_REGISTRY_REQUIRED;
    assert_int_equal(query(entry), STATUS_OBJECT_NAME_NOT_FOUND);
}

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    driver->DriverUnload = unload;
    by_routine();
    by_buffer();
    by_default();
    return STATUS_SUCCESS;
}

static void strings_and_numbers(void **state)
{
    struct nt_driver *driver;
    const struct nt_registry_value values[] = {{"Number", 7}, {"Folder", 0, "\\x\\\xc3\xa9\xff"}, {"Empty", 0, ""}};
    (void)state;
    assert_int_equal(nt_driver_load("reads", entry, values, RTL_NUMBER_OF(values), &driver), STATUS_SUCCESS);
    nt_driver_unload(driver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {nt_test(strings_and_numbers)};
    return cmocka_run_group_tests_name("nt registry", tests, NULL, NULL);
}
