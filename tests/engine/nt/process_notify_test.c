/* SPDX-License-Identifier: MIT */
/*
 * process_notify_test.c - contract of PsSetCreateProcessNotifyRoutine and its Ex form; each case names its page.
 */
#include "tests/engine/nt/rules.h"

#include <pthread.h>

static struct {
    LONG plain, ex;
    HANDLE parent, process, current;
    BOOLEAN create;
    LONGLONG start;
    bool has_info;
} seen;

static VOID note(HANDLE parent, HANDLE process, BOOLEAN create)
{
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    seen.plain++;
    seen.parent = parent;
    seen.process = process;
    seen.create = create;
    seen.current = PsGetCurrentProcessId();
}

static VOID note_ex(PEPROCESS process, HANDLE process_id, PPS_CREATE_NOTIFY_INFO info)
{
    seen.ex++;
    seen.process = process_id;
    assert_ptr_equal(PsGetProcessId(process), process_id);
    seen.start = PsGetProcessCreateTimeQuadPart(process);
    seen.has_info = info != NULL;
    if (info != NULL) {
        assert_int_equal(info->Size, sizeof *info);
        seen.parent = info->ParentProcessId;
    }
}

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    memset(&small, 0, sizeof small);
    return rules_setup(state);
}

/* PCREATE_PROCESS_NOTIFY_ROUTINE: arguments, and whose context it is in. */
static void both_kinds_are_told(void **state)
{
    (void)state;
    HANDLE own = PsGetCurrentProcessId();
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, FALSE), STATUS_SUCCESS);
    assert_int_equal(PsSetCreateProcessNotifyRoutineEx(note_ex, FALSE), STATUS_SUCCESS);
    nt_process_created(700, 99, 600);
    assert_true(seen.plain == 1 && seen.ex == 1 && seen.create && seen.has_info);
    assert_true(seen.parent == (HANDLE)600 && seen.process == (HANDLE)700 && seen.current == (HANDLE)600);
    assert_int_equal(seen.start, 99);
    nt_process_ended(700, 99);
    assert_true(seen.plain == 2 && seen.ex == 2 && !seen.create && !seen.has_info);
    assert_true(seen.process == (HANDLE)700 && seen.current == (HANDLE)700);
    assert_ptr_equal(PsGetCurrentProcessId(), own);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, TRUE), STATUS_SUCCESS);
    nt_process_ended(701, 0);
    assert_true(seen.plain == 2 && seen.ex == 3);
    assert_int_equal(PsSetCreateProcessNotifyRoutineEx(note_ex, TRUE), STATUS_SUCCESS);
    nt_process_ended(702, 0);
    assert_true(seen.plain == 2 && seen.ex == 3);
}

/* PsSetCreateProcessNotifyRoutine: registered already is STATUS_INVALID_PARAMETER; so is the 65th. */
static void statuses(void **state)
{
    (void)state;
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, FALSE), STATUS_SUCCESS);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, FALSE), STATUS_INVALID_PARAMETER);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, TRUE), STATUS_SUCCESS);
    assert_false(NT_SUCCESS(PsSetCreateProcessNotifyRoutine(note, TRUE)));
    for (ULONG_PTR index = 1; index <= 64; index++)
        assert_int_equal(PsSetCreateProcessNotifyRoutine((PCREATE_PROCESS_NOTIFY_ROUTINE)index, FALSE), STATUS_SUCCESS);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, FALSE), STATUS_INVALID_PARAMETER);
    for (ULONG_PTR index = 1; index <= 64; index++)
        assert_int_equal(PsSetCreateProcessNotifyRoutine((PCREATE_PROCESS_NOTIFY_ROUTINE)index, TRUE), STATUS_SUCCESS);
}

static pthread_barrier_t inside;
static LONG finished;

static VOID stay(HANDLE parent, HANDLE process, BOOLEAN create)
{
    LARGE_INTEGER interval = {.QuadPart = -300000};
    (void)parent, (void)process, (void)create;
    pthread_barrier_wait(&inside);
    (void)KeDelayExecutionThread(KernelMode, FALSE, &interval);
    InterlockedExchange(&finished, 1);
}

static void *end_process(void *unused)
{
    nt_process_ended(800, 0);
    return unused;
}

/* PsSetCreateProcessNotifyRoutineEx, Remove: it waits for routines that are under way. */
static void removal_waits(void **state)
{
    pthread_t native;
    (void)state;
    pthread_barrier_init(&inside, NULL, 2);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(stay, FALSE), STATUS_SUCCESS);
    pthread_create(&native, NULL, end_process, NULL);
    pthread_barrier_wait(&inside);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(stay, TRUE), STATUS_SUCCESS);
    assert_int_equal(finished, 1);
    pthread_join(native, NULL);
}

static VOID remove_itself(HANDLE parent, HANDLE process, BOOLEAN create)
{
    (void)parent, (void)process, (void)create;
    assert_false(NT_SUCCESS(PsSetCreateProcessNotifyRoutine(remove_itself, TRUE)));
}

static VOID leave_routine(PDEVICE_OBJECT device)
{
    (void)device;
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, FALSE), STATUS_SUCCESS);
}

static VOID stay_raised(HANDLE parent, HANDLE process, BOOLEAN create)
{
    KIRQL irql;
    (void)parent, (void)process, (void)create;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
}

/* PsSetCreateProcessNotifyRoutine: not from within one; removed before the driver goes; PASSIVE_LEVEL. */
static void rules(void **state)
{
    KIRQL irql;
    (void)state;
    assert_int_equal(PsSetCreateProcessNotifyRoutine(remove_itself, FALSE), STATUS_SUCCESS);
    nt_process_ended(900, 0);
    broken("deadlock", NT_BEGAN_NOTHING);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(remove_itself, TRUE), STATUS_SUCCESS);
    small.unload = leave_routine;
    nt_driver_unload(small_load());
    broken("left-process-notify", NT_BEGAN_OBJECT);
    nt_process_ended(901, 0);
    assert_int_equal(seen.plain, 0);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(stay_raised, FALSE), STATUS_SUCCESS);
    nt_process_ended(902, 0);
    broken("irql-changed", NT_ABOUT_ROUTINE);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(stay_raised, TRUE), STATUS_SUCCESS);
    KeRaiseIrql(APC_LEVEL, &irql);
    (void)PsSetCreateProcessNotifyRoutine(note, FALSE);
    KeLowerIrql(irql);
    broken("irql-too-high", NT_BEGAN_NOTHING);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, TRUE), STATUS_SUCCESS);
}

static BOOLEAN fail_all(const char *routine, void *context)
{
    (void)context;
    return strncmp(routine, "PsSetCreateProcessNotify", 24) == 0;
}

/* It fails as its page says; taking out never does. */
static void failures(void **state)
{
    (void)state;
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, FALSE), STATUS_SUCCESS);
    nt_set_fault(fail_all, NULL);
    assert_int_equal(PsSetCreateProcessNotifyRoutineEx(note_ex, FALSE), STATUS_INVALID_PARAMETER);
    assert_int_equal(PsSetCreateProcessNotifyRoutine(note, TRUE), STATUS_SUCCESS);
    nt_set_fault(NULL, NULL);
    nt_process_ended(1, 0);
    assert_true(seen.plain == 0 && seen.ex == 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, rules_teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_kinds_are_told), TEST(statuses), TEST(removal_waits), TEST(rules), TEST(failures),
    };
    return cmocka_run_group_tests_name("nt process notify", tests, NULL, NULL);
}
