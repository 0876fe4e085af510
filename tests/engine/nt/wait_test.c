/* SPDX-License-Identifier: MIT */
/*
 * wait_test.c - contract of events, semaphores, waits, rundown protection and fast mutexes.
 */
#include "tests/engine/nt/test.h"

#define MS 10000

static PVOID start(PKSTART_ROUTINE routine, PVOID context)
{
    HANDLE handle;
    PVOID thread;
    assert_int_equal(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, routine, context), STATUS_SUCCESS);
    assert_int_equal(ObReferenceObjectByHandle(handle, SYNCHRONIZE, NULL, KernelMode, &thread, NULL), STATUS_SUCCESS);
    assert_int_equal(ZwClose(handle), STATUS_SUCCESS);
    return thread;
}

static void join(PVOID thread)
{
    assert_int_equal(KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    ObDereferenceObject(thread);
}

static NTSTATUS wait_ms(PVOID object, LONGLONG ms)
{
    LARGE_INTEGER timeout = {.QuadPart = -ms * MS};
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
}

/* wdm.h KeInitializeEvent: a notification event stays set, a synchronization event satisfies one wait. */
static void event_kinds_differ(void **state)
{
    KEVENT notification, synchronization;
    (void)state;
    KeInitializeEvent(&notification, NotificationEvent, FALSE);
    KeInitializeEvent(&synchronization, SynchronizationEvent, TRUE);
    assert_int_equal(wait_ms(&notification, 0), STATUS_TIMEOUT);
    assert_int_equal(KeSetEvent(&notification, 0, FALSE), 0);
    assert_int_not_equal(KeSetEvent(&notification, 0, FALSE), 0);
    assert_int_equal(wait_ms(&notification, 0), STATUS_SUCCESS);
    assert_int_equal(wait_ms(&notification, 0), STATUS_SUCCESS);
    assert_int_not_equal(KeResetEvent(&notification), 0);
    assert_int_equal(KeReadStateEvent(&notification), 0);
    assert_int_equal(wait_ms(&synchronization, 0), STATUS_SUCCESS);
    assert_int_equal(wait_ms(&synchronization, 0), STATUS_TIMEOUT);
}

/* wdm.h KeWaitForSingleObject: a relative timeout is waited for, an absolute one in the past is not. */
static void timeouts_are_relative_or_absolute(void **state)
{
    KEVENT event;
    LARGE_INTEGER absolute;
    (void)state;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    uint64_t before = nt_now();
    assert_int_equal(wait_ms(&event, 20), STATUS_TIMEOUT);
    assert_in_range(nt_now() - before, 20 * MS, 30000 * MS);
    KeQuerySystemTime(&absolute);
    before = nt_now();
    absolute.QuadPart += 20 * MS;
    assert_int_equal(KeWaitForSingleObject(&event, UserRequest, UserMode, FALSE, &absolute), STATUS_TIMEOUT);
    assert_in_range(nt_now() - before, 15 * MS, 30000 * MS);
    before = nt_now();
    absolute.QuadPart = 1; /* 1601: nothing to wait for */
    assert_int_equal(KeWaitForSingleObject(&event, UserRequest, UserMode, FALSE, &absolute), STATUS_TIMEOUT);
    assert_in_range(nt_now() - before, 0, 30000 * MS);
}

/* wdm.h KeWaitForSingleObject: at DISPATCH_LEVEL only with a timeout of zero; the forum's bug (seed 1). */
static void waiting_at_dispatch_is_refused(void **state)
{
    KEVENT event;
    KIRQL irql;
    LARGE_INTEGER zero = {.QuadPart = 0};
    (void)state;
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    assert_int_equal(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &zero), STATUS_SUCCESS);
    violations_none();
    assert_int_not_equal(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    violations_expect("wait-at-dispatch", 1u);
    KeDelayExecutionThread(KernelMode, FALSE, &zero);
    violations_expect("wait-at-dispatch", 1u);
    KeSetEvent(&event, 0, TRUE);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
}

/* wdm.h KeInitializeSemaphore, KeReleaseSemaphore: counts; above the limit STATUS_SEMAPHORE_LIMIT_EXCEEDED is raised.
 */
static void semaphore_counts_to_its_limit(void **state)
{
    KSEMAPHORE semaphore;
    (void)state;
    KeInitializeSemaphore(&semaphore, 1, 2);
    assert_int_equal(wait_ms(&semaphore, 0), STATUS_SUCCESS);
    assert_int_equal(wait_ms(&semaphore, 0), STATUS_TIMEOUT);
    assert_int_equal(KeReleaseSemaphore(&semaphore, 0, 2, FALSE), 0);
    assert_int_equal(KeReadStateSemaphore(&semaphore), 2);
    assert_int_equal(KeReleaseSemaphore(&semaphore, 0, 1, FALSE), 2);
    violations_expect("semaphore-limit", 1u);
    assert_int_equal(KeReadStateSemaphore(&semaphore), 2);
}

struct ping {
    KEVENT go, done;
    LONG passed;
};

static VOID pass_one(PVOID context)
{
    struct ping *ping = context;
    if (KeWaitForSingleObject(&ping->go, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS)
        InterlockedIncrement(&ping->passed);
    KeSetEvent(&ping->done, 0, FALSE);
}

/* wdm.h KeSetEvent: a synchronization event releases one waiter for each set. */
static void synchronization_event_wakes_one(void **state)
{
    struct ping ping = {.passed = 0};
    PVOID threads[3];
    (void)state;
    KeInitializeEvent(&ping.go, SynchronizationEvent, FALSE);
    KeInitializeEvent(&ping.done, SynchronizationEvent, FALSE);
    for (int index = 0; index < 3; index++)
        threads[index] = start(pass_one, &ping);
    for (LONG expected = 1; expected <= 3; expected++) {
        KeSetEvent(&ping.go, 0, FALSE);
        assert_int_equal(wait_ms(&ping.done, 30000), STATUS_SUCCESS);
        assert_int_equal(ReadAcquire(&ping.passed), expected);
    }
    for (int index = 0; index < 3; index++)
        join(threads[index]);
}

/* wdm.h KeWaitForSingleObject on a timer: the waiting thread runs what is due (nt.h). */
static void waiting_for_a_timer_pumps(void **state)
{
    KTIMER timer;
    LARGE_INTEGER due = {.QuadPart = -20 * MS};
    (void)state;
    nt_pump();
    KeInitializeTimerEx(&timer, SynchronizationTimer);
    KeSetTimer(&timer, due, NULL);
    assert_int_equal(wait_ms(&timer, 30000), STATUS_SUCCESS);
    assert_int_equal(wait_ms(&timer, 0), STATUS_TIMEOUT);
}

static VOID wait_for_timer(PVOID context)
{
    if (KeWaitForSingleObject(context, Executive, KernelMode, FALSE, NULL) != STATUS_SUCCESS)
        nt_violate("test", "wait_for_timer", "the wait failed");
}

/* nt.h nt_runner_start: timers run without anybody pumping. */
static void runner_runs_timers(void **state)
{
    KTIMER timer;
    LARGE_INTEGER due = {.QuadPart = -10 * MS};
    (void)state;
    nt_runner_start();
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, due, NULL);
    /* A thread that never pumped waits. */
    PVOID thread = start(wait_for_timer, &timer);
    join(thread);
    nt_runner_stop();
}

static VOID hold_rundown(PVOID context)
{
    LARGE_INTEGER interval = {.QuadPart = -20 * MS};
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
    ExReleaseRundownProtection(context);
}

/* "Run-Down Protection": the wait ends with the last release; acquiring then fails. */
static void rundown_waits_for_users(void **state)
{
    EX_RUNDOWN_REF rundown;
    (void)state;
    ExInitializeRundownProtection(&rundown);
    assert_true(ExAcquireRundownProtection(&rundown));
    assert_true(ExAcquireRundownProtection(&rundown));
    ExReleaseRundownProtection(&rundown);
    uint64_t before = nt_now();
    PVOID thread = start(hold_rundown, &rundown);
    ExWaitForRundownProtectionRelease(&rundown);
    assert_true(nt_now() - before >= 19 * MS);
    assert_false(ExAcquireRundownProtection(&rundown));
    join(thread);
    violations_none();
    ExReleaseRundownProtection(&rundown);
    violations_expect("rundown-not-held", 1u);
    ExReInitializeRundownProtection(&rundown);
    assert_true(ExAcquireRundownProtection(&rundown));
    ExReleaseRundownProtection(&rundown);
}

/* wdm.h ExAcquireFastMutex: held at APC_LEVEL, not recursive. */
static void fast_mutex_raises_to_apc(void **state)
{
    FAST_MUTEX mutex;
    (void)state;
    ExInitializeFastMutex(&mutex);
    ExAcquireFastMutex(&mutex);
    assert_int_equal(KeGetCurrentIrql(), APC_LEVEL);
    ExAcquireFastMutex(&mutex);
    violations_expect("lock-recursion", 1u);
    ExReleaseFastMutex(&mutex);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(event_kinds_differ),
        nt_test(timeouts_are_relative_or_absolute),
        nt_test(waiting_at_dispatch_is_refused),
        nt_test(semaphore_counts_to_its_limit),
        nt_test(synchronization_event_wakes_one),
        nt_test(waiting_for_a_timer_pumps),
        nt_test(runner_runs_timers),
        nt_test(rundown_waits_for_users),
        nt_test(fast_mutex_raises_to_apc),
    };
    return cmocka_run_group_tests_name("nt waits", tests, NULL, NULL);
}
