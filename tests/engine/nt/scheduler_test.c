/* SPDX-License-Identifier: MIT */
/*
 * scheduler_test.c - the scheduler's contract (nt/verify/scheduler.h): points, waits, time, deadlocks, replay.
 */
#include "test.h"

#include "nt/verify/scheduler.h"

#include <stdio.h>
#include <string.h>

static struct nt_schedule_result run(enum nt_strategy strategy, uint64_t seed, void (*body)(void *context))
{
    struct nt_schedule_options options = {.strategy = strategy, .seed = seed, .preemptions = 3};
    struct nt_schedule_result result;
    nt_schedule(&options, body, NULL, &result);
    nt_reset();
    return result;
}

/* --- Order -------------------------------------------------------------------------------------------- */

static char order[256];

static void say(const char *word)
{
    strcat(order, word);
    strcat(order, " ");
}

static void say_twice(void *word)
{
    say(word);
    nt_schedule_point("say");
    say(word);
}

static void two_speakers(void *unused)
{
    (void)unused;
    order[0] = 0;
    nt_schedule_spawn("a", say_twice, "a");
    nt_schedule_spawn("b", say_twice, "b");
    say("body");
    nt_schedule_settle();
    say("end");
}

static void run_on_changes_only_where_one_waits(void **state)
{
    (void)state;
    struct nt_schedule_result result = run(NT_RUN_ON, 0, two_speakers);
    assert_string_equal(order, "body a a b b end ");
    assert_false(result.stuck);
    assert_int_equal(result.choice_count, 0);
}

static void a_random_walk_is_replayed(void **state)
{
    (void)state;
    unsigned different = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        char before[sizeof order];
        struct nt_schedule_options options = {.strategy = NT_RANDOM_WALK, .seed = seed};
        struct nt_schedule_result result, again;
        nt_schedule(&options, two_speakers, NULL, &result);
        nt_reset();
        strcpy(before, order);
        different += strcmp(order, "body a a b b end ") != 0;
        options = (struct nt_schedule_options){
            .strategy = NT_REPLAY, .choices = result.choices, .choice_count = result.choice_count};
        nt_schedule(&options, two_speakers, NULL, &again);
        nt_reset();
        assert_string_equal(order, before);
        assert_int_equal(again.points, result.points);
    }
    assert_true(different > 10);
}

/* --- Events, semaphores, time --------------------------------------------------------------------------- */

static KEVENT event;
static uint64_t woke_at;
static NTSTATUS wait_status;

static void wait_for_event(void *unused)
{
    (void)unused;
    wait_status = KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    say("woken");
}

static void set_event(void *unused)
{
    (void)unused;
    order[0] = 0;
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    nt_schedule_spawn("waiter", wait_for_event, NULL);
    nt_schedule_settle();
    say("set");
    (void)KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    nt_schedule_settle();
    say("end");
}

static void an_event_wakes_its_waiter(void **state)
{
    (void)state;
    struct nt_schedule_result result = run(NT_RUN_ON, 0, set_event);
    assert_string_equal(order, "set woken end ");
    assert_int_equal(wait_status, STATUS_SUCCESS);
    assert_false(result.stuck);
    for (uint64_t seed = 1; seed < 200; seed++) {
        (void)run(seed % 2 == 0 ? NT_RANDOM_WALK : NT_PRIORITIES, seed, set_event);
        assert_string_equal(order, "set woken end ");
    }
}

static KTIMER timer;
static KDPC dpc;

static VOID expired(PKDPC the_dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)the_dpc, (void)context, (void)argument1, (void)argument2;
    assert_int_equal(KeGetCurrentIrql(), DISPATCH_LEVEL);
    woke_at = nt_now();
    say("dpc");
}

static void set_timer(void *unused)
{
    (void)unused;
    LARGE_INTEGER due = {.QuadPart = -50000000};
    uint64_t start = nt_now();
    order[0] = 0;
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, expired, NULL);
    (void)KeSetTimer(&timer, due, &dpc);
    nt_schedule_settle();
    say("settled");
    nt_schedule_sleep(60000000);
    say("slept");
    assert_int_equal(woke_at - start, 50000000);
    assert_true(nt_now() - start >= 60000000);
}

static void a_timer_is_due_in_virtual_time(void **state)
{
    (void)state;
    (void)run(NT_RUN_ON, 0, set_timer);
    assert_string_equal(order, "settled dpc slept ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(run_on_changes_only_where_one_waits),
        nt_test(a_random_walk_is_replayed),
        nt_test(an_event_wakes_its_waiter),
        nt_test(a_timer_is_due_in_virtual_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
