/* SPDX-License-Identifier: MIT */
/*
 * scheduler_end_test.c - how a run ends: deadlocks with who waits for whom, runs without end, threads that wait for
 * ever, patience, and runs that are given up; after each of them the next run is like the first.
 */
#include "test.h"

#include "nt/verify/scheduler.h"

#include <stdio.h>
#include <string.h>

static struct nt_schedule_result result;

static void run_with(const struct nt_schedule_options *options, void (*body)(void *context))
{
    nt_schedule(options, body, NULL, &result);
    nt_reset();
}

static void run(void (*body)(void *context))
{
    run_with(&(struct nt_schedule_options){.strategy = NT_RUN_ON}, body);
}

/* --- Deadlocks ------------------------------------------------------------------------------------------- */

static KSPIN_LOCK first, second;

static void take(KSPIN_LOCK *outer, KSPIN_LOCK *inner)
{
    KIRQL irql;
    KeAcquireSpinLock(outer, &irql);
    KeAcquireSpinLockAtDpcLevel(inner);
    KeReleaseSpinLockFromDpcLevel(inner);
    KeReleaseSpinLock(outer, irql);
}

static void take_forward(void *unused)
{
    (void)unused;
    take(&first, &second);
}

static void take_backward(void *unused)
{
    (void)unused;
    take(&second, &first);
}

static void two_orders(void *unused)
{
    (void)unused;
    KeInitializeSpinLock(&first);
    KeInitializeSpinLock(&second);
    nt_schedule_spawn("forward", take_forward, NULL);
    nt_schedule_spawn("backward", take_backward, NULL);
}

static void a_deadlock_of_two_locks_is_found(void **state)
{
    (void)state;
    unsigned found = 0;
    struct nt_schedule_options options = {.strategy = NT_EXHAUSTIVE, .preemptions = 1};
    nt_schedule_first();
    do {
        violations_record();
        run_with(&options, two_orders);
        if (violations_seen.count == 0) {
            assert_false(result.abandoned || result.stuck);
            continue;
        }
        found++;
        assert_true(result.abandoned && result.stuck);
        assert_string_equal(violations_seen.rule, "deadlock");
        assert_non_null(strstr(violations_seen.detail, "forward waits in KeAcquireSpinLockAtDpcLevel for backward"));
        assert_non_null(strstr(violations_seen.detail, "backward waits in KeAcquireSpinLockAtDpcLevel for forward"));
        violations_expect("deadlock", 1u);
    } while (nt_schedule_next());
    assert_true(found > 0);
    run(two_orders); /* the next run knows nothing of it */
    assert_false(result.abandoned || result.stuck);
}

static KTIMER timer;
static KDPC dpc;
static unsigned ticks;

static VOID tick(PKDPC the_dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)the_dpc, (void)context, (void)argument1, (void)argument2;
    ticks++;
}

static void leave_a_timer(void *unused)
{
    LARGE_INTEGER due = {.QuadPart = -10000};
    (void)unused;
    ticks = 0;
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, tick, NULL);
    (void)KeSetTimerEx(&timer, due, 1, &dpc);
}

static void two_orders_beside_a_timer(void *unused)
{
    leave_a_timer(unused);
    two_orders(unused);
}

/* Others go on for ever, and those two are stuck. */
static void a_deadlock_of_some_is_found(void **state)
{
    (void)state;
    for (uint64_t seed = 0; violations_seen.count == 0 && seed < 100; seed++)
        run_with(&(struct nt_schedule_options){.strategy = NT_RANDOM_WALK, .seed = seed}, two_orders_beside_a_timer);
    assert_true(result.points < 10000);
    violations_expect("deadlock", 1u);
}

static KEVENT never;

static void wait_for_ever(void *unused)
{
    (void)unused;
    (void)KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
}

static void forget_a_client(void *unused)
{
    (void)unused;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    nt_schedule_spawn("client", wait_for_ever, NULL);
}

static void forget_a_thread(void *unused)
{
    HANDLE handle;
    (void)unused;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    (void)PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, wait_for_ever, NULL);
    (void)ZwClose(handle);
}

static FAST_MUTEX mutex;

static void take_mutex(void *unused)
{
    (void)unused;
    ExAcquireFastMutex(&mutex);
}

static void keep_a_mutex(void *unused)
{
    HANDLE handle;
    (void)unused;
    ExInitializeFastMutex(&mutex);
    (void)PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, take_mutex, NULL);
    (void)ZwClose(handle);
    ExAcquireFastMutex(&mutex);
}

static void who_waits_for_ever_is_told(void **state)
{
    (void)state;
    run(forget_a_client);
    assert_true(result.stuck && result.abandoned);
    assert_non_null(strstr(violations_seen.detail, "client waits in KeWaitForSingleObject"));
    violations_expect("deadlock", 1u);
    run(forget_a_thread); /* it may: what is left is another rule's affair */
    assert_true(result.stuck && !result.abandoned);
    violations_none();
    run(keep_a_mutex);
    assert_true(result.stuck && result.abandoned);
    assert_non_null(strstr(violations_seen.detail, "waits in ExAcquireFastMutex for one that has ended"));
    violations_expect("deadlock", 1u);
}

/* --- No end --------------------------------------------------------------------------------------------------- */

static void go_round(void *unused)
{
    (void)unused;
    for (;;)
        nt_schedule_point("round");
}

static void a_run_without_end_is_ended(void **state)
{
    (void)state;
    run_with(&(struct nt_schedule_options){.strategy = NT_RANDOM_WALK, .max_points = 5000}, go_round);
    assert_true(result.abandoned);
    assert_int_equal(result.points, 5000);
    violations_expect("no-progress", 1u);
}

#define START 36000000000ull

static uint64_t ended_at;
static uint32_t spun;

static void spin(void *unused)
{
    (void)unused;
    while (__atomic_load_n(&spun, __ATOMIC_ACQUIRE) == 0)
        nt_schedule_yield();
}

static void spin_and_set(void *unused)
{
    (void)unused;
    spun = 0;
    nt_schedule_spawn("spins", spin, NULL);
    for (int index = 0; index < 5; index++)
        nt_schedule_point("before");
    nt_schedule_yield();
    spun = 1;
}

/* Who looks for what another does lets it do so, whatever its priority. */
static void who_spins_does_not_starve_others(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        static const enum nt_strategy strategies[] = {NT_RUN_ON, NT_RANDOM_WALK, NT_PRIORITIES};
        run_with(&(struct nt_schedule_options){.strategy = strategies[seed % 3], .seed = seed, .max_points = 10000},
                 spin_and_set);
        assert_false(result.abandoned);
    }
}

static void a_periodic_timer_does_not_keep_a_run(void **state)
{
    (void)state;
    run(leave_a_timer);
    assert_false(result.abandoned);
    assert_true(ticks > 10 && ticks < 100000);
}

/* --- Time --------------------------------------------------------------------------------------------------- */

static void set_spun(PKDPC self, PVOID context, PVOID one, PVOID two)
{
    (void)self, (void)context, (void)one, (void)two;
    spun = 1;
}

static bool plainly; /* without a yield */

static void spin_until_a_timer(void *unused)
{
    static KTIMER due;
    static KDPC sets;
    (void)unused;
    spun = 0;
    KeInitializeTimer(&due);
    KeInitializeDpc(&sets, set_spun, NULL);
    nt_schedule_spawn("spins", spin, NULL);
    (void)KeSetTimer(&due, (LARGE_INTEGER){.QuadPart = -50000000}, &sets);
    while (__atomic_load_n(&spun, __ATOMIC_ACQUIRE) == 0)
        if (plainly)
            nt_schedule_point("looks");
        else
            nt_schedule_yield();
    ended_at = nt_now();
}

/* Nobody waits, and yet only time can help. */
static void time_passes_for_those_who_spin(void **state)
{
    static const enum nt_strategy strategies[] = {NT_RUN_ON, NT_RANDOM_WALK, NT_PRIORITIES, NT_REPLAY};
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        plainly = round % 8 >= 4;
        run_with(&(struct nt_schedule_options){.strategy = strategies[round % 4], .seed = round}, spin_until_a_timer);
        assert_false(result.abandoned);
        assert_int_equal(ended_at, START + 50000000);
    }
}

static uint64_t woke_at;

static void sleep_for_ages(void *unused)
{
    (void)unused;
    nt_schedule_sleep(NT_NEVER - 5);
    woke_at = nt_now();
}

static void wait_for_ages(void *unused)
{
    static KTIMER due;
    (void)unused;
    woke_at = 0;
    KeInitializeTimer(&due);
    (void)KeSetTimerEx(&due, (LARGE_INTEGER){.QuadPart = -INT64_MAX}, 1000, NULL);
    nt_schedule_spawn("sleeps", sleep_for_ages, NULL);
    (void)KeDelayExecutionThread(KernelMode, FALSE, &(LARGE_INTEGER){.QuadPart = -10});
    ended_at = nt_now();
    (void)KeCancelTimer(&due);
}

/* Whoever waits for a thousand years waits for ever: time does not jump there, nor round behind it. */
static void ages_never_pass(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        run_with(&(struct nt_schedule_options){.strategy = NT_RANDOM_WALK, .seed = seed}, wait_for_ages);
        assert_int_equal(ended_at, START + 10);
        assert_int_equal(woke_at, 0);
        assert_true(result.stuck);
        violations_expect("deadlock", 1u);
    }
}

/* --- Given up ------------------------------------------------------------------------------------------------- */

static void give_up(const struct nt_violation *violation)
{
    violations_note(violation);
    nt_schedule_abandon();
}

static void break_a_rule(void *unused)
{
    KIRQL irql;
    (void)unused;
    KeInitializeSpinLock(&first);
    nt_schedule_spawn("waits", wait_for_ever, NULL);
    nt_schedule_point("here");
    (void)ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, 'tseT');
    KeAcquireSpinLock(&first, &irql);
    (void)KeDelayExecutionThread(KernelMode, FALSE, &(LARGE_INTEGER){.QuadPart = -1});
    nt_violate("unreachable", "test", "a run went on after it was given up");
}

static void a_run_can_be_given_up(void **state)
{
    size_t bytes, blocks;
    (void)state;
    nt_set_violation_handler(give_up);
    for (int times = 0; times < 100; times++) {
        run(break_a_rule);
        assert_true(result.abandoned);
        violations_expect("wait-at-dispatch", 1u);
        nt_pool_usage(0, &bytes, &blocks);
        assert_int_equal(blocks, 0);
        assert_int_equal(nt_spin_locks_held(), 0);
    }
}

/* --- Patience --------------------------------------------------------------------------------------------------- */

static bool never_ready(const void *unused)
{
    (void)unused;
    return false;
}

static void be_patient(void *unused)
{
    (void)unused;
    struct nt_wait wait = {.routine = "test", .ready = never_ready, .due = 100000000, .patient = true};
    assert_false(nt_schedule_until(&wait));
    ended_at = nt_now();
}

static void sleep_often(void *unused)
{
    (void)unused;
    for (int index = 0; index < 20; index++)
        (void)KeDelayExecutionThread(KernelMode, FALSE, &(LARGE_INTEGER){.QuadPart = -5000000});
}

static void wait_beside_sleepers(void *unused)
{
    (void)unused;
    ended_at = 0;
    nt_schedule_spawn("patient", be_patient, NULL);
    nt_schedule_spawn("sleeps", sleep_often, NULL);
}

/* Time that jumped does not use patience up: nobody had a chance to do what is waited for. */
static void patience_counts_only_idle_time(void **state)
{
    (void)state;
    run(wait_beside_sleepers);
    assert_int_equal(ended_at, START + 100000000);
    for (uint64_t seed = 0; seed < 100; seed++) {
        run_with(&(struct nt_schedule_options){.strategy = NT_RANDOM_WALK, .seed = seed}, wait_beside_sleepers);
        assert_true(ended_at >= START + 100000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(a_deadlock_of_two_locks_is_found),
        nt_test(a_deadlock_of_some_is_found),
        nt_test(who_waits_for_ever_is_told),
        nt_test(a_run_without_end_is_ended),
        nt_test(who_spins_does_not_starve_others),
        nt_test(a_periodic_timer_does_not_keep_a_run),
        nt_test(time_passes_for_those_who_spin),
        nt_test(ages_never_pass),
        nt_test(a_run_can_be_given_up),
        nt_test(patience_counts_only_idle_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
