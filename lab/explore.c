/* SPDX-License-Identifier: MIT */
/*
 * explore.c - see explore.h.
 *
 * A child reports by copying the report and its choices on the board and leaving at once, inside of the violation.
 * Parent and child are one program forked, so addresses and pointers in a report mean the same to both.
 */
#include "lab/explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lab/crash.h"
#include "lab/shrink.h"
#include "lab/world_engine.h"
#include "nt/verify/fault.h"
#include "nt/verify/strategy.h"
#include "nt/verify/verify.h"

#define SHRINK_RUNS    400u /* schedules that a smaller scenario gets */
#define SHRINK_TESTS   300u
#define FAULTS_KNOWN   512u
#define FAULT_CALL_MAX 8u

enum { CHILD_CLEAN, CHILD_FOUND, CHILD_COMPLETE, CHILD_BROKEN };

struct record {
    struct nt_report report;
    char fiber[24];
    struct lab_plan plan; /* without its choices, which follow */
    uint32_t choice_count;
    struct nt_choice choices[PLAN_CHOICES_MAX];
};

/* What both sides know. */
struct shared {
    uint32_t faults; /* calls failed */
    struct world_error error;
    struct record record;
};

struct explorer {
    const struct scenario *scenario;
    struct explore_options options;
    struct lab_board *board;
    struct explore_found found[EXPLORE_FOUND_MAX];
    size_t found_count;
    struct timespec deadline;
    bool time_over;
    /* A shrinking test: which steps, which plans. */
    const bool *keep;
    const struct lab_plan *plans;
    const struct explore_found *wanted;
    bool only_plans;
};

/* --- In the child --------------------------------------------------------------------------- */

static struct child {
    struct explorer *explorer;
    struct shared *shared;
    struct lab_plan plan;
    struct nt_faults *faults; /* of the sweep */
    bool sweeping;
    struct {
        char routine[PLAN_ROUTINE_MAX + 1];
        uint32_t call;
    } known[FAULTS_KNOWN];
    uint32_t known_count;
} child;

static bool same_place(const struct nt_report *a, const struct nt_report *b)
{
    return a->rule == b->rule && strcmp(a->routine, b->routine) == 0;
}

static bool is_wanted(const struct nt_report *report)
{
    const struct explorer *explorer = child.explorer;

    if (report->rule->severity != NT_ERROR && !explorer->options.strict)
        return false;
    if (explorer->wanted != NULL)
        return same_place(report, &explorer->wanted->report);
    for (size_t i = 0; i < explorer->found_count; i++)
        if (same_place(report, &explorer->found[i].report))
            return false;
    return true;
}

/* The call that the sweep failed in this run. */
static void name_fault(struct lab_plan *plan)
{
    const struct nt_failed *failed = NULL;

    for (size_t i = 0; child.sweeping && nt_faults_at(child.faults, i) != NULL; i++)
        failed = nt_faults_at(child.faults, i);
    if (failed == NULL)
        return;
    snprintf(plan->fault_routine, sizeof(plan->fault_routine), "%s", failed->routine);
    plan->fault_call = failed->call;
}

static void report_found(void *context, const struct nt_report *report)
{
    struct record *record = &child.shared->record;
    const struct nt_choice *choices;
    size_t count;

    (void)context;
    if (!is_wanted(report))
        return;
    record->report = *report;
    record->report.fiber = NULL;
    snprintf(record->fiber, sizeof(record->fiber), "%s", report->fiber == NULL ? "" : report->fiber);
    record->plan = child.plan;
    record->plan.choices = NULL;
    record->plan.choice_count = 0;
    if (child.plan.fault_routine[0] == 0)
        name_fault(&record->plan);
    choices = nt_strategy_choices(&count);
    record->choice_count = (uint32_t)(count < PLAN_CHOICES_MAX ? count : PLAN_CHOICES_MAX);
    memcpy(record->choices, choices, record->choice_count * sizeof(*choices));
    child.explorer->board->found = 1;
    _exit(CHILD_FOUND);
}

static void ignore(const struct nt_violation *violation)
{
    (void)violation; /* its report was made before */
}

static uint64_t mix(uint64_t seed, uint64_t number)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + number;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The plan of a run behind the sweep. */
static void make_plan(const struct explorer *explorer, uint64_t number)
{
    static const enum world_irql irqls[] = {WORLD_IRQL_DISPATCH, WORLD_IRQL_ALTERNATE, WORLD_IRQL_PASSIVE};
    const struct explore_options *options = &explorer->options;
    uint64_t random = mix(options->seed, number);

    plan_free(&child.plan);
    child.plan = (struct lab_plan){.strategy = options->strategy,
                                   .seed = random,
                                   .preemptions = options->preemptions,
                                   .irql = options->irql_given ? options->irql : irqls[random % 3]};
    if (options->mixed)
        child.plan.strategy = number % 3 == 2 ? NT_PRIORITIES : NT_RANDOM_WALK;
    if (child.known_count != 0 && (random >> 8) % 4 == 0) {
        uint32_t fault = (uint32_t)((random >> 16) % child.known_count);

        memcpy(child.plan.fault_routine, child.known[fault].routine, sizeof(child.plan.fault_routine));
        child.plan.fault_call = child.known[fault].call;
    }
}

static void remember_faults(void)
{
    const struct nt_failed *failed;

    while (child.known_count < FAULTS_KNOWN && (failed = nt_faults_at(child.faults, child.known_count)) != NULL) {
        snprintf(child.known[child.known_count].routine, sizeof(child.known[0].routine), "%s", failed->routine);
        child.known[child.known_count++].call = failed->call;
    }
    child.shared->faults = child.known_count;
}

/* false: the scenario cannot be run. */
static bool run_planned(struct explorer *explorer)
{
    struct concurrent_options options = {.keep = explorer->keep, .events = explorer->options.events};
    struct concurrent_result result;

    if (options.events != NULL)
        fprintf(options.events, "run %llu\n", (unsigned long long)explorer->board->current);

    concurrent_run(explorer->scenario, &child.plan, &options, &result);
    explorer->board->points += result.points;
    if (result.broken)
        child.shared->error = result.error;
    return !result.broken;
}

static bool run_with_fault(struct explorer *explorer)
{
    bool fails = child.plan.fault_routine[0] != 0 && child.faults != NULL;

    if (fails)
        nt_faults_begin_call(child.faults, child.plan.fault_routine, child.plan.fault_call);
    bool good = run_planned(explorer);
    if (fails)
        (void)nt_faults_end(child.faults);
    lab_board_run_over(explorer->board);
    return good;
}

/* The usual order, then with each call failed once that can fail. Returns how many runs that took; 0: it cannot run. */
static uint64_t sweep(struct explorer *explorer)
{
    uint64_t runs = 1;
    bool more = explorer->options.faults && child.faults != NULL;

    child.plan = (struct lab_plan){.strategy = NT_RUN_ON,
                                   .irql = explorer->options.irql_given ? explorer->options.irql : WORLD_IRQL_DISPATCH};
    if (!run_planned(explorer))
        return 0;
    lab_board_run_over(explorer->board);
    for (; more && runs < explorer->options.runs; runs++) {
        explorer->board->current = runs;
        child.sweeping = true;
        nt_faults_begin(child.faults, 0);
        if (!run_planned(explorer))
            return 0;
        more = nt_faults_end(child.faults);
        child.sweeping = false;
        remember_faults();
        lab_board_run_over(explorer->board);
    }
    return runs;
}

static int search_exhaustively(struct explorer *explorer)
{
    nt_schedule_first();
    make_plan(explorer, 0);
    for (uint64_t run = 0; run < explorer->options.runs; run++) {
        explorer->board->current = run;
        if (!run_with_fault(explorer))
            return CHILD_BROKEN;
        if (!nt_schedule_next())
            return CHILD_COMPLETE;
    }
    return CHILD_CLEAN;
}

static int search(struct explorer *explorer)
{
    uint64_t first = explorer->board->current;

    if (!explorer->options.mixed && explorer->options.strategy == NT_EXHAUSTIVE)
        return search_exhaustively(explorer);
    uint64_t swept = sweep(explorer);
    if (swept == 0)
        return CHILD_BROKEN;
    for (uint64_t run = swept > first ? swept : first; run < explorer->options.runs; run++) {
        explorer->board->current = run;
        make_plan(explorer, run);
        if (!run_with_fault(explorer))
            return CHILD_BROKEN;
    }
    return CHILD_CLEAN;
}

/* A smaller scenario: as it was found, in the usual order, and then as the dice fall. */
static int test(struct explorer *explorer)
{
    const struct lab_plan *found = explorer->plans;

    for (uint64_t run = 0; run < (explorer->only_plans ? 1 : SHRINK_RUNS); run++) {
        make_plan(explorer, run);
        if (run == 0)
            (void)(plan_set_choices(&child.plan, found->choices, found->choice_count) &&
                   (child.plan.strategy = found->strategy, true));
        if (run == 1)
            child.plan.strategy = NT_RUN_ON;
        if (run < 2 || run % 3 != 0)
            child.plan.irql = found->irql;
        child.plan.seed = run == 0 ? found->seed : child.plan.seed;
        child.plan.preemptions = found->preemptions;
        memcpy(child.plan.fault_routine, found->fault_routine, sizeof(found->fault_routine));
        child.plan.fault_call = run < 2 ? found->fault_call : (uint32_t)(run % FAULT_CALL_MAX + 1);
        if (!run_with_fault(explorer))
            return CHILD_BROKEN;
    }
    return CHILD_CLEAN;
}

struct child_job {
    struct explorer *explorer;
    int (*work)(struct explorer *explorer);
    int code;
};

static void do_job(void *context)
{
    struct child_job *job = context;

    job->code = job->work(job->explorer);
}

static int child_body(struct explorer *explorer, int (*work)(struct explorer *explorer))
{
    struct child_job job = {explorer, work, CHILD_BROKEN};

    memset(&child, 0, sizeof(child));
    child.explorer = explorer;
    child.shared = (struct shared *)(void *)explorer->board->data;
    child.faults = nt_faults_new(0);
    nt_verify_on = true;
    nt_set_report_handler(report_found, NULL);
    world_set_listener(ignore);
    (void)crash_guard(do_job, &job, 0);
    return job.code;
}

static int search_body(void *context, struct lab_board *board)
{
    (void)board;
    return child_body(context, search);
}

static int test_body(void *context, struct lab_board *board)
{
    (void)board;
    return child_body(context, test);
}

/* --- In the parent -------------------------------------------------------------------------- */

struct explorer *explore_new(const struct scenario *scenario, const struct explore_options *options)
{
    struct explorer *explorer = calloc(1, sizeof(*explorer));

    if (explorer == NULL)
        return NULL;
    explorer->scenario = scenario;
    explorer->options = *options;
    explorer->board = lab_board_new(sizeof(struct shared));
    if (explorer->board != NULL)
        return explorer;
    free(explorer);
    return NULL;
}

void explore_free(struct explorer *explorer)
{
    if (explorer == NULL)
        return;
    for (size_t i = 0; i < explorer->found_count; i++)
        plan_free(&explorer->found[i].plan);
    lab_board_free(explorer->board);
    free(explorer);
}

static bool watch(void *context, const struct lab_board *board)
{
    struct explorer *explorer = context;
    struct timespec now;

    if (explorer->options.progress != NULL)
        explorer->options.progress(explorer->options.progress_context, board, (unsigned)explorer->found_count);
    clock_gettime(CLOCK_MONOTONIC, &now);
    explorer->time_over = explorer->options.seconds != 0 && now.tv_sec >= explorer->deadline.tv_sec;
    return !explorer->time_over;
}

static void take_record(struct explore_found *found, const struct record *record, uint64_t run)
{
    memset(found, 0, sizeof(*found));
    found->report = record->report;
    memcpy(found->fiber, record->fiber, sizeof(found->fiber));
    found->report.fiber = NULL;
    found->run = run;
    found->plan = record->plan;
    found->plan.choices = NULL;
    (void)plan_set_choices(&found->plan, record->choices, record->choice_count);
}

static struct record *record_of(const struct explorer *explorer)
{
    return &((struct shared *)(void *)explorer->board->data)->record;
}

/* A child that neither found nor ended: why, as an error of the lab's. */
static bool lab_failed(const struct explorer *explorer, const struct lab_worker_result *result,
                       struct world_error *error)
{
    const struct shared *shared = (const struct shared *)(const void *)explorer->board->data;

    if (result->end == LAB_WORKER_ENDED && result->exit_code == CHILD_BROKEN && shared->error.text[0] != 0)
        *error = shared->error;
    else
        snprintf(error->text, sizeof(error->text), "run %llu ended its process without a report (%s %d)",
                 (unsigned long long)explorer->board->current,
                 result->end == LAB_WORKER_CRASHED ? "signal" : "exit code",
                 result->end == LAB_WORKER_CRASHED ? result->signal_number : result->exit_code);
    return false;
}

bool explore_search(struct explorer *explorer, enum explore_end *end, struct world_error *error)
{
    clock_gettime(CLOCK_MONOTONIC, &explorer->deadline);
    explorer->deadline.tv_sec += explorer->options.seconds;
    *end = EXPLORE_OVER;
    for (;;) {
        explorer->board->found = 0;
        struct lab_worker_result result =
            lab_worker_run(explorer->board, search_body, watch, explorer, explorer->options.hang_ms);
        if (result.end == LAB_WORKER_STOPPED) {
            *end = EXPLORE_TIME;
            return true;
        }
        if (!explorer->board->found) {
            if (result.end != LAB_WORKER_ENDED || result.exit_code == CHILD_BROKEN)
                return lab_failed(explorer, &result, error);
            *end = result.exit_code == CHILD_COMPLETE ? EXPLORE_COMPLETE : EXPLORE_OVER;
            return true;
        }
        take_record(&explorer->found[explorer->found_count++], record_of(explorer), explorer->board->current);
        explorer->board->current++;
        if (!explorer->options.all || explorer->found_count == EXPLORE_FOUND_MAX)
            return true;
    }
}

size_t explore_found_count(const struct explorer *explorer)
{
    return explorer->found_count;
}

const struct explore_found *explore_found_at(const struct explorer *explorer, size_t index)
{
    return &explorer->found[index];
}

uint64_t explore_runs(const struct explorer *explorer)
{
    return explorer->board->runs;
}

uint64_t explore_points(const struct explorer *explorer)
{
    return explorer->board->points;
}

uint32_t explore_faults(const struct explorer *explorer)
{
    return ((const struct shared *)(const void *)explorer->board->data)->faults;
}

/* --- Shrinking ------------------------------------------------------------------------------ */

struct shrinking {
    struct explorer *explorer;
    struct explore_found *smallest; /* what the last test that failed found */
    struct lab_plan plan;           /* what tests try first */
};

static bool still_found(struct shrinking *shrinking, const bool *keep, const struct lab_plan *plan, bool only_plan)
{
    struct explorer *explorer = shrinking->explorer;

    explorer->keep = keep;
    explorer->plans = plan;
    explorer->only_plans = only_plan;
    explorer->board->found = 0;
    (void)lab_worker_run(explorer->board, test_body, NULL, explorer, explorer->options.hang_ms);
    if (!explorer->board->found)
        return false;
    plan_free(&shrinking->smallest->plan);
    take_record(shrinking->smallest, record_of(explorer), shrinking->smallest->run);
    return true;
}

static bool without_steps(void *context, const bool *keep, size_t count)
{
    struct shrinking *shrinking = context;

    (void)count;
    return still_found(shrinking, keep, &shrinking->plan, false);
}

struct choosing {
    struct shrinking *shrinking;
    const bool *keep;
    struct lab_plan plan; /* all choices */
};

static bool without_choices(void *context, const bool *keep, size_t count)
{
    struct choosing *choosing = context;
    struct lab_plan fewer = choosing->plan;
    bool found;

    fewer.choices = calloc(count + 1, sizeof(*fewer.choices));
    if (fewer.choices == NULL)
        return false;
    fewer.choice_count = 0;
    for (size_t i = 0; i < count; i++)
        if (keep[i])
            fewer.choices[fewer.choice_count++] = choosing->plan.choices[i];
    found = still_found(choosing->shrinking, choosing->keep, &fewer, true);
    free(fewer.choices);
    return found;
}

/* As few changes of fibers as will do, to be replayed. */
static void shrink_choices(struct shrinking *shrinking, const bool *keep)
{
    struct choosing choosing = {.shrinking = shrinking, .keep = keep, .plan = shrinking->smallest->plan};
    size_t count = choosing.plan.choice_count;
    bool *kept = calloc(count + 1, sizeof(*kept));

    choosing.plan.choices = NULL;
    if (kept == NULL || !plan_set_choices(&choosing.plan, shrinking->smallest->plan.choices, count)) {
        free(kept);
        return;
    }
    choosing.plan.strategy = NT_REPLAY;
    for (size_t i = 0; i < count; i++)
        kept[i] = true;
    if (without_choices(&choosing, kept, count)) {
        (void)lab_shrink(kept, count, without_choices, &choosing, SHRINK_TESTS);
        /* Which choices were recorded differs from which were asked for: those asked for are what is needed. */
        (void)without_choices(&choosing, kept, count);
        choosing.plan.choice_count = 0;
        for (size_t i = 0; i < count; i++)
            if (kept[i])
                choosing.plan.choices[choosing.plan.choice_count++] = choosing.plan.choices[i];
        shrinking->smallest->plan.strategy = NT_REPLAY;
        (void)plan_set_choices(&shrinking->smallest->plan, choosing.plan.choices, choosing.plan.choice_count);
    }
    plan_free(&choosing.plan);
    free(kept);
}

void explore_shrink(struct explorer *explorer, const struct explore_found *found, bool *keep,
                    struct explore_found *smallest)
{
    struct shrinking shrinking = {.explorer = explorer, .smallest = smallest, .plan = found->plan};

    *smallest = *found;
    smallest->plan.choices = NULL;
    (void)plan_set_choices(&smallest->plan, found->plan.choices, found->plan.choice_count);
    explorer->wanted = found;
    for (size_t i = 0; i < explorer->scenario->count; i++)
        keep[i] = true;
    (void)lab_shrink(keep, explorer->scenario->count, without_steps, &shrinking, SHRINK_TESTS);
    if (still_found(&shrinking, keep, &found->plan, false))
        shrink_choices(&shrinking, keep);
    explorer->wanted = NULL;
    explorer->keep = NULL;
}
