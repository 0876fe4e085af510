/* SPDX-License-Identifier: MIT */
/*
 * scheduler_explore_test.c - what the exploring strategies reach: counts of interleavings against a second, simpler
 * count; lost updates with plain memory and with locks that are let go too early; none where there is no race.
 *
 * Compiled with NT_LAB, as drivers are for the lab: interlocked routines are points.
 */
#include "test.h"

#include "nt/verify/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Exhaustive: how many orders there are ----------------------------------------------------------- */

#define WALKERS_MAX 3

static unsigned walkers, steps[WALKERS_MAX];
static char path[64];

static void walk(void *context)
{
    unsigned number = (unsigned)(uintptr_t)context;
    for (unsigned step = 0; step < steps[number]; step++) {
        char name[2] = {(char)('a' + number), 0};
        if (step != 0)
            nt_schedule_point("step");
        strcat(path, name);
    }
}

static void walk_all(void *unused)
{
    static const char *const names[] = {"a", "b", "c"};
    (void)unused;
    path[0] = 0;
    for (unsigned number = 0; number < walkers; number++)
        nt_schedule_spawn(names[number], walk, (void *)(uintptr_t)number);
}

static char (*paths)[64];
static size_t path_count;

/* Every order of these steps with at most this many preemptions: what has steps left runs on, or is preempted. */
static unsigned count_orders(unsigned left[WALKERS_MAX], unsigned last, unsigned preemptions)
{
    unsigned orders = 0, all = 0;
    for (unsigned number = 0; number < walkers; number++) {
        all += left[number];
        unsigned cost = last < walkers && number != last && left[last] != 0;
        if (left[number] == 0 || cost > preemptions)
            continue;
        left[number]--;
        orders += count_orders(left, number, preemptions - cost);
        left[number]++;
    }
    return all == 0 ? 1 : orders;
}

static unsigned explore(unsigned preemptions)
{
    struct nt_schedule_options options = {.strategy = NT_EXHAUSTIVE, .preemptions = preemptions};
    struct nt_schedule_result result;
    path_count = 0;
    nt_schedule_first();
    do {
        nt_schedule(&options, walk_all, NULL, &result);
        nt_reset();
        for (size_t index = 0; index < path_count; index++)
            assert_string_not_equal(paths[index], path);
        assert_true(path_count < 2000);
        strcpy(paths[path_count++], path);
    } while (nt_schedule_next());
    return (unsigned)path_count;
}

static void every_order_is_tried_once(void **state)
{
    (void)state;
    paths = malloc(2000 * sizeof *paths);
    walkers = 2;
    steps[0] = steps[1] = 4;
    assert_int_equal(explore(100), 70); /* 8 over 4 */
    steps[1] = 3;
    for (walkers = 2; walkers <= 3; walkers++)
        for (unsigned preemptions = 0; preemptions < 6; preemptions++) {
            steps[0] = walkers == 2 ? 5 : 3;
            steps[2] = 2;
            unsigned left[WALKERS_MAX] = {steps[0], steps[1], steps[2]};
            if (walkers == 2)
                left[2] = 0;
            assert_int_equal(explore(preemptions), count_orders(left, WALKERS_MAX, preemptions));
        }
    free(paths);
}

/* --- Lost updates ----------------------------------------------------------------------------------------- */

static LONG counter;
static KSPIN_LOCK lock;

static void add_plainly(void *unused)
{
    (void)unused;
    LONG value = ReadNoFence(&counter);
    WriteNoFence(&counter, value + 1);
}

static void add_interlocked(void *unused)
{
    (void)unused;
    (void)InterlockedIncrement(&counter);
}

static void add_under_lock(void *unused)
{
    KIRQL irql;
    (void)unused;
    KeAcquireSpinLock(&lock, &irql);
    LONG value = ReadNoFence(&counter);
    WriteNoFence(&counter, value + 1);
    KeReleaseSpinLock(&lock, irql);
}

/* Plain memory all along: only what lies around the release can be preempted. */
static void add_after_release(void *unused)
{
    KIRQL irql;
    (void)unused;
    KeAcquireSpinLock(&lock, &irql);
    LONG value = counter;
    KeReleaseSpinLock(&lock, irql);
    counter = value + 1;
}

/* Found by depth 2 only: the wait for a flag and what is done then. */
static LONG flag;

static void add_when_flagged(void *unused)
{
    (void)unused;
    if (InterlockedCompareExchange(&flag, 1, 0) == 0) {
        LONG value = ReadNoFence(&counter);
        WriteNoFence(&counter, value + 1);
        (void)InterlockedExchange(&flag, 0);
    } else {
        (void)InterlockedIncrement(&counter);
    }
}

static void two_adders(void *body)
{
    counter = flag = 0;
    KeInitializeSpinLock(&lock);
    void (*add)(void *) = *(void (**)(void *))body;
    nt_schedule_spawn("one", add, NULL);
    nt_schedule_spawn("two", add, NULL);
    nt_schedule_settle();
}

static unsigned losses(enum nt_strategy strategy, void (*add)(void *))
{
    unsigned lost = 0;
    struct nt_schedule_options options = {.strategy = strategy, .preemptions = 2};
    struct nt_schedule_result result;
    nt_schedule_first();
    for (options.seed = 0; options.seed < 300; options.seed++) {
        nt_schedule(&options, two_adders, &add, &result);
        nt_reset();
        lost += counter != 2;
        if (strategy == NT_EXHAUSTIVE && !nt_schedule_next())
            break;
    }
    return lost;
}

static void lost_updates_are_found_where_they_are(void **state)
{
    static const enum nt_strategy strategies[] = {NT_RANDOM_WALK, NT_PRIORITIES, NT_EXHAUSTIVE};
    (void)state;
    assert_int_equal(losses(NT_RUN_ON, add_plainly), 0);
    for (size_t index = 0; index < sizeof strategies / sizeof strategies[0]; index++) {
        assert_true(losses(strategies[index], add_plainly) > 0);
        assert_true(losses(strategies[index], add_after_release) > 0);
        assert_true(losses(strategies[index], add_when_flagged) > 0);
        assert_int_equal(losses(strategies[index], add_interlocked), 0);
        assert_int_equal(losses(strategies[index], add_under_lock), 0);
    }
}

/* --- Time races with everything ------------------------------------------------------------------------------ */

static KTIMER timer;
static KDPC dpc;
static unsigned expired_before, worked_before;
static bool worked;

static VOID expired(PKDPC the_dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)the_dpc, (void)context, (void)argument1, (void)argument2;
    if (worked)
        worked_before++;
    else
        expired_before++;
}

static void work(void *unused)
{
    (void)unused;
    for (int index = 0; index < 10; index++)
        nt_schedule_point("work");
    worked = true;
}

static void a_deadline_and_work(void *unused)
{
    LARGE_INTEGER due = {.QuadPart = -600000000};
    (void)unused;
    worked = false;
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, expired, NULL);
    (void)KeSetTimer(&timer, due, &dpc);
    nt_schedule_spawn("work", work, NULL);
    nt_schedule_sleep(600000000);
    nt_schedule_settle();
    (void)KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
}

static void a_deadline_comes_early_or_late(void **state)
{
    (void)state;
    struct nt_schedule_options options = {.strategy = NT_RANDOM_WALK};
    struct nt_schedule_result result;
    expired_before = worked_before = 0;
    for (options.seed = 0; options.seed < 300; options.seed++) {
        nt_schedule(&options, a_deadline_and_work, NULL, &result);
        nt_reset();
    }
    assert_int_equal(expired_before + worked_before, 300);
    assert_true(expired_before > 20 && worked_before > 20);
    options.strategy = NT_RUN_ON;
    expired_before = worked_before = 0;
    nt_schedule(&options, a_deadline_and_work, NULL, &result);
    nt_reset();
    assert_int_equal(worked_before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(every_order_is_tried_once),
        nt_test(lost_updates_are_found_where_they_are),
        nt_test(a_deadline_comes_early_or_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
