/* SPDX-License-Identifier: MIT */
/*
 * plan_test.c - lab/plan.h: what is written is read again, and what cannot be read changes nothing that is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lab/plan.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return random_state;
}

static bool read_text(const char *text, struct lab_plan *plan, char *why)
{
    struct scenario_error error = {""};
    struct scenario *scenario = scenario_parse("text", text, strlen(text), &error);

    assert_non_null(scenario);
    bool good = plan_read(scenario, plan, &error);
    scenario_free(scenario);
    if (why != NULL)
        memcpy(why, error.text, sizeof(error.text));
    return good;
}

static void write_and_read(const struct lab_plan *plan)
{
    struct lab_plan again = {.strategy = NT_RUN_ON, .irql = WORLD_IRQL_DISPATCH};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    plan_write(plan, file);
    assert_int_equal(fclose(file), 0);
    assert_true(read_text(text, &again, NULL));
    free(text);
    assert_int_equal(again.strategy, plan->strategy);
    assert_int_equal(again.seed, plan->seed);
    assert_int_equal(again.preemptions, plan->preemptions);
    assert_int_equal(again.irql, plan->irql);
    assert_int_equal(again.fault_count, plan->fault_count);
    for (uint32_t i = 0; i < plan->fault_count; i++) {
        assert_string_equal(again.faults[i].routine, plan->faults[i].routine);
        assert_int_equal(again.faults[i].call, plan->faults[i].call);
    }
    assert_int_equal(again.choice_count, plan->choice_count);
    if (plan->choice_count != 0)
        assert_memory_equal(again.choices, plan->choices, plan->choice_count * sizeof(*plan->choices));
    plan_free(&again);
}

static void is_read_as_it_was_written(void **state)
{
    static const enum world_irql irqls[] = {WORLD_IRQL_PASSIVE, WORLD_IRQL_DISPATCH, WORLD_IRQL_ALTERNATE};

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct lab_plan plan = {.strategy = (enum nt_strategy)(random_next() % 5),
                                .seed = random_next(),
                                .preemptions = (uint32_t)(random_next() % 1001),
                                .irql = irqls[random_next() % 3],
                                .fault_count = (uint32_t)(random_next() % (PLAN_FAULTS_MAX + 1))};
        uint32_t count = (uint32_t)(random_next() % 70), point = 0;
        struct nt_choice choices[70];

        for (uint32_t i = 0; i < plan.fault_count; i++) {
            memset(plan.faults[i].routine, 'R', 1 + random_next() % PLAN_ROUTINE_MAX);
            plan.faults[i].call = 1 + (uint32_t)(random_next() % UINT32_MAX);
        }
        for (uint32_t i = 0; i < count; i++) {
            point += 1 + (uint32_t)(random_next() % 1000000);
            choices[i] = (struct nt_choice){point, (uint32_t)random_next()};
        }
        assert_true(plan_set_choices(&plan, choices, count));
        write_and_read(&plan);
        plan_free(&plan);
    }
}

static void the_most_choices(void **state)
{
    struct nt_choice *choices = calloc(PLAN_CHOICES_MAX + 1, sizeof(*choices));
    struct lab_plan plan = {.strategy = NT_REPLAY};

    (void)state;
    assert_non_null(choices);
    for (uint32_t i = 0; i <= PLAN_CHOICES_MAX; i++)
        choices[i] = (struct nt_choice){i + 1, i % 7};
    assert_false(plan_set_choices(&plan, choices, PLAN_CHOICES_MAX + 1));
    assert_int_equal(plan.choice_count, 0);
    assert_true(plan_set_choices(&plan, choices, PLAN_CHOICES_MAX));
    write_and_read(&plan);
    plan_free(&plan);
    free(choices);
}

static void bad_lines_are_named(void **state)
{
    static const char *const bad[] = {
        "#! strategy",
        "#! strategy Random",
        "#! seed -1",
        "#! seed 18446744073709551616",
        "#! preemptions 1001",
        "#! preemptions",
        "#! irql",
        "#! irql DISPATCH",
        "#! fault",
        "#! fault ExAllocatePool2",
        "#! fault R 0",
        "#! fault R 4294967296",
        "#! fault R one",
        "#! choices 1",
        "#! choices 1:",
        "#! choices :1",
        "#! choices 1:2:3",
        "#! choices 1:2x",
        "#! choices -1:2",
        "#! choices 4294967296:1",
        "#! choices 2:1 1:1",
        "#! choices 2:1 2:1",
        "#! choices 2:1 2:0",
        "#!x",
        "#! choice 1:2",
        "#! strategy random random",
        "#! seed 1 2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lab_plan plan = {.strategy = NT_RUN_ON};
        char text[200], why[500];

        snprintf(text, sizeof(text), "# first\nload\n%s\nunload\n", bad[i]);
        if (read_text(text, &plan, why))
            fail_msg("\"%s\" was read", bad[i]);
        assert_non_null(strstr(why, "text:3: expected "));
        assert_non_null(strstr(why, bad[i]));
        assert_null(strchr(why, '\n'));
        plan_free(&plan);
    }
}

static void too_many_faults(void **state)
{
    struct lab_plan plan = {.strategy = NT_RUN_ON};
    static const char line[] = "#! fault ExAllocatePool2 1\n";
    char text[400] = "", why[500];

    (void)state;
    for (unsigned i = 0; i <= PLAN_FAULTS_MAX; i++)
        memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
    assert_false(read_text(text, &plan, why));
    assert_non_null(strstr(why, "text:5: "));
}

static void what_is_no_plan_is_passed_over(void **state)
{
    struct lab_plan plan = {.strategy = NT_PRIORITIES, .seed = 5, .irql = WORLD_IRQL_ALTERNATE};

    (void)state;
    assert_true(read_text("#!/usr/bin/env wfplab\n# ! seed 7\n #comment\nload\n#!\n#!  \nunload\n", &plan, NULL));
    assert_int_equal(plan.strategy, NT_PRIORITIES);
    assert_int_equal(plan.seed, 5);
    assert_int_equal(plan.irql, WORLD_IRQL_ALTERNATE);
    assert_true(read_text("#! seed 7 irql passive strategy random\r\nload\r\n#! choices 1:0 1:2\r\n", &plan, NULL));
    assert_int_equal(plan.seed, 7);
    assert_int_equal(plan.irql, WORLD_IRQL_PASSIVE);
    assert_int_equal(plan.choice_count, 2);
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_as_it_was_written),
        cmocka_unit_test(the_most_choices),
        cmocka_unit_test(bad_lines_are_named),
        cmocka_unit_test(too_many_faults),
        cmocka_unit_test(what_is_no_plan_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
