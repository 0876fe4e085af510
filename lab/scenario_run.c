/* SPDX-License-Identifier: MIT */
/*
 * scenario_run.c - see scenario_run.h: a whole file, step by step; comparing, recording.
 */
#include "lab/scenario_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 100u /* with a real clock: nothing more comes */

bool run_wrong(struct run *run, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(run->error.text, sizeof(run->error.text), format, arguments);
    va_end(arguments);
    return false;
}

void run_settle(struct run *run)
{
    if (run->settle != NULL)
        run->settle(run->settle_context);
    else
        world_settle();
}

bool run_is_loaded(const struct run *run)
{
    for (size_t i = 0; i < WORLD_DRIVERS_MAX; i++)
        if (run->loaded[i])
            return true;
    return false;
}

struct run *run_new(const struct scenario *scenario, struct world_error *error)
{
    struct run *run = calloc(1, sizeof(*run));

    if (run == NULL || (run->connections = calloc(scenario->connections.count + 1, sizeof(*run->connections))) == NULL)
        abort();
    run->scenario = scenario;
    if (world_start(error))
        return run;
    free(run->connections);
    free(run);
    return NULL;
}

void run_free(struct run *run)
{
    clients_abandon(run);
    world_end();
    trace_free(&run->trace);
    free(run->connections);
    free(run);
}

/* With a real clock: until as many events came as are expected; without an expectation: until it is quiet. */
static bool settle(struct run *run, const struct scenario_step *step, bool record)
{
    uint32_t limit = record ? QUIET_MS : RUN_WAIT_MS;

    if (!run_collect(run))
        return false;
    if (world_clock() == WORLD_CLOCK_VIRTUAL)
        return true;
    for (uint32_t waited = 0; waited < limit && (record || run->trace.count < step->expected.count); waited++) {
        world_advance(1);
        if (!run_collect(run))
            return false;
    }
    return true;
}

static const char *source_of(const struct run *run, const struct scenario_step *step)
{
    return run->scenario->source.text[step->expected_at - 1];
}

static bool as_expected(const struct run *run, const struct scenario_step *step, size_t i)
{
    return i < run->trace.count && i < step->expected.count &&
           strcmp(run->trace.events[i].text, step->expected.text[i]) == 0;
}

/* Both lists from the top; where they part. */
static enum run_result compare(const struct run *run, const struct scenario_step *step)
{
    const struct scenario_lines *expected = &step->expected;
    size_t same = 0;

    while (as_expected(run, step, same))
        same++;
    if (same == expected->count && same == run->trace.count)
        return RUN_SAME;
    fprintf(stderr, "%s:%u: %s\n", run->scenario->file, step->line, source_of(run, step));
    for (size_t i = 0; i < same; i++)
        fprintf(stderr, "    > %s\n", expected->text[i]);
    for (size_t i = same; i < expected->count; i++)
        fprintf(stderr, "  - > %s\n", expected->text[i]);
    for (size_t i = same; i < run->trace.count; i++)
        fprintf(stderr, "  + > %s\n", run->trace.events[i].text);
    fprintf(stderr, "  (-: expected and did not come in this place; +: came)\n");
    return RUN_DIFFERS;
}

static void keep_events(struct scenario_step *step, const struct trace *trace)
{
    scenario_lines_free(&step->expected);
    for (size_t i = 0; i < trace->count; i++)
        scenario_lines_add(&step->expected, trace->events[i].text, strlen(trace->events[i].text));
}

static void tell_step(const struct run *run, const struct scenario_step *step)
{
    printf("%s\n", source_of(run, step));
    for (size_t i = 0; i < run->trace.count; i++)
        printf("> %s\n", run->trace.events[i].text);
    fflush(stdout);
}

static enum run_result run_one(struct run *run, struct scenario_step *step, const struct run_options *options)
{
    if (step->kind == STEP_NEEDS_VIRTUAL_CLOCK && world_clock() != WORLD_CLOCK_VIRTUAL) {
        printf("%s: skipped: it needs a virtual clock\n", run->scenario->file);
        return RUN_SKIPPED;
    }
    if (!run_perform(run, step) || !settle(run, step, options->record)) {
        fprintf(stderr, "%s:%u: %s: %s\n", run->scenario->file, step->line, source_of(run, step), run->error.text);
        return RUN_BROKEN;
    }
    trace_sort(&run->trace);
    if (options->quiet)
        return RUN_SAME;
    if (options->tell_steps)
        tell_step(run, step);
    if (options->record)
        keep_events(step, &run->trace);
    if (options->record || (options->only_compared && !run->scenario->compares))
        return RUN_SAME;
    if (options->only_compared && !run->scenario->compares_rules)
        trace_drop(&run->trace, TRACE_RULE);
    return compare(run, step);
}

/* How many steps come before the state: up to the first step state, or else all before the last unload. */
static size_t before_state(const struct scenario *scenario)
{
    size_t end = scenario->count;

    for (size_t i = 0; i < scenario->count; i++) {
        if (scenario->steps[i].kind == STEP_STATE)
            return i;
        if (scenario->steps[i].kind == STEP_UNLOAD)
            end = i;
    }
    return end;
}

enum run_result scenario_run(struct scenario *scenario, const struct run_options *options)
{
    struct world_error error;
    struct run *run = run_new(scenario, &error);
    enum run_result result = RUN_SAME;
    size_t count = options->to_state ? before_state(scenario) : scenario->count;

    if (run == NULL) {
        fprintf(stderr, "%s: the world does not start: %s\n", scenario->file, error.text);
        return RUN_BROKEN;
    }
    run->quiet = options->quiet;
    if (options->irql_given && !world_irql(options->irql, &run->error))
        result = RUN_BROKEN;
    for (size_t i = 0; i < count && result == RUN_SAME; i++) {
        result = run_one(run, &scenario->steps[i], options);
        trace_clear(&run->trace);
    }
    if (options->to_state && result != RUN_BROKEN && !world_state(&run->error))
        result = RUN_BROKEN;
    run_free(run);
    return result;
}

void scenario_run_forget(void)
{
    world_forget();
}

static size_t put(char *text, size_t at, const char *begin, const char *line)
{
    size_t size = strlen(begin) + strlen(line) + 1;

    if (text != NULL)
        (void)snprintf(text + at, size + 1, "%s%s\n", begin, line);
    return at + size;
}

static size_t write_text(const struct scenario *scenario, char *text)
{
    size_t at = 0, step = 0;

    for (size_t line = 0; line < scenario->source.count; line++) {
        at = put(text, at, "", scenario->source.text[line]);
        for (; step < scenario->count && scenario->steps[step].expected_at == line + 1; step++)
            for (size_t i = 0; i < scenario->steps[step].expected.count; i++)
                at = put(text, at, "> ", scenario->steps[step].expected.text[i]);
    }
    return at;
}

char *scenario_text(const struct scenario *scenario)
{
    char *text = malloc(write_text(scenario, NULL) + 1);

    if (text == NULL)
        abort();
    text[write_text(scenario, text)] = 0;
    return text;
}

bool scenario_save(const struct scenario *scenario, const char *path)
{
    char *text = scenario_text(scenario);
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(text, 1, strlen(text), file) == strlen(text);

    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        fprintf(stderr, "%s: it cannot be written.\n", path);
    free(text);
    return good;
}
