/* SPDX-License-Identifier: MIT */
/*
 * ke_test.c - contract of IRQL, spin locks, DPCs and time. Each test names the page it follows.
 */
#include "tests/engine/nt/test.h"

/* wdm.h KeRaiseIrql, KeLowerIrql. */
static void irql_is_raised_and_restored(void **state)
{
    KIRQL old;
    (void)state;
    KeRaiseIrql(APC_LEVEL, &old);
    assert_int_equal(old, PASSIVE_LEVEL);
    assert_int_equal(KeRaiseIrqlToDpcLevel(), APC_LEVEL);
    assert_int_equal(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KeLowerIrql(PASSIVE_LEVEL);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

/* wdm.h KeRaiseIrql: "If the new IRQL is less than the current IRQL, a bug check occurs"; Driver Verifier, Automatic
 * Checks. */
static void irql_is_not_lowered_by_raising(void **state)
{
    KIRQL old;
    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeRaiseIrql(APC_LEVEL, &old);
    violations_expect("irql-raise-lowers", 1u);
    KeLowerIrql(DISPATCH_LEVEL);
    violations_expect("irql-lower-raises", 1u);
    KeLowerIrql(PASSIVE_LEVEL);
}

/* wdm.h KeAcquireSpinLock: raises to DISPATCH_LEVEL, KeReleaseSpinLock restores. */
static void spin_lock_raises_and_restores(void **state)
{
    KSPIN_LOCK lock;
    KIRQL irql;
    (void)state;
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    assert_int_equal(irql, PASSIVE_LEVEL);
    assert_int_equal(KeGetCurrentIrql(), DISPATCH_LEVEL);
    assert_int_equal(nt_spin_locks_held(), 1);
    KeReleaseSpinLock(&lock, irql);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

/* "Introduction to Spin Locks": a spin lock must not be acquired twice by one holder. */
static void spin_lock_is_not_recursive(void **state)
{
    KSPIN_LOCK lock;
    KIRQL irql, inner;
    (void)state;
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    KeAcquireSpinLock(&lock, &inner);
    violations_expect("lock-recursion", 1u);
    KeReleaseSpinLock(&lock, irql);
}

/* Driver Verifier, Deadlock Detection: release of a lock that is not held. */
static void spin_lock_not_held_is_not_released(void **state)
{
    KSPIN_LOCK lock;
    KIRQL irql;
    (void)state;
    KeInitializeSpinLock(&lock);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeReleaseSpinLockFromDpcLevel(&lock);
    violations_expect("lock-not-held", 1u);
    KeLowerIrql(irql);
}

/* wdm.h KeReleaseSpinLock: IRQL = DISPATCH_LEVEL; KeAcquireSpinLockAtDpcLevel: >= DISPATCH_LEVEL. */
static void spin_lock_at_dpc_level_needs_it(void **state)
{
    KSPIN_LOCK lock;
    (void)state;
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLockAtDpcLevel(&lock);
    violations_expect("irql-too-low", 1u);
    KeReleaseSpinLock(&lock, PASSIVE_LEVEL);
    violations_expect("irql-too-low", 1u);
}

/* wdm.h KeReleaseSpinLock: locks are released before the IRQL falls below DISPATCH_LEVEL. */
static void irql_does_not_fall_under_a_lock(void **state)
{
    KSPIN_LOCK a, b;
    KIRQL irql;
    (void)state;
    KeInitializeSpinLock(&a);
    KeInitializeSpinLock(&b);
    KeAcquireSpinLock(&a, &irql);
    KeAcquireSpinLockAtDpcLevel(&b);
    KeReleaseSpinLock(&b, irql);
    violations_expect("irql-lowered-under-lock", 1u);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeReleaseSpinLock(&a, irql);
}

/* "Queued Spin Locks": drivers must not mix queued and ordinary use of one lock. */
static void queued_lock_is_not_mixed(void **state)
{
    KSPIN_LOCK lock;
    KLOCK_QUEUE_HANDLE handle;
    KIRQL irql;
    (void)state;
    KeInitializeSpinLock(&lock);
    KeAcquireInStackQueuedSpinLock(&lock, &handle);
    assert_int_equal(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLock(&handle);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    violations_none();
    KeAcquireSpinLock(&lock, &irql);
    violations_expect("lock-kind", 1u);
    KeReleaseSpinLock(&lock, irql);
}

static KSPIN_LOCK shared_lock;
static uint64_t shared_count;

static VOID count_up(PVOID context)
{
    for (int turn = 0; turn < 20000; turn++) {
        KIRQL irql;
        KeAcquireSpinLock(&shared_lock, &irql);
        (*(uint64_t *)context)++;
        KeReleaseSpinLock(&shared_lock, irql);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* wdm.h PsCreateSystemThread, KeWaitForSingleObject on a thread; the lock excludes. */
static void spin_lock_excludes_threads(void **state)
{
    HANDLE handles[4];
    PVOID threads[4];
    (void)state;
    KeInitializeSpinLock(&shared_lock);
    for (int index = 0; index < 4; index++) {
        assert_int_equal(
            PsCreateSystemThread(&handles[index], THREAD_ALL_ACCESS, NULL, NULL, NULL, count_up, &shared_count),
            STATUS_SUCCESS);
        assert_int_equal(
            ObReferenceObjectByHandle(handles[index], SYNCHRONIZE, *PsThreadType, KernelMode, &threads[index], NULL),
            STATUS_SUCCESS);
        ZwClose(handles[index]);
    }
    for (int index = 0; index < 4; index++) {
        assert_int_equal(KeWaitForSingleObject(threads[index], Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
        ObDereferenceObject(threads[index]);
    }
    assert_int_equal(shared_count, 80000);
}

static LONG lock_taken;

static VOID release_foreign(PVOID context)
{
    KIRQL irql;
    LARGE_INTEGER interval = {.QuadPart = -1000};
    while (ReadAcquire(&lock_taken) == 0)
        KeDelayExecutionThread(KernelMode, FALSE, &interval);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeReleaseSpinLockFromDpcLevel(context);
    KeLowerIrql(irql);
}

/* Driver Verifier, Deadlock Detection: a lock is released by the thread that acquired it. */
static void spin_lock_is_released_by_its_owner(void **state)
{
    KSPIN_LOCK lock;
    KIRQL irql;
    HANDLE handle;
    PVOID thread;
    (void)state;
    KeInitializeSpinLock(&lock);
    assert_int_equal(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, release_foreign, &lock), STATUS_SUCCESS);
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, NULL, KernelMode, &thread, NULL);
    KeAcquireSpinLock(&lock, &irql);
    InterlockedExchange(&lock_taken, 1);
    for (uint64_t began = nt_now(); nt_now() - began < 300000000 && /* 30 s */
                                    __atomic_load_n(&violations_seen.count, __ATOMIC_ACQUIRE) == 0;)
        YieldProcessor();
    KeReleaseSpinLock(&lock, irql);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    ZwClose(handle);
    violations_expect("lock-foreign-release", 1u);
}

struct dpc_seen {
    unsigned runs;
    KIRQL irql;
    PVOID argument1, argument2;
};

static VOID dpc_routine(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct dpc_seen *seen = context;
    (void)dpc;
    seen->runs++;
    seen->irql = KeGetCurrentIrql();
    seen->argument1 = argument1;
    seen->argument2 = argument2;
}

/* wdm.h KeInsertQueueDpc: runs at DISPATCH_LEVEL once the IRQL allows; TRUE only if not queued already. */
static void dpc_waits_for_the_irql(void **state)
{
    struct dpc_seen seen = {0};
    KDPC dpc;
    KIRQL irql;
    (void)state;
    KeInitializeDpc(&dpc, dpc_routine, &seen);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    assert_true(KeInsertQueueDpc(&dpc, &dpc, &irql));
    assert_false(KeInsertQueueDpc(&dpc, NULL, NULL));
    assert_int_equal(seen.runs, 0);
    KeLowerIrql(irql);
    assert_int_equal(seen.runs, 1);
    assert_int_equal(seen.irql, DISPATCH_LEVEL);
    assert_ptr_equal(seen.argument1, &dpc);
    assert_ptr_equal(seen.argument2, &irql);
    assert_true(KeInsertQueueDpc(&dpc, NULL, NULL));
    assert_int_equal(seen.runs, 2);
}

/* wdm.h KeRemoveQueueDpc: TRUE if it was in the queue. */
static void dpc_is_removed(void **state)
{
    struct dpc_seen seen = {0};
    KDPC dpc;
    KIRQL irql;
    (void)state;
    KeInitializeDpc(&dpc, dpc_routine, &seen);
    assert_false(KeRemoveQueueDpc(&dpc));
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    assert_true(KeRemoveQueueDpc(&dpc));
    KeLowerIrql(irql);
    assert_int_equal(seen.runs, 0);
    KeFlushQueuedDpcs();
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeFlushQueuedDpcs();
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
}

static uint64_t turned;

static uint64_t turned_now(void)
{
    return __atomic_load_n(&turned, __ATOMIC_RELAXED);
}

/* wdm.h KeQueryInterruptTime, KeQuerySystemTimePrecise: 100 ns; both follow a turned clock. */
static void time_follows_the_clock(void **state)
{
    LARGE_INTEGER before, after;
    (void)state;
    ULONGLONG unbiased = KeQueryUnbiasedInterruptTime(); /* the earlier of the two calls */
    assert_true(KeQueryInterruptTime() >= unbiased);
    KeQuerySystemTimePrecise(&before);
    assert_true(before.QuadPart > 132000000000000000); /* 2019 */
    turned = 500;
    nt_set_clock(turned_now);
    KeQuerySystemTimePrecise(&before);
    turned += 10000000;
    KeQuerySystemTimePrecise(&after);
    assert_int_equal(KeQueryInterruptTime(), 10000500);
    assert_int_equal(after.QuadPart - before.QuadPart, 10000000);
    nt_set_clock(NULL);
}

/* wdm.h KeSetTimerEx: relative due time, period in ms; KeCancelTimer: TRUE if it was set. */
static void timer_runs_its_dpc_in_the_pump(void **state)
{
    struct dpc_seen seen = {0};
    KTIMER timer;
    KDPC dpc;
    LARGE_INTEGER due = {.QuadPart = -1000000};
    (void)state;
    turned = 1000;
    nt_set_clock(turned_now);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, dpc_routine, &seen);
    assert_false(KeSetTimerEx(&timer, due, 200, &dpc));
    assert_true(KeSetTimerEx(&timer, due, 200, &dpc));
    assert_int_equal(nt_pump(), 1001000);
    assert_int_equal(seen.runs, 0);
    turned = 1001000;
    assert_int_equal(nt_pump(), 3001000);
    assert_int_equal(seen.runs, 1);
    assert_int_equal(seen.irql, DISPATCH_LEVEL);
    assert_true(KeReadStateTimer(&timer));
    turned = 3001000;
    nt_pump();
    assert_int_equal(seen.runs, 2);
    assert_true(KeCancelTimer(&timer));
    assert_false(KeCancelTimer(&timer));
    turned = 9000000;
    assert_int_equal(nt_pump(), NT_NEVER);
    assert_int_equal(seen.runs, 2);
    nt_set_clock(NULL);
}

static unsigned wakes;

static void count_wake(void *context)
{
    assert_ptr_equal(context, &wakes);
    wakes++;
}

/* nt.h nt_set_pump_wake: called when there is work earlier than nt_pump last said, once. */
static void pump_is_woken_for_earlier_work_only(void **state)
{
    KTIMER soon, late;
    LARGE_INTEGER one_hour = {.QuadPart = -36000000000}, two_hours = {.QuadPart = -72000000000};
    (void)state;
    KeInitializeTimer(&soon);
    KeInitializeTimer(&late);
    assert_int_equal(nt_pump(), NT_NEVER);
    nt_set_pump_wake(count_wake, &wakes);
    KeSetTimer(&soon, one_hour, NULL);
    assert_int_equal(wakes, 1);
    nt_pump();
    KeSetTimer(&late, two_hours, NULL);
    assert_int_equal(wakes, 1);
    nt_set_pump_wake(NULL, NULL);
    assert_true(KeCancelTimer(&soon));
    assert_true(KeCancelTimer(&late));
}

/* wdm.h KeSetTimer with thousands of timers: they expire in the order of their due times. */
static void timers_expire_in_order(void **state)
{
    enum { COUNT = 500 };
    static KTIMER timers[COUNT];
    static KDPC dpcs[COUNT];
    struct dpc_seen seen = {0};
    uint32_t random = 1;
    (void)state;
    turned = 0;
    nt_set_clock(turned_now);
    for (int index = 0; index < COUNT; index++) {
        random = random * 1664525u + 1013904223u;
        LARGE_INTEGER due = {.QuadPart = -(LONGLONG)(random % 1000 + 1)};
        KeInitializeTimer(&timers[index]);
        KeInitializeDpc(&dpcs[index], dpc_routine, &seen);
        KeSetTimer(&timers[index], due, &dpcs[index]);
    }
    unsigned cancelled = 0;
    for (int index = 0; index < COUNT; index += 3)
        cancelled += KeCancelTimer(&timers[index]);
    uint64_t next = nt_pump(), last = 0;
    while (next != NT_NEVER) {
        assert_true(next > last);
        last = turned = next;
        unsigned expected = 0;
        for (int index = 0; index < COUNT; index++)
            expected += index % 3 != 0 && timers[index].DueTime.QuadPart <= turned;
        next = nt_pump();
        assert_int_equal(seen.runs, expected);
    }
    assert_int_equal(seen.runs + cancelled, COUNT);
    nt_set_clock(NULL);
}

static jmp_buf bug_check_left;

static void leave_bug_check(const struct nt_violation *violation)
{
    violations_note(violation);
    longjmp(bug_check_left, 1);
}

/* wdm.h KeBugCheckEx does not return. */
static void bug_check_is_a_violation(void **state)
{
    (void)state;
    nt_set_violation_handler(leave_bug_check);
    if (setjmp(bug_check_left) == 0)
        KeBugCheckEx(0xc2, 1, 2, 3, 4);
    nt_set_violation_handler(violations_note);
    violations_expect("bug-check", 1u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(irql_is_raised_and_restored),
        nt_test(irql_is_not_lowered_by_raising),
        nt_test(spin_lock_raises_and_restores),
        nt_test(spin_lock_is_not_recursive),
        nt_test(spin_lock_not_held_is_not_released),
        nt_test(spin_lock_at_dpc_level_needs_it),
        nt_test(irql_does_not_fall_under_a_lock),
        nt_test(queued_lock_is_not_mixed),
        nt_test(spin_lock_excludes_threads),
        nt_test(spin_lock_is_released_by_its_owner),
        nt_test(dpc_waits_for_the_irql),
        nt_test(dpc_is_removed),
        nt_test(time_follows_the_clock),
        nt_test(timer_runs_its_dpc_in_the_pump),
        nt_test(pump_is_woken_for_earlier_work_only),
        nt_test(timers_expire_in_order),
        nt_test(bug_check_is_a_violation),
    };
    return cmocka_run_group_tests_name("nt ke", tests, NULL, NULL);
}
