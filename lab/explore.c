/* SPDX-License-Identifier: MIT */
/*
 * explore.c - see explore.h: the parent's side of the search.
 *
 * The sweep is one child's, because what fails next depends on what failed. Behind it several children take parts of
 * the runs, in the order of their numbers, each part once. When one has found something in run n, the others end the
 * runs before n and no more, and the one found in the first run counts: so what is found does not depend on how
 * many children there are. With `all` the search then goes on behind that run.
 */
#include "lab/explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "lab/explore_child.h"
#include "nt/verify/fault.h"

static void *share_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

struct explorer *explore_new(const struct scenario *scenario, const struct explore_options *options)
{
    struct explorer *explorer = calloc(1, sizeof(*explorer));
    bool good;

    if (explorer == NULL)
        return NULL;
    explorer->scenario = scenario;
    explorer->options = *options;
    for (size_t i = 0; i < scenario->count; i++)
        explorer->expects |= scenario->steps[i].kind == STEP_THEN;
    if (explorer->options.jobs == 0)
        explorer->options.jobs = 1;
    if (explorer->options.jobs > LAB_WORKERS_MAX)
        explorer->options.jobs = LAB_WORKERS_MAX;
    explorer->share = share_memory(sizeof(*explorer->share));
    explorer->faults = nt_faults_new(0);
    good = explorer->share != NULL && explorer->faults != NULL;
    for (unsigned i = 0; i < explorer->options.jobs; i++) {
        explorer->boards[i] = lab_board_new(sizeof(struct explore_slot));
        good = good && explorer->boards[i] != NULL;
    }
    if (good)
        return explorer;
    explore_free(explorer);
    return NULL;
}

void explore_free(struct explorer *explorer)
{
    if (explorer == NULL)
        return;
    for (size_t i = 0; i < explorer->found_count; i++)
        plan_free(&explorer->found[i].plan);
    for (size_t i = 0; i < LAB_WORKERS_MAX; i++)
        lab_board_free(explorer->boards[i]);
    nt_faults_free(explorer->faults);
    if (explorer->share != NULL)
        munmap(explorer->share, sizeof(*explorer->share));
    free(explorer);
}

static void count_runs(struct explorer *explorer)
{
    explorer->runs = explorer->points = 0;
    for (unsigned i = 0; i < explorer->options.jobs; i++) {
        explorer->runs += __atomic_load_n(&explorer->boards[i]->runs, __ATOMIC_RELAXED);
        explorer->points += __atomic_load_n(&explorer->boards[i]->points, __ATOMIC_RELAXED);
    }
}

bool explore_watch(void *context)
{
    struct explorer *explorer = context;
    const struct timespec *deadline = &explorer->deadline;
    struct timespec now;

    if (explorer->options.progress != NULL && explorer->wanted == NULL) {
        count_runs(explorer);
        explorer->options.progress(explorer->options.progress_context, explorer->runs, (unsigned)explorer->found_count);
    }
    if (explorer->options.stop != NULL && *explorer->options.stop)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    explorer->time_over = explorer->timed && (now.tv_sec > deadline->tv_sec ||
                                              (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec));
    return !explorer->time_over;
}

/* --- What a child leaves -------------------------------------------------------------------- */

static void take_record(struct explore_found *found, const struct explore_record *record)
{
    found->report = record->report;
    memcpy(found->fiber, record->fiber, sizeof(found->fiber));
    found->plan = record->plan;
    (void)plan_set_choices(&found->plan, record->choices, record->choice_count);
}

/* It died, and could not tell why. */
static void take_death(const struct explorer *explorer, const struct lab_worker *worker, struct explore_found *found)
{
    const struct lab_worker_result *result = &worker->result;
    struct nt_report *report = &found->report;

    found->plan = explore_slot_of(worker->board)->plan;
    if (found->plan.strategy == NT_EXHAUSTIVE)
        found->plan.strategy = NT_RUN_ON;
    if (result->end == LAB_WORKER_HUNG) {
        report->rule = nt_rule_find("no-progress");
        report->routine = "wfplab";
        snprintf(report->detail, sizeof(report->detail), "the run did not end in %u s, and does not tell where it is",
                 explorer->options.hang_ms / 1000);
    } else {
        report->rule = nt_rule_find("access-fault");
        report->routine = "the driver's process";
        snprintf(report->detail, sizeof(report->detail), "it was ended by %s %d before a report could be made",
                 result->end == LAB_WORKER_CRASHED ? "signal" : "exit code",
                 result->end == LAB_WORKER_CRASHED ? result->signal_number : result->exit_code);
    }
}

bool explore_take(struct explorer *explorer, const struct lab_worker *worker, struct explore_found *found,
                  struct world_error *error)
{
    const struct explore_slot *slot = explore_slot_of(worker->board);

    if (worker->result.end == LAB_WORKER_ENDED && worker->result.exit_code == CHILD_BROKEN &&
        slot->error.text[0] != 0) {
        *error = slot->error;
        return false;
    }
    if (worker->result.end == LAB_WORKER_FAILED) {
        snprintf(error->text, sizeof(error->text), "no process could be made for the search");
        return false;
    }
    memset(found, 0, sizeof(*found));
    if (worker->board->found)
        take_record(found, &slot->record);
    else
        take_death(explorer, worker, found);
    found->run = slot->at;
    return true;
}

/* --- Searching ------------------------------------------------------------------------------ */

struct phase {
    struct explorer *explorer;
    int (*body)(void *context, struct lab_board *board);
    struct lab_worker workers[LAB_WORKERS_MAX];
    struct explore_found best;
    bool found, complete, failed;
    struct world_error *error;
};

static bool is_known(const struct explorer *explorer, const struct explore_found *found)
{
    for (size_t i = 0; i < explorer->found_count; i++)
        if (explore_same_place(&found->report, &explorer->found[i].report))
            return true;
    return false;
}

static void start(struct phase *phase, struct lab_worker *worker)
{
    worker->board->found = 0;
    if (lab_worker_start(worker, phase->body, phase->explorer))
        return;
    snprintf(phase->error->text, sizeof(phase->error->text), "no process could be made for the search");
    phase->failed = true;
}

/* The run that a child ended in is over, for the parent. */
static void step_over(struct phase *phase, struct explore_slot *slot)
{
    if (phase->body == explore_sweep_body)
        explore_sweep_over(phase->explorer, slot);
    else
        slot->at++;
}

static void take_found(struct phase *phase, struct lab_worker *worker)
{
    struct explorer *explorer = phase->explorer;
    struct explore_slot *slot = explore_slot_of(worker->board);
    struct explore_found found;

    if (!explore_take(explorer, worker, &found, phase->error)) {
        phase->failed = true;
        return;
    }
    step_over(phase, slot);
    if (is_known(explorer, &found)) { /* a death without a report */
        plan_free(&found.plan);
        start(phase, worker);
        return;
    }
    if (phase->found && phase->best.run < found.run) {
        plan_free(&found.plan);
        return;
    }
    plan_free(&phase->best.plan);
    phase->best = found;
    phase->found = true;
    __atomic_store_n(&explorer->share->limit, found.run, __ATOMIC_RELAXED);
}

static void take_end(struct phase *phase, struct lab_worker *worker)
{
    const struct lab_worker_result *result = &worker->result;
    bool ended = result->end == LAB_WORKER_ENDED && !worker->board->found;

    if (ended && result->exit_code == CHILD_COMPLETE)
        phase->complete = true;
    else if (ended && result->exit_code == CHILD_AGAIN)
        start(phase, worker);
    else if (!ended || result->exit_code != CHILD_CLEAN)
        take_found(phase, worker);
}

/* Children until all have ended. false: stopped, or the lab failed. */
static bool run_phase(struct phase *phase, unsigned jobs)
{
    struct explorer *explorer = phase->explorer;
    size_t ended = 0;

    phase->found = false;
    memset(&phase->best, 0, sizeof(phase->best));
    explorer->share->limit = UINT64_MAX;
    for (unsigned i = 0; i < jobs && !phase->failed; i++) {
        phase->workers[i].board = explorer->boards[i];
        start(phase, &phase->workers[i]);
    }
    while (!phase->failed && ended != jobs) {
        ended = lab_workers_wait(phase->workers, jobs, explore_watch, explorer, explorer->options.hang_ms);
        if (ended != jobs)
            take_end(phase, &phase->workers[ended]);
    }
    for (unsigned i = 0; i < jobs; i++)
        lab_worker_stop(&phase->workers[i]);
    bool stopped = explorer->time_over || (explorer->options.stop != NULL && *explorer->options.stop);
    if (phase->found)
        explorer->found[explorer->found_count++] = phase->best;
    return !phase->failed && !stopped;
}

static bool is_enough(const struct explorer *explorer)
{
    return explorer->found_count != 0 && (!explorer->options.all || explorer->found_count == EXPLORE_FOUND_MAX);
}

/* The same with one child, which goes on behind what it found. */
static bool run_alone(struct phase *phase)
{
    do {
        if (!run_phase(phase, 1))
            return false;
    } while (phase->found && !is_enough(phase->explorer));
    return !is_enough(phase->explorer);
}

static void run_together(struct phase *phase)
{
    struct explorer *explorer = phase->explorer;

    explorer->share->next = explore_slot_of(explorer->boards[0])->at;
    do {
        for (unsigned i = 0; i < explorer->options.jobs; i++)
            explore_slot_of(explorer->boards[i])->at = explore_slot_of(explorer->boards[i])->end = 0;
        if (!run_phase(phase, explorer->options.jobs) || !phase->found)
            return;
        explorer->share->next = phase->best.run + 1;
    } while (!is_enough(explorer));
}

bool explore_search(struct explorer *explorer, enum explore_end *end, struct world_error *error)
{
    struct phase phase = {.explorer = explorer, .error = error};

    clock_gettime(CLOCK_MONOTONIC, &explorer->deadline);
    explorer->deadline.tv_sec += explorer->options.seconds;
    explorer->timed = explorer->options.seconds != 0;
    if (!explorer->options.mixed && explorer->options.strategy == NT_EXHAUSTIVE) {
        phase.body = explore_every_body;
        (void)run_alone(&phase);
    } else {
        phase.body = explore_sweep_body;
        if (run_alone(&phase)) {
            phase.body = explore_search_body;
            run_together(&phase);
        }
    }
    count_runs(explorer);
    /* Runs behind what was found, and those that were tried again, do not count. */
    if (explorer->found_count != 0 && !explorer->options.all)
        explorer->runs = explorer->found[0].run + 1;
    if (explorer->runs > explorer->options.runs)
        explorer->runs = explorer->options.runs;
    *end = phase.complete                                              ? EXPLORE_COMPLETE
           : explorer->time_over                                       ? EXPLORE_TIME
           : explorer->options.stop != NULL && *explorer->options.stop ? EXPLORE_STOPPED
                                                                       : EXPLORE_OVER;
    return !phase.failed;
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
    return explorer->runs;
}

uint64_t explore_points(const struct explorer *explorer)
{
    return explorer->points;
}

uint32_t explore_faults(const struct explorer *explorer)
{
    return explorer->share->call_count;
}
