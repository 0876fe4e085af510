/* SPDX-License-Identifier: MIT */
/*
 * fault_test.c - each call stack of a routine that can fail fails once.
 *
 * Page: Driver Verifier, "Systematic Low Resources Simulation".
 */
#include "tests/engine/nt/rules.h"

#include "nt/verify/fault.h"

#define TAG 'tluF'

static struct nt_faults *faults;

static int setup(void **state)
{
    faults = nt_faults_new(0);
    return rules_setup(state);
}

static int teardown(void **state)
{
    nt_faults_free(faults);
    return rules_teardown(state);
}

static unsigned failures;

__attribute__((noinline)) static PVOID allocate(void)
{
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, TAG);
    failures += block == NULL;
    return block;
}

static VOID release(PVOID block)
{
    if (block != NULL)
        ExFreePoolWithTag(block, TAG);
}

/* Two stacks lead to allocate(), one of them five times; a third one only behind a failure of the first. */
static void work(void)
{
    PVOID first = allocate();
    if (first == NULL)
        release(allocate());
    release(first);
    for (int turn = 0; turn < 5; turn++)
        release(allocate());
}

static unsigned runs_until_quiet(void)
{
    unsigned runs = 0;
    bool again = true;
    while (again && runs < 100) {
        struct nt_driver *driver = NULL;
        nt_faults_begin(faults, 0);
        NTSTATUS status = nt_driver_load("small", small_entry, NULL, 0, &driver);
        if (NT_SUCCESS(status)) {
            work();
            nt_driver_unload(driver);
        }
        again = nt_faults_end(faults);
        runs++;
    }
    return runs;
}

static void each_stack_fails_once(void **state)
{
    static const char *const expected[] = {"IoCreateDevice", "IoCreateSymbolicLink", "ExAllocatePool2",
                                           "ExAllocatePool2", "ExAllocatePool2"};
    (void)state;
    failures = 0;
    assert_int_equal(runs_until_quiet(), 6);
    assert_int_equal(failures, 1 + 1 + 2); /* the first, the loop's, the first with what is behind it */
    for (size_t index = 0; index < 5; index++) {
        const struct nt_failed *failed = nt_faults_at(faults, index);
        assert_non_null(failed);
        assert_string_equal(failed->routine, expected[index]);
        assert_true(failed->stack.count > 2);
    }
    assert_null(nt_faults_at(faults, 5));
    assert_int_equal(nt_faults_at(faults, 2)->call, 1);
    assert_int_equal(nt_faults_at(faults, 3)->call, 2);
    assert_int_equal(nt_faults_at(faults, 4)->call, 2);
}

/* From one place: the host's frames count too for a driver that is linked in. */
static void the_same_again_is_the_same(void **state)
{
    uint64_t sites[2][5];
    (void)state;
    for (int round = 0; round < 2; round++) {
        nt_faults_free(faults);
        faults = nt_faults_new(0);
        assert_int_equal(runs_until_quiet(), 6);
        for (size_t index = 0; index < 5; index++)
            sites[round][index] = nt_faults_at(faults, index)->site;
    }
    assert_memory_equal(sites[0], sites[1], sizeof sites[0]);
}

static void a_call_is_failed_by_its_number(void **state)
{
    struct nt_driver *driver = small_load();
    (void)state;
    failures = 0;
    nt_faults_begin_call(faults, "ExAllocatePool2", 4);
    work();
    assert_int_equal(failures, 1);
    assert_true(nt_faults_end(faults));
    nt_faults_begin_call(faults, "ExAllocatePool2", 7);
    work();
    assert_false(nt_faults_end(faults));
    nt_driver_unload(driver);
}

static void the_kth_new_stack_is_failed(void **state)
{
    struct nt_driver *driver = small_load();
    (void)state;
    static const struct {
        unsigned skip;
        bool fails;
        uint32_t call;
    } rounds[] = {{1, true, 2}, {1, false, 0}, {0, true, 1}};
    for (size_t round = 0, failed = 0; round < RTL_NUMBER_OF(rounds); round++) {
        nt_faults_begin(faults, rounds[round].skip);
        work();
        assert_int_equal(nt_faults_end(faults), rounds[round].fails);
        if (rounds[round].fails)
            assert_int_equal(nt_faults_at(faults, failed++)->call, rounds[round].call);
    }
    nt_driver_unload(driver);
}

static void the_host_is_not_failed(void **state)
{
    (void)state;
    nt_faults_begin(faults, 0);
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, TAG);
    assert_non_null(block); /* no driver is loaded */
    assert_false(nt_faults_end(faults));
    ExFreePoolWithTag(block, TAG);
}

/* What its page says it returns. */
static void each_routine_fails_as_on_windows(void **state)
{
    struct nt_driver *driver = small_load();
    HANDLE handle;
    PVOID thread = NULL;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"KeSetEvent");
    PKSTART_ROUTINE routine = (PKSTART_ROUTINE)(ULONG_PTR)PsTerminateSystemThread;
    (void)state;
    nt_faults_begin_call(faults, "IoAllocateWorkItem", 1);
    assert_null(IoAllocateWorkItem(small.device));
    nt_faults_begin_call(faults, "PsCreateSystemThread", 1);
    assert_int_equal(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, routine, NULL), STATUS_INSUFFICIENT_RESOURCES);
    nt_faults_begin_call(faults, "MmGetSystemRoutineAddress", 1);
    assert_null(MmGetSystemRoutineAddress(&name));
    nt_faults_begin_call(faults, "RtlCheckRegistryKey", 1);
    assert_int_equal(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, L"small"), STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, L"small"), STATUS_SUCCESS);
    nt_faults_end(faults);
    assert_int_equal(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, routine, NULL), STATUS_SUCCESS);
    nt_faults_begin_call(faults, "ObReferenceObjectByHandle", 1);
    assert_int_equal(ObReferenceObjectByHandle(handle, 0, NULL, UserMode, &thread, NULL), STATUS_ACCESS_DENIED);
    assert_null(thread);
    assert_true(nt_faults_end(faults));
    assert_int_equal(ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &thread, NULL), STATUS_SUCCESS);
    ZwClose(handle);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    nt_driver_unload(driver);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_stack_fails_once),       TEST(the_same_again_is_the_same), TEST(a_call_is_failed_by_its_number),
        TEST(the_kth_new_stack_is_failed), TEST(the_host_is_not_failed),     TEST(each_routine_fails_as_on_windows),
    };
    return cmocka_run_group_tests_name("nt fault", tests, NULL, NULL);
}
