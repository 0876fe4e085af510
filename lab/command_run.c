/* SPDX-License-Identifier: MIT */
/*
 * command_run.c - wfplab run and wfplab state: scenarios one after the other, each in a new machine.
 */
#include "lab/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/asan.h"
#include "lab/findings.h"
#include "lab/json.h"
#include "lab/machine.h"
#include "lab/options.h"
#include "lab/session.h"

/* A file may cost the lab this much: then nothing of it is used any more. */
enum next { GO_ON, STOP };

static const char *events_word(const struct options *options, const struct scenario *scenario,
                               const struct machine_result *result)
{
    return result->events == RUN_DIFFERS            ? "differ"
           : result->abandoned                      ? "cut off"
           : result->events == RUN_BROKEN           ? "cannot be run"
           : !scenario->compares || options->record ? "not compared"
                                                    : "as expected";
}

static void tell_end(const struct options *options, const struct scenario *scenario,
                     const struct machine_result *result, const struct findings_count *found)
{
    static const char *const ends[] = {"", ", crashed", ", hung"};
    struct lab_json json;

    if (!options->json) {
        printf("%s: %zu steps%s, events %s; %zu errors, %zu warnings, %zu notes\n", scenario->file, scenario->count,
               ends[result->crash], events_word(options, scenario, result), found->errors, found->warnings,
               found->notes);
        fflush(stdout);
        return;
    }
    lab_json_start(&json, stdout, false);
    lab_json_object(&json, NULL);
    lab_json_string(&json, "schema", "gatehouse-lab-run/1");
    lab_json_string(&json, "scenario", scenario->file);
    lab_json_number(&json, "steps", scenario->count);
    lab_json_string(&json, "events", events_word(options, scenario, result));
    lab_json_boolean(&json, "crashed", result->crash == CRASH_FAULT);
    lab_json_boolean(&json, "hung", result->crash == CRASH_HANG);
    lab_json_number(&json, "errors", found->errors);
    lab_json_number(&json, "warnings", found->warnings);
    lab_json_number(&json, "notes", found->notes);
    lab_json_object_end(&json);
    fputc('\n', stdout);
    fflush(stdout);
}

static int code_of(const struct options *options, const struct machine_result *result,
                   const struct findings_count *found)
{
    if (result->abandoned || result->events == RUN_DIFFERS || found->errors != 0 ||
        (options->strict && found->warnings + found->notes != 0))
        return LAB_FOUND;
    return result->events == RUN_BROKEN ? LAB_USAGE : LAB_CLEAN;
}

static enum next run_scenario(const struct options *options, const char *path, bool to_state, int *code)
{
    struct scenario *scenario = session_scenario(path);
    struct run_options how = {.record = options->record,
                              .only_compared = true,
                              .tell_steps = options->trace,
                              .to_state = to_state,
                              .irql_given = options->irql_given,
                              .irql = options->irql};
    struct findings_count before, found;
    struct machine_result result;
    int now;

    if (scenario == NULL) {
        *code = *code > LAB_USAGE ? *code : LAB_USAGE;
        return GO_ON;
    }
    findings_count(&before);
    result = to_state ? machine_run(scenario, &how, NULL, options->seconds)
                      : machine_run_twice(scenario, &how, options->seconds);
    findings_count(&found);
    found.errors -= before.errors;
    found.warnings -= before.warnings;
    found.notes -= before.notes;
    if (!to_state || !options->json)
        findings_write(options->json);
    if (!to_state)
        tell_end(options, scenario, &result, &found);
    now = code_of(options, &result, &found);
    if (!result.abandoned && options->record && path != NULL && result.events == RUN_SAME &&
        !scenario_save(scenario, path))
        now = now > LAB_USAGE ? now : LAB_USAGE;
    *code = now > *code ? now : *code;
    if (!result.abandoned)
        scenario_free(scenario);
    return result.crash == CRASH_FAULT ? STOP : GO_ON;
}

/* What was found before ASan found something. */
static void write_json(void)
{
    findings_write(true);
}

static void write_text(void)
{
    findings_write(false);
}

static int run_all(int count, char **arguments, bool to_state)
{
    static struct options options;
    size_t scenarios;
    enum next next = GO_ON;
    int code = LAB_CLEAN;

    switch (options_read(count, arguments, &options)) {
    case OPTIONS_GOOD:
        break;
    case OPTIONS_HELP:
    case OPTIONS_WRONG:
        return LAB_USAGE;
    }
    if (to_state && options.scenario_count > 1) {
        fprintf(stderr, "wfplab: state: it takes one scenario.\n");
        return LAB_USAGE;
    }
    if (options.asan && !asan_is_on())
        return asan_restart();
    if (!session_begin(&options))
        return LAB_USAGE;
    session_state_as_json(options.json);
    if (options.asan)
        asan_before_end(options.json ? write_json : write_text);
    scenarios = options.scenario_count == 0 ? 1 : options.scenario_count;
    for (size_t i = 0; i < scenarios && next == GO_ON; i++) {
        next = run_scenario(&options, options.scenario_count == 0 ? NULL : options.scenarios[i], to_state, &code);
        if (next == STOP && i + 1 < scenarios)
            fprintf(stderr,
                    "wfplab: %zu scenarios were not run: what the driver did before it crashed may be anything.\n",
                    scenarios - i - 1);
    }
    if (options.sarif != NULL && !findings_write_sarif(options.sarif))
        code = code > LAB_USAGE ? code : LAB_USAGE;
    if (next == GO_ON)
        session_end();
    return code;
}

int command_run(int count, char **arguments)
{
    return run_all(count, arguments, false);
}

int command_state(int count, char **arguments)
{
    return run_all(count, arguments, true);
}
