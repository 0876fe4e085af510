/* SPDX-License-Identifier: MIT */
/*
 * rtl_test.c - contract of strings, SIDs, debug output, object and process routines.
 */
#include <initguid.h>

#include "tests/engine/nt/test.h"

#include <ntstrsafe.h>

DEFINE_GUID(GUID_OF_TEST, 0x01020304, 0x0506, 0x0708, 9, 10, 11, 12, 13, 14, 15, 16);

/* guiddef.h DEFINE_GUID with INITGUID defines. */
static void guid_is_defined(void **state)
{
    static const UCHAR bytes[16] = {4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16};
    (void)state;
    assert_memory_equal(&GUID_OF_TEST, bytes, 16);
}

/* wdm.h RtlInitUnicodeString, RtlCopyUnicodeString, RtlEqualUnicodeString, RtlCompareUnicodeString. */
static void strings_are_counted(void **state)
{
    UNICODE_STRING a, b;
    WCHAR room[4] = {'x', 'x', 'x', 'x'};
    UNICODE_STRING cut = {0, sizeof room, room};
    (void)state;
    RtlInitUnicodeString(&a, L"Gate");
    RtlInitUnicodeString(&b, L"gATE");
    assert_int_equal(a.Length, 8);
    assert_int_equal(a.MaximumLength, 10);
    assert_false(RtlEqualUnicodeString(&a, &b, FALSE));
    assert_true(RtlEqualUnicodeString(&a, &b, TRUE));
    assert_true(RtlCompareUnicodeString(&a, &b, FALSE) < 0);
    RtlCopyUnicodeString(&cut, &a);
    assert_int_equal(cut.Length, 8);
    assert_int_equal(room[3], 'e');
    RtlInitUnicodeString(&a, NULL);
    assert_int_equal(a.Length, 0);
    RtlCopyUnicodeString(&cut, NULL);
    assert_int_equal(cut.Length, 0);
    assert_int_equal(RtlAppendUnicodeToString(&cut, L"abcd"), STATUS_SUCCESS);
    assert_int_equal(RtlAppendUnicodeToString(&cut, L"e"), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(RtlCompareMemory("abcd", "abxd", 4), 2);
}

/* wdm.h RtlEqualUnicodeString: PASSIVE_LEVEL. */
static void strings_are_compared_at_passive(void **state)
{
    UNICODE_STRING a = RTL_CONSTANT_STRING(L"a");
    KIRQL irql;
    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    RtlEqualUnicodeString(&a, &a, TRUE);
    violations_expect("irql-too-high", 1u);
    PAGED_CODE();
    violations_expect("pageable-at-dispatch", 1u);
    KeLowerIrql(irql);
    PAGED_CODE();
}

/* ntstrsafe.h RtlStringCbCopyW, RtlStringCbLengthW. */
static void bounded_strings(void **state)
{
    WCHAR room[3];
    size_t length;
    (void)state;
    assert_int_equal(RtlStringCbCopyW(room, sizeof room, L"abc"), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(room[2], 0);
    assert_int_equal(RtlStringCbLengthW(room, sizeof room, &length), STATUS_SUCCESS);
    assert_int_equal(length, 4);
    assert_int_equal(RtlStringCbLengthW(room, 4, &length), STATUS_INVALID_PARAMETER);
}

/* ntifs.h RtlInitializeSid, RtlCopySid, RtlEqualSid, RtlLengthSid, RtlValidSid. */
static void sids(void **state)
{
    UCHAR a[SECURITY_MAX_SID_SIZE] = {0}, b[SECURITY_MAX_SID_SIZE] = {0};
    SID_IDENTIFIER_AUTHORITY nt = {SECURITY_NT_AUTHORITY};
    (void)state;
    assert_int_equal(RtlInitializeSid(a, &nt, 2), STATUS_SUCCESS);
    *RtlSubAuthoritySid(a, 0) = SECURITY_BUILTIN_DOMAIN_RID;
    *RtlSubAuthoritySid(a, 1) = DOMAIN_ALIAS_RID_ADMINS;
    assert_int_equal(RtlLengthSid(a), 16);
    assert_int_equal(RtlLengthRequiredSid(2), 16);
    assert_true(RtlValidSid(a));
    assert_false(RtlValidSid(b));
    assert_int_equal(RtlCopySid(15, b, a), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(RtlCopySid(sizeof b, b, a), STATUS_SUCCESS);
    assert_true(RtlEqualSid(a, b));
    *RtlSubAuthoritySid(b, 1) = DOMAIN_ALIAS_RID_USERS;
    assert_false(RtlEqualSid(a, b));
    assert_int_equal(RtlInitializeSid(b, &nt, 16), STATUS_INVALID_PARAMETER);
}

static char printed[512];
static ULONG printed_level;

static void keep_text(void *context, ULONG component, ULONG level, const char *text)
{
    (void)context;
    (void)component;
    snprintf(printed, sizeof printed, "%s", text);
    printed_level = level;
}

/* wdm.h DbgPrint: format of C's printf with Windows' sizes, plus %wZ and %ws. */
static void debug_formats(void **state)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"T\u00fcr\U0001f600");
    UNICODE_STRING part = {4, 4, L"abcd"};
    (void)state;
    nt_set_debug_sink(keep_text, NULL);
    DbgPrintEx(DPFLTR_IHVNETWORK_ID, DPFLTR_TRACE_LEVEL, "%d %5u|%-4x|%08lX %hu %c%% %s %.2s", -1, 7u, 0xau, 0xbeefu,
               65537, 'q', "text", "cut");
    assert_string_equal(printed, "-1     7|a   |0000BEEF 1 q% text cu");
    assert_int_equal(printed_level, DPFLTR_TRACE_LEVEL);
    DbgPrint("%llu %I64x %wZ %ws %S %wZ %zu", UINT64_MAX, (ULONG64)1 << 40, &name, L"wide", L"too", &part, (size_t)3);
    assert_string_equal(printed, "18446744073709551615 10000000000 T\u00fcr\U0001f600 wide too ab 3");
    DbgPrint("%p %s %*d", NULL, (char *)NULL, 4, 5);
    assert_string_equal(printed, "0000000000000000 (null)    5");
    nt_set_debug_sink(NULL, NULL);
}

/* wdm.h DbgPrint: Unicode formats at PASSIVE_LEVEL only. Also when the message is not shown. */
static void debug_unicode_needs_passive(void **state)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"x");
    KIRQL irql;
    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    DbgPrint("%u %lu %s", 1u, 2u, "x");
    violations_none();
    DbgPrint("%wZ", &name);
    violations_expect("pageable-at-dispatch", 1u);
    DbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, "%ws", L"x");
    violations_expect("pageable-at-dispatch", 1u);
    KeLowerIrql(irql);
}

/* wdm.h MmGetSystemRoutineAddress: NULL for a name that is not exported. */
static void routines_are_found_by_name(void **state)
{
    UNICODE_STRING known = RTL_CONSTANT_STRING(L"ExAllocatePool2"), unknown = RTL_CONSTANT_STRING(L"ExAllocatePool3");
    (void)state;
    assert_ptr_equal(MmGetSystemRoutineAddress(&known), (PVOID)(ULONG_PTR)ExAllocatePool2);
    assert_null(MmGetSystemRoutineAddress(&unknown));
}

/* ntddk.h PsGetCurrentProcessId, PsGetProcessCreateTimeQuadPart; wdm.h ObReferenceObject keeps the object. */
static void process_is_the_hosts_choice(void **state)
{
    (void)state;
    HANDLE own = PsGetCurrentProcessId();
    nt_set_current_process(77, 12345);
    assert_int_equal((uintptr_t)PsGetCurrentProcessId(), 77);
    PEPROCESS process = PsGetCurrentProcess();
    assert_ptr_equal(process, IoGetCurrentProcess());
    ObReferenceObject(process);
    nt_set_current_process(78, 1);
    assert_int_equal((uintptr_t)PsGetProcessId(PsGetCurrentProcess()), 78);
    assert_int_equal((uintptr_t)PsGetProcessId(process), 77);
    assert_int_equal(PsGetProcessCreateTimeQuadPart(process), 12345);
    ObDereferenceObject(process);
    nt_set_current_process(0, 0);
    assert_ptr_equal(PsGetCurrentProcessId(), own);
}

static void lists(void **state)
{
    LIST_ENTRY head, a, b;
    (void)state;
    InitializeListHead(&head);
    assert_true(IsListEmpty(&head));
    InsertTailList(&head, &a);
    InsertHeadList(&head, &b);
    assert_ptr_equal(head.Flink, &b);
    assert_false(RemoveEntryList(&b));
    assert_ptr_equal(RemoveHeadList(&head), &a);
    assert_true(IsListEmpty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(guid_is_defined),
        nt_test(strings_are_counted),
        nt_test(strings_are_compared_at_passive),
        nt_test(bounded_strings),
        nt_test(sids),
        nt_test(debug_formats),
        nt_test(debug_unicode_needs_passive),
        nt_test(routines_are_found_by_name),
        nt_test(process_is_the_hosts_choice),
        nt_test(lists),
    };
    return cmocka_run_group_tests_name("nt rtl", tests, NULL, NULL);
}
