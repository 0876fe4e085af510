/* SPDX-License-Identifier: MIT */
/*
 * scenario_fuzz.c - any text as a scenario, and as the plan lines of one.
 *
 * What must hold: a refusal names file and line in one line; the text that a scenario gives back is a scenario with
 * the same steps; a plan that was read, written and read again is the same plan. A short scenario is run on our driver
 * and its events are recorded: run again, it has to give the same ones.
 */
#include "lab/plan.h"
#include "lab/scenario_run.h"
#include "lab/world_engine.h"
#include "tests/fuzz/fuzz.h"

#define RUN_STEPS_MAX 24u
#define RUN_SLEEP_MAX 200000u

static void check_refusal(const char *text)
{
    fuzz_check(strncmp(text, "fuzz:", 5) == 0 && text[5] >= '1' && text[5] <= '9');
    fuzz_check(strlen(text) > 12);
}

static void check_plan(const struct scenario *scenario)
{
    struct lab_plan plan = {0}, again = {0};
    struct scenario_error error = {""};
    struct scenario read = {.file = scenario->file};
    char *text = NULL;
    size_t size = 0;

    if (!plan_read(scenario, &plan, &error)) {
        check_refusal(error.text);
        plan_free(&plan);
        return;
    }
    FILE *file = open_memstream(&text, &size);
    fuzz_check(file != NULL);
    plan_write(&plan, file);
    fclose(file);
    for (const char *line = text; *line != 0; line += strcspn(line, "\n") + 1)
        scenario_lines_add(&read.source, line, strcspn(line, "\n"));
    fuzz_check(plan_read(&read, &again, &error));
    fuzz_check(plan.strategy == again.strategy && plan.seed == again.seed && plan.preemptions == again.preemptions);
    fuzz_check(plan.irql == again.irql && plan.fault_count == again.fault_count);
    for (uint32_t i = 0; i < plan.fault_count; i++)
        fuzz_check(strcmp(plan.faults[i].routine, again.faults[i].routine) == 0 &&
                   plan.faults[i].call == again.faults[i].call);
    fuzz_check(plan.choice_count == again.choice_count);
    for (uint32_t i = 0; i < plan.choice_count; i++)
        fuzz_check(plan.choices[i].point == again.choices[i].point && plan.choices[i].fiber == again.choices[i].fiber);
    scenario_lines_free(&read.source);
    plan_free(&plan);
    plan_free(&again);
    free(text);
}

static bool is_quick(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->count; i++) {
        const struct scenario_step *step = &scenario->steps[i];

        if (step->kind == STEP_FAULT || step->kind == STEP_STATE ||
            ((step->kind == STEP_SLEEP || step->kind == STEP_SUSPEND) && step->value > RUN_SLEEP_MAX))
            return false;
    }
    return scenario->count <= RUN_STEPS_MAX;
}

static void ignore(const struct nt_violation *violation)
{
    (void)violation;
}

/* Takes the scenario. */
static struct scenario *read_again(struct scenario *scenario)
{
    struct scenario_error error = {""};
    char *text = scenario_text(scenario);
    struct scenario *again = scenario_parse("fuzz", text, strlen(text), &error);

    fuzz_check(again != NULL && again->count == scenario->count);
    for (size_t i = 0; i < again->count; i++)
        fuzz_check(again->steps[i].kind == scenario->steps[i].kind);
    free(text);
    scenario_free(scenario);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario_error error = {""};
    struct scenario *scenario = scenario_parse("fuzz", (const char *)data, size, &error);

    if (scenario == NULL) {
        check_refusal(error.text);
        return 0;
    }
    check_plan(scenario);
    scenario = read_again(scenario);
    world_set_listener(ignore);
    if (is_quick(scenario) && scenario_run(scenario, &(struct run_options){.record = true}) == RUN_SAME) {
        scenario = read_again(scenario);
        enum run_result result = scenario_run(scenario, &(struct run_options){.quiet = false});
        fuzz_check(result == RUN_SAME || result == RUN_SKIPPED);
    }
    scenario_free(scenario);
    return 0;
}
