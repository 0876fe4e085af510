/* SPDX-License-Identifier: MIT */
/*
 * command_run.c - wfplab run and wfplab state: scenarios one after the other, each in a new machine.
 */
#include "lab/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/crash.h"
#include "lab/findings.h"
#include "lab/options.h"
#include "lab/scenario_run.h"
#include "nt/verify/scheduler.h"
#include "nt/verify/verify.h"

/* For drivers that need no client. */
static const char built_in[] = "load\n"
                               "connect tcp4\n"
                               "connect tcp6 to [2001:db8::1]:443\n"
                               "connect udp4 udp to 192.0.2.1:53\n"
                               "connect udp6 udp to [2001:db8::1]:53\n"
                               "establish tcp4\n"
                               "packet tcp4\n"
                               "change-filters\n"
                               "packet tcp4\n"
                               "sleep 60000\n"
                               "close tcp4\n"
                               "close tcp6\n"
                               "close udp4\n"
                               "close udp6\n"
                               "unload\n";

struct job {
    const struct options *options;
    struct scenario *scenario;
    bool to_state, abandoned;
    enum run_result result;
};

static void run_job(void *context)
{
    struct job *job = context;
    struct run_options how = {.record = job->options->record,
                              .only_compared = true,
                              .tell_steps = job->options->trace,
                              .to_state = job->to_state};

    job->result = scenario_run(job->scenario, &how);
}

static void run_scheduled(void *context)
{
    struct nt_schedule_options options = {.strategy = NT_RUN_ON};
    struct nt_schedule_result result;
    struct job *job = context;

    nt_schedule(&options, run_job, context, &result);
    job->abandoned = result.abandoned;
}

static bool write_file(const char *path, const struct scenario *scenario)
{
    char *text = scenario_text(scenario);
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(text, 1, strlen(text), file) == strlen(text);

    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        fprintf(stderr, "%s: cannot be written\n", path);
    free(text);
    return good;
}

static struct scenario *get_scenario(const char *path)
{
    struct scenario_error error;
    struct scenario *scenario = path == NULL ? scenario_parse("(built in)", built_in, sizeof(built_in) - 1, &error)
                                             : scenario_read(path, &error);

    if (scenario == NULL)
        fprintf(stderr, "%s\n", error.text);
    return scenario;
}

static void tell_end(const struct options *options, const struct scenario *scenario, enum crash crash,
                     enum run_result result, const struct findings_count *before)
{
    struct findings_count now;

    findings_count(&now);
    if (options->json)
        return;
    printf("%s: %zu steps%s, %zu errors, %zu warnings, %zu notes%s\n", scenario->file, scenario->count,
           crash == CRASH_FAULT  ? ", crashed"
           : crash == CRASH_HANG ? ", hung"
                                 : "",
           now.errors - before->errors, now.warnings - before->warnings, now.notes - before->notes,
           result == RUN_DIFFERS                                                    ? ", events differ"
           : result == RUN_SAME && scenario->compares && !options->record && !crash ? ", every event as expected"
                                                                                    : "");
    fflush(stdout);
}

/* true: the machine is as good as new, and there may be a next run. */
static bool run_scenario(const struct options *options, const char *path, bool to_state, int *code)
{
    struct scenario *scenario = get_scenario(path);
    struct job job = {options, scenario, to_state, false, RUN_BROKEN};
    struct findings_count before, after;
    enum crash crash;
    int now = LAB_CLEAN;

    if (scenario == NULL) {
        *code = *code > LAB_USAGE ? *code : LAB_USAGE;
        return true;
    }
    findings_count(&before);
    crash = crash_guard(run_scheduled, &job, options->seconds);
    if (crash == CRASH_NONE && job.abandoned)
        crash = CRASH_HANG;
    findings_count(&after);
    findings_tell();
    tell_end(options, scenario, crash, job.result, &before);
    if (crash == CRASH_NONE && options->record && path != NULL && job.result == RUN_SAME && !write_file(path, scenario))
        now = LAB_USAGE;
    if (crash != CRASH_NONE || job.result == RUN_DIFFERS || after.errors > before.errors ||
        (options->strict && (after.warnings > before.warnings || after.notes > before.notes)))
        now = LAB_FOUND;
    else if (job.result == RUN_BROKEN)
        now = LAB_USAGE;
    *code = now > *code ? now : *code;
    if (crash == CRASH_NONE)
        scenario_free(scenario);
    return crash == CRASH_NONE;
}

static int run_all(int count, char **arguments, bool to_state)
{
    static struct options options;
    struct driver_error error;
    int code = LAB_CLEAN;

    if (options_read(count, arguments, &options) != OPTIONS_GOOD)
        return LAB_USAGE;
    for (size_t i = 0; i < options.driver_count; i++) {
        if (driver_add(&options.drivers[i], &error))
            continue;
        fprintf(stderr, "wfplab: %s\n", error.text);
        return LAB_USAGE;
    }
    nt_verify_on = true;
    findings_begin();
    for (size_t i = 0; i < options.scenario_count || i == 0; i++)
        if (!run_scenario(&options, options.scenario_count == 0 ? NULL : options.scenarios[i], to_state, &code))
            return code; /* after a crash nothing of this process is used any more */
    driver_remove_all();
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
