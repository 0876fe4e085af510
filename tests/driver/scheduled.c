/* SPDX-License-Identifier: MIT */
/*
 * scheduled.c - runs the cases of a test program under the scheduler, as fibers, once for each of many seeds.
 *
 * Linked with --wrap into each program of tests/driver a second time, with the driver compiled for the lab
 * (meson.build). Nothing may jump out of a fiber, as cmocka's assertions do: here the first that does not hold, or a
 * broken rule, tells the case and its seed and ends the process. GATEHOUSE_SEED is the first seed, 1 without it;
 * GATEHOUSE_CASE names the one case to run; GATEHOUSE_FULL runs for longer.
 */
#include "driver_fixture.h"

#include "nt/verify/scheduler.h"

#include <time.h>
#include <unistd.h>

#define SEEDS_LEAST  3u /* of a slow case, however long it takes */
#define SEEDS_MOST   (full ? 20000u : 300u)
#define SECONDS_EACH (full ? 20 : 1)

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);
void __wrap__assert_true(LargestIntegralType result, const char *expression, const char *file, int line);
void __wrap__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line);
void __wrap__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line);
void __wrap__fail(const char *file, int line);

static const char *running;
static uint64_t seed;
static bool full;

_Noreturn static void end_here(void)
{
    printf("not ok - %s with GATEHOUSE_SEED=%llu\n", running, (unsigned long long)seed);
    fflush(stdout);
    _exit(1);
}

void __wrap__fail(const char *file, int line)
{
    fprintf(stderr, "%s:%d: an assertion does not hold\n", file, line);
    end_here();
}

void __wrap__assert_true(LargestIntegralType result, const char *expression, const char *file, int line)
{
    if (result != 0)
        return;
    fprintf(stderr, "%s:%d: %s\n", file, line, expression);
    end_here();
}

void __wrap__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line)
{
    if (a == b)
        return;
    fprintf(stderr, "%s:%d: %llu is not %llu\n", file, line, (unsigned long long)a, (unsigned long long)b);
    end_here();
}

void __wrap__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line)
{
    if (memcmp(a, b, size) != 0)
        __wrap__fail(file, line);
}

static void judge(const struct nt_violation *violation)
{
    fprintf(stderr, "violation %s in %s: %s\n", violation->rule, violation->routine, violation->detail);
    end_here();
}

static void play(void *context)
{
    const struct CMUnitTest *test = context;
    void *state = test->initial_state;

    if (test->setup_func != NULL && test->setup_func(&state) != 0)
        end_here();
    test->test_func(&state);
    if (test->teardown_func != NULL && test->teardown_func(&state) != 0)
        end_here();
}

static void run_once(const struct CMUnitTest *test)
{
    struct nt_schedule_options options = {.strategy = seed % 3 == 0 ? NT_PRIORITIES : NT_RANDOM_WALK,
                                          .seed = seed,
                                          .preemptions = 3,
                                          .max_points = 20000000,
                                          .on_time = true};
    struct nt_schedule_result result;

    nt_set_violation_handler(judge);
    nt_schedule(&options, play, (void *)(uintptr_t)test, &result);
    if (result.stuck || result.abandoned) {
        fprintf(stderr, "somebody waits for ever\n");
        end_here();
    }
    nt_reset();
}

static int seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)now.tv_sec;
}

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
    const char *only = getenv("GATEHOUSE_CASE"), *from = getenv("GATEHOUSE_SEED");
    uint64_t first = from == NULL ? 1 : strtoull(from, NULL, 10);

    full = getenv("GATEHOUSE_FULL") != NULL;
    if (setup != NULL || teardown != NULL) {
        fprintf(stderr, "%s: a group's setup and teardown are not run here\n", group);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        int ends = seconds_now() + SECONDS_EACH;

        running = tests[i].name;
        if (only != NULL && strcmp(only, running) != 0)
            continue;
        for (seed = first; seed < first + SEEDS_MOST && (seed < first + SEEDS_LEAST || seconds_now() <= ends); seed++)
            run_once(&tests[i]);
        printf("ok - %s in %llu orders\n", running, (unsigned long long)(seed - first));
        fflush(stdout);
    }
    return 0;
}
