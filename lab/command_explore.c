/* SPDX-License-Identifier: MIT */
/*
 * command_explore.c - wfplab explore: searches, shrinks, writes what it found; and wfplab replay, which does it again.
 */
#include "lab/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lab/crash.h"
#include "lab/explore_options.h"
#include "lab/findings.h"
#include "lab/json.h"
#include "lab/report_json.h"
#include "lab/report_text.h"
#include "lab/session.h"
#include "lab/world_folders.h"
#include "nt/verify/fault.h"
#include "nt/verify/verify.h"

#define LAB_TIME_ORIGIN 36000000000u /* where the scheduler's clock begins */

struct progress {
    struct timespec since;
    uint64_t most;
    bool shown;
};

static double seconds_since(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - since->tv_sec) + (double)(now.tv_nsec - since->tv_nsec) / 1e9;
}

static void show_progress(void *context, uint64_t runs, unsigned found)
{
    struct progress *progress = context;
    double seconds = seconds_since(&progress->since);

    fprintf(stderr, "\r%llu", (unsigned long long)runs);
    if (progress->most != UINT64_MAX)
        fprintf(stderr, " of %llu", (unsigned long long)progress->most);
    fprintf(stderr, " schedules, %.0f a second, %u found \033[K", seconds > 0 ? (double)runs / seconds : 0.0, found);
    fflush(stderr);
    progress->shown = true;
}

static void end_progress(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}

/* --- Being interrupted ---------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted; /* the signal */

static void interrupt(int number)
{
    interrupted = number;
}

/* The first one ends the search, with what was found so far; a second one the program. */
static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* As whoever sent the signal expects of a program that found nothing. */
static void end_interrupted(void)
{
    fflush(NULL);
    (void)signal(interrupted, SIG_DFL);
    (void)raise(interrupted);
}

/* --- What was found ------------------------------------------------------------------------- */

static void write_scenario(FILE *to, const struct scenario *scenario, const bool *keep,
                           const struct explore_found *found)
{
    fprintf(to, "# %s in %s. Found by wfplab explore in %s; to see it again: wfplab replay DRIVER THIS-FILE\n",
            found->report.rule->id, found->report.routine, scenario->file);
    plan_write(&found->plan, to);
    for (size_t i = 0; i < scenario->count; i++)
        if (keep[i])
            fprintf(to, "%s\n", scenario->source.text[scenario->steps[i].expected_at - 1]);
}

static bool save_scenario(const char *path, const struct scenario *scenario, const bool *keep,
                          const struct explore_found *found)
{
    FILE *file = fopen(path, "w");
    bool good;

    if (file == NULL) {
        fprintf(stderr, "wfplab: %s cannot be written; name another file with --out.\n", path);
        return false;
    }
    write_scenario(file, scenario, keep, found);
    good = !ferror(file);
    return fclose(file) == 0 && good;
}

/* The name of the file for the number-th: RULE.scenario here, unless one was asked for. */
static void name_file(const struct explore_arguments *arguments, const struct explore_found *found, size_t number,
                      char *path, size_t size)
{
    if (arguments->out != NULL && number == 0)
        snprintf(path, size, "%s", arguments->out);
    else if (arguments->out != NULL)
        snprintf(path, size, "%s.%zu", arguments->out, number + 1);
    else
        snprintf(path, size, "%s%s%.0zu.scenario", found->report.rule->id, number == 0 ? "" : "-", number);
}

static void tell_report(const struct explore_arguments *arguments, const struct explore_found *found)
{
    struct nt_report report = found->report;
    struct lab_report *named;

    report.fiber = found->fiber[0] == 0 ? NULL : found->fiber;
    named = lab_report_new(&report, 1);
    if (named == NULL)
        return;
    if (arguments->options.json) {
        lab_report_json(stdout, named, LAB_TIME_ORIGIN);
    } else {
        struct lab_text_options options = lab_text_options_for(stdout);

        options.origin = LAB_TIME_ORIGIN;
        lab_report_text(stdout, named, &options);
    }
    lab_report_free(named);
}

/* Does the file that was written break the rule again? Step numbers, ports and the like may be others in it. */
static bool file_is_good(const char *path, const struct explore_arguments *arguments, const struct explore_found *found)
{
    struct lab_plan plan = {.strategy = NT_RUN_ON, .irql = WORLD_IRQL_DISPATCH};
    struct scenario_error error;
    struct scenario *scenario = scenario_read(path, &error);
    struct explorer *explorer = NULL;
    bool good = scenario != NULL && plan_read(scenario, &plan, &error);

    if (good)
        explorer = explore_new(scenario, &arguments->search);
    good = explorer != NULL && explore_again(explorer, found, &plan);
    explore_free(explorer);
    plan_free(&plan);
    if (scenario != NULL)
        scenario_free(scenario);
    return good;
}

static void tell_file(const struct explore_arguments *arguments, const struct explore_found *found,
                      const struct scenario *scenario, size_t steps, const char *path)
{
    struct lab_json json;

    if (!arguments->options.json) {
        printf("found in schedule %llu; %zu of %zu steps and %u choices are enough: %s\n\n",
               (unsigned long long)found->run, steps, scenario->count, found->plan.choice_count, path);
        return;
    }
    lab_json_start(&json, stdout, false);
    lab_json_object(&json, NULL);
    lab_json_string(&json, "schema", "gatehouse-lab-found/1");
    lab_json_string(&json, "rule", found->report.rule->id);
    lab_json_string(&json, "routine", found->report.routine);
    lab_json_number(&json, "schedule", found->run);
    lab_json_number(&json, "steps", steps);
    lab_json_number(&json, "of_steps", scenario->count);
    lab_json_number(&json, "choices", found->plan.choice_count);
    lab_json_number(&json, "faults", found->plan.fault_count);
    lab_json_string(&json, "file", path);
    lab_json_object_end(&json);
    putchar('\n');
}

static size_t count_kept(const bool *keep, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += keep[i];
    return sum;
}

static void tell_found(const struct explore_arguments *arguments, struct explorer *explorer,
                       const struct scenario *scenario, size_t number)
{
    const struct explore_found *found = explore_found_at(explorer, number), *told = found;
    struct explore_found smallest = *found;
    bool *keep = calloc(scenario->count + 1, sizeof(*keep));
    char path[4096];

    if (keep == NULL)
        return;
    memset(keep, true, scenario->count * sizeof(*keep));
    name_file(arguments, found, number, path, sizeof(path));
    if (arguments->shrink) {
        explore_shrink(explorer, found, keep, &smallest);
        told = &smallest;
    }
    bool saved = save_scenario(path, scenario, keep, told);
    if (saved && arguments->shrink && !file_is_good(path, arguments, told)) {
        memset(keep, true, scenario->count * sizeof(*keep));
        told = found;
        saved = save_scenario(path, scenario, keep, told);
    }
    tell_report(arguments, told);
    if (saved)
        tell_file(arguments, told, scenario, count_kept(keep, scenario->count), path);
    if (arguments->shrink)
        plan_free(&smallest.plan);
    free(keep);
}

static void tell_summary(const struct explore_arguments *arguments, const struct explorer *explorer,
                         enum explore_end end, double seconds)
{
    static const char *const ends[] = {"over", "time", "interrupted", "complete"};
    static const char *const words[] = {"", ", the time is over", ", interrupted",
                                        ", every schedule with so few preemptions"};
    size_t found = explore_found_count(explorer);
    unsigned long long runs = explore_runs(explorer), points = explore_points(explorer);
    struct lab_json json;

    if (!arguments->options.json) {
        printf("%llu schedules, %llu points, %u calls failed, in %.1f s (%.0f a second)%s: %s\n", runs, points,
               explore_faults(explorer), seconds, seconds > 0 ? (double)runs / seconds : 0.0, words[end],
               found == 0 ? "nothing found" : "found");
        return;
    }
    lab_json_start(&json, stdout, false);
    lab_json_object(&json, NULL);
    lab_json_string(&json, "schema", "gatehouse-lab-search/1");
    lab_json_number(&json, "schedules", runs);
    lab_json_number(&json, "points", points);
    lab_json_number(&json, "faults", explore_faults(explorer));
    lab_json_number(&json, "found", found);
    lab_json_boolean(&json, "complete", end == EXPLORE_COMPLETE);
    lab_json_string(&json, "ended", ends[end]);
    lab_json_object_end(&json);
    putchar('\n');
}

static int explore(struct explore_arguments *arguments, struct scenario *scenario)
{
    struct progress progress = {.most = arguments->search.runs};
    struct explorer *explorer;
    struct world_error error = {""};
    enum explore_end end;

    clock_gettime(CLOCK_MONOTONIC, &progress.since);
    if (isatty(2)) {
        arguments->search.progress = show_progress;
        arguments->search.progress_context = &progress;
    }
    catch_interrupts();
    arguments->search.stop = &interrupted;
    explorer = explore_new(scenario, &arguments->search);
    if (explorer == NULL) {
        fprintf(stderr, "wfplab: there is not enough memory to explore.\n");
        return LAB_FAILED;
    }
    world_folders_own();
    bool good = explore_search(explorer, &end, &error);
    double seconds = seconds_since(&progress.since);
    size_t found = explore_found_count(explorer);
    end_progress(&progress);
    for (size_t i = 0; i < found; i++)
        tell_found(arguments, explorer, scenario, i);
    if (good)
        tell_summary(arguments, explorer, end, seconds);
    else
        fprintf(stderr, "wfplab: %s: %s\n", scenario->file, error.text);
    explore_free(explorer);
    world_folders_remove();
    if (interrupted && found == 0)
        end_interrupted();
    return !good ? LAB_FAILED : found != 0 ? LAB_FOUND : LAB_CLEAN;
}

/* --- The commands --------------------------------------------------------------------------- */

int command_explore(int count, char **words)
{
    static struct explore_arguments arguments;
    struct scenario *scenario;
    int code;

    if (!explore_arguments_read(count, words, &arguments) || !session_begin(&arguments.options))
        return LAB_USAGE;
    scenario = session_scenario(arguments.options.scenario_count == 0 ? NULL : arguments.options.scenarios[0]);
    if (scenario == NULL)
        return LAB_USAGE;
    code = explore(&arguments, scenario);
    scenario_free(scenario);
    session_end();
    return code;
}

struct replay {
    struct scenario *scenario;
    struct lab_plan plan;
    bool trace;
    FILE *events;
    uint64_t runs; /* in one process; the last one is told */
    struct concurrent_result result;
};

static void trace_point(void *context, uint32_t point, const char *fiber, const char *routine, uint64_t time)
{
    char text[32];

    (void)context;
    printf("%6u %s %-16s %s\n", point, lab_time_text(time, LAB_TIME_ORIGIN, text), fiber, routine);
}

static void replay_once(void *context)
{
    struct replay *replay = context;
    struct concurrent_options options = {.trace = NULL, .events = replay->events};
    struct nt_faults *faults = replay->plan.fault_count == 0 ? NULL : nt_faults_new(0);
    struct nt_fault_call calls[PLAN_FAULTS_MAX];

    for (uint32_t i = 0; i < replay->plan.fault_count; i++)
        calls[i] = (struct nt_fault_call){replay->plan.faults[i].routine, replay->plan.faults[i].call};
    for (uint64_t run = 1; run <= replay->runs; run++) {
        if (run == replay->runs && replay->trace)
            options.trace = trace_point;
        if (faults != NULL)
            nt_faults_begin_calls(faults, calls, replay->plan.fault_count);
        concurrent_run(replay->scenario, &replay->plan, &options, &replay->result);
        if (faults != NULL)
            (void)nt_faults_end(faults);
    }
    nt_faults_free(faults);
}

static int replay_file(const struct explore_arguments *arguments, struct replay *replay)
{
    struct findings_count found;
    enum crash crash;

    crash = crash_guard(replay_once, replay, arguments->options.seconds);
    findings_count(&found);
    findings_write(arguments->options.json);
    if (crash == CRASH_NONE && replay->result.broken) {
        fprintf(stderr, "wfplab: %s: %s\n", replay->scenario->file, replay->result.error.text);
        return LAB_FAILED;
    }
    if (!arguments->options.json)
        printf("%s: %u points, %zu errors, %zu warnings, %zu notes%s\n", replay->scenario->file, replay->result.points,
               found.errors, found.warnings, found.notes,
               crash == CRASH_FAULT  ? ", crashed"
               : crash == CRASH_HANG ? ", hung"
                                     : "");
    if (crash != CRASH_NONE || found.errors != 0)
        return LAB_FOUND;
    return arguments->options.strict && found.warnings + found.notes != 0 ? LAB_FOUND : LAB_CLEAN;
}

int command_replay(int count, char **words)
{
    static struct explore_arguments arguments;
    struct replay replay = {.plan = {.strategy = NT_RUN_ON, .irql = WORLD_IRQL_DISPATCH}};
    struct scenario_error error;

    if (!explore_arguments_read(count, words, &arguments) || !session_begin(&arguments.options))
        return LAB_USAGE;
    replay.scenario = session_scenario(arguments.options.scenario_count == 0 ? NULL : arguments.options.scenarios[0]);
    if (replay.scenario == NULL)
        return LAB_USAGE;
    if (!plan_read(replay.scenario, &replay.plan, &error)) {
        fprintf(stderr, "wfplab: %s\n", error.text);
        plan_free(&replay.plan);
        scenario_free(replay.scenario);
        return LAB_USAGE;
    }
    if (arguments.seed_given || arguments.strategy_given) {
        replay.plan.strategy = arguments.search.mixed ? NT_RANDOM_WALK : arguments.search.strategy;
        replay.plan.seed = arguments.search.seed;
        replay.plan.preemptions = arguments.search.preemptions;
    }
    if (arguments.options.irql_given)
        replay.plan.irql = arguments.options.irql;
    replay.trace = arguments.options.trace;
    replay.events = arguments.search.events;
    replay.runs = arguments.runs_given && arguments.search.runs != 0 ? arguments.search.runs : 1;
    return replay_file(&arguments, &replay);
}
