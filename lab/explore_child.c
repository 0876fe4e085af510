/* SPDX-License-Identifier: MIT */
/*
 * explore_child.c - see explore_child.h.
 */
#include "lab/explore_child.h"

#include <stdio.h>
#include <string.h>

#include "lab/crash.h"
#include "lab/world_engine.h"
#include "nt/verify/strategy.h"
#include "nt/verify/verify.h"

#define SHRINK_RUNS    400u /* schedules that a smaller scenario gets */
#define FAULT_CALL_MAX 8u
#define PART           32u /* runs that a child takes at a time */

static struct child {
    struct explorer *explorer;
    struct lab_board *board;
    struct explore_slot *slot;
    struct lab_plan plan;
    bool sweeping;
    struct nt_faults *faults; /* of this run; NULL: no call fails */
    bool broken;              /* a rule was broken in this run that is not wanted */
} child;

bool explore_same_place(const struct nt_report *a, const struct nt_report *b)
{
    return a->rule == b->rule && strcmp(a->routine, b->routine) == 0;
}

static bool is_wanted(const struct nt_report *report)
{
    const struct explorer *explorer = child.explorer;

    if (explorer->wanted != NULL)
        return explore_same_place(report, &explorer->wanted->report);
    if (report->rule->severity != NT_ERROR && !explorer->options.strict)
        return false;
    for (size_t i = 0; i < explorer->found_count; i++)
        if (explore_same_place(report, &explorer->found[i].report))
            return false;
    /* A crash behind another broken rule is that one's. */
    return !child.broken || !crash_telling();
}

static bool is_exhaustive(const struct explorer *explorer)
{
    return !explorer->options.mixed && explorer->options.strategy == NT_EXHAUSTIVE;
}

/* The calls that failed in this run. */
static void name_faults(struct lab_plan *plan)
{
    unsigned count = 0;
    const struct nt_fault_call *calls = child.faults == NULL ? NULL : nt_faults_of_run(child.faults, &count);

    for (plan->fault_count = 0; plan->fault_count < count; plan->fault_count++) {
        struct plan_fault *fault = &plan->faults[plan->fault_count];

        snprintf(fault->routine, sizeof(fault->routine), "%s", calls[plan->fault_count].routine);
        fault->call = calls[plan->fault_count].call;
    }
}

static void keep_decisions(void)
{
    if (is_exhaustive(child.explorer))
        child.slot->decision_count = nt_schedule_where(child.slot->decisions, PLAN_CHOICES_MAX);
}

static void report_found(void *context, const struct nt_report *report)
{
    struct explore_record *record = &child.slot->record;
    const struct nt_choice *choices;
    size_t count;

    (void)context;
    if (crash_telling() && !is_wanted(report)) { /* what is behind a crash is nobody's */
        child.slot->at += !child.sweeping;
        if (child.sweeping)
            explore_sweep_over(child.explorer, child.slot);
        keep_decisions();
        crash_leave(CHILD_AGAIN);
    }
    if (!is_wanted(report)) {
        child.broken |= report->rule->severity == NT_ERROR;
        return;
    }
    record->report = *report;
    record->report.fiber = NULL;
    snprintf(record->fiber, sizeof(record->fiber), "%s", report->fiber == NULL ? "" : report->fiber);
    record->plan = child.plan;
    record->plan.choices = NULL;
    record->plan.choice_count = 0;
    if (record->plan.strategy == NT_EXHAUSTIVE)
        record->plan.strategy = NT_REPLAY;
    if (child.sweeping)
        name_faults(&record->plan);
    choices = nt_strategy_choices(&count);
    record->choice_count = (uint32_t)(count < PLAN_CHOICES_MAX ? count : PLAN_CHOICES_MAX);
    if (count != 0)
        memcpy(record->choices, choices, record->choice_count * sizeof(*choices));
    keep_decisions();
    child.board->found = 1;
    crash_leave(CHILD_FOUND);
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
    uint32_t calls = explorer->share->call_count;

    plan_free(&child.plan);
    child.plan = (struct lab_plan){.strategy = options->strategy,
                                   .seed = random,
                                   .preemptions = options->preemptions,
                                   .irql = options->irql_given ? options->irql : irqls[random % 3]};
    if (options->mixed)
        child.plan.strategy = number % 3 == 2 ? NT_PRIORITIES : NT_RANDOM_WALK;
    if (calls != 0 && (random >> 8) % 4 == 0)
        child.plan.faults[child.plan.fault_count++] = explorer->share->calls[(random >> 16) % calls];
}

/* false: the scenario cannot be run. */
static bool run_planned(void)
{
    struct concurrent_options options = {
        .keep = child.explorer->keep, .no_expect = !child.explorer->expects, .events = child.explorer->options.events};
    struct concurrent_result result;

    if (options.events != NULL)
        fprintf(options.events, "run %llu\n", (unsigned long long)child.slot->at);
    child.board->current = child.slot->at;
    child.slot->plan = child.plan;
    child.slot->plan.choices = NULL;
    child.slot->plan.choice_count = 0;
    child.broken = false;
    concurrent_run(child.explorer->scenario, &child.plan, &options, &result);
    child.board->points += result.points;
    if (result.broken)
        child.slot->error = result.error;
    return !result.broken;
}

static bool run_with_faults(void)
{
    struct nt_fault_call calls[PLAN_FAULTS_MAX];
    static struct nt_faults
        *own; /* children run at the same time: explorer->faults counts the calls of the sweep alone */

    if (own == NULL)
        own = nt_faults_new(0);
    struct nt_faults *faults = child.plan.fault_count == 0 ? NULL : own;

    for (uint32_t i = 0; i < child.plan.fault_count; i++)
        calls[i] = (struct nt_fault_call){child.plan.faults[i].routine, child.plan.faults[i].call};
    child.faults = faults;
    if (faults != NULL)
        nt_faults_begin_calls(faults, calls, child.plan.fault_count);
    bool good = run_planned();
    if (faults != NULL)
        (void)nt_faults_end(faults);
    return good;
}

static void run_over(void)
{
    child.slot->at++;
    lab_board_run_over(child.board);
}

/* --- What a child does ---------------------------------------------------------------------- */

void explore_sweep_over(struct explorer *explorer, struct explore_slot *slot)
{
    struct explore_share *share = explorer->share;
    bool more = explorer->options.faults && explorer->faults != NULL;
    const struct nt_failed *failed;

    if (slot->at++ != 0)
        more = nt_faults_end(explorer->faults);
    slot->swept = !more;
    while (more && share->call_count < EXPLORE_CALLS_MAX &&
           (failed = nt_faults_at(explorer->faults, share->call_count)) != NULL) {
        struct plan_fault *call = &share->calls[share->call_count];

        snprintf(call->routine, sizeof(call->routine), "%s", failed->routine);
        call->call = failed->call;
        share->call_count++;
    }
}

/* The usual order, then with each call failed once that can fail. */
static int sweep(void)
{
    struct explorer *explorer = child.explorer;
    struct explore_slot *slot = child.slot;

    child.plan = (struct lab_plan){.strategy = NT_RUN_ON,
                                   .irql = explorer->options.irql_given ? explorer->options.irql : WORLD_IRQL_DISPATCH};
    while (!slot->swept && slot->at < explorer->options.runs) {
        child.sweeping = slot->at != 0;
        child.faults = child.sweeping ? explorer->faults : NULL;
        if (child.sweeping)
            nt_faults_begin(explorer->faults, 0);
        if (!run_planned())
            return CHILD_BROKEN;
        explore_sweep_over(explorer, slot);
        lab_board_run_over(child.board);
        if (child.broken)
            return CHILD_AGAIN;
    }
    return CHILD_CLEAN;
}

static int search(void)
{
    struct explorer *explorer = child.explorer;
    struct explore_slot *slot = child.slot;

    for (;;) {
        if (slot->at == slot->end) {
            slot->at = __atomic_fetch_add(&explorer->share->next, PART, __ATOMIC_RELAXED);
            slot->end = slot->at + PART;
        }
        if (slot->at >= explorer->options.runs ||
            slot->at >= __atomic_load_n(&explorer->share->limit, __ATOMIC_RELAXED))
            return CHILD_CLEAN;
        make_plan(explorer, slot->at);
        if (!run_with_faults())
            return CHILD_BROKEN;
        run_over();
        if (child.broken)
            return CHILD_AGAIN;
    }
}

static int search_every(void)
{
    struct explore_slot *slot = child.slot;

    make_plan(child.explorer, 0);
    child.plan.fault_count = 0;
    if (!child.explorer->options.irql_given)
        child.plan.irql = WORLD_IRQL_DISPATCH;
    if (slot->at == 0)
        nt_schedule_first();
    else if (!nt_schedule_resume(slot->decisions, slot->decision_count))
        return CHILD_COMPLETE;
    while (slot->at < child.explorer->options.runs) {
        if (!run_planned())
            return CHILD_BROKEN;
        keep_decisions();
        run_over();
        if (child.broken && slot->decision_count != 0)
            return CHILD_AGAIN;
        if (!nt_schedule_next())
            return CHILD_COMPLETE;
    }
    return CHILD_CLEAN;
}

/* A smaller scenario: as it was found, in the usual order, and then as the dice fall. */
static void make_test_plan(uint64_t run)
{
    const struct lab_plan *found = child.explorer->plan;

    make_plan(child.explorer, run);
    if (child.plan.strategy == NT_EXHAUSTIVE)
        child.plan.strategy = NT_RANDOM_WALK;
    if (run == 0 && plan_set_choices(&child.plan, found->choices, found->choice_count)) {
        child.plan.strategy = found->strategy;
        child.plan.seed = found->seed;
    }
    if (run == 1)
        child.plan.strategy = NT_RUN_ON;
    if (run < 2 || run % 3 != 0)
        child.plan.irql = found->irql;
    child.plan.preemptions = found->preemptions;
    child.plan.fault_count = found->fault_count;
    memcpy(child.plan.faults, found->faults, sizeof(found->faults));
    for (uint32_t i = 0; run >= 2 && i < found->fault_count; i++)
        child.plan.faults[i].call = (uint32_t)(mix(run, i) % FAULT_CALL_MAX + 1);
}

static int test(void)
{
    struct explore_slot *slot = child.slot;

    while (slot->at < (child.explorer->only_plan ? 1 : SHRINK_RUNS)) {
        make_test_plan(slot->at);
        if (!run_with_faults())
            return CHILD_BROKEN;
        run_over();
        if (child.broken)
            return CHILD_AGAIN;
    }
    return CHILD_CLEAN;
}

/* --- Being one ------------------------------------------------------------------------------ */

struct child_job {
    int (*work)(void);
    int code;
};

static void do_job(void *context)
{
    struct child_job *job = context;

    crash_limit(child.explorer->options.hang_ms / 1000);
    job->code = job->work();
}

static int be_child(struct explorer *explorer, struct lab_board *board, int (*work)(void))
{
    struct child_job job = {work, CHILD_BROKEN};

    memset(&child, 0, sizeof(child));
    child.explorer = explorer;
    child.board = board;
    child.slot = explore_slot_of(board);
    child.slot->error.text[0] = 0;
    nt_verify_on = true;
    nt_reports_clear();
    nt_set_report_handler(report_found, NULL);
    world_set_listener(ignore);
    (void)crash_guard(do_job, &job, 0);
    return job.code;
}

int explore_sweep_body(void *context, struct lab_board *board)
{
    return be_child(context, board, sweep);
}

int explore_search_body(void *context, struct lab_board *board)
{
    return be_child(context, board, search);
}

int explore_every_body(void *context, struct lab_board *board)
{
    return be_child(context, board, search_every);
}

int explore_test_body(void *context, struct lab_board *board)
{
    return be_child(context, board, test);
}
