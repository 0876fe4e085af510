/* SPDX-License-Identifier: MIT */
/*
 * explore.h - searches the schedules and faults of a scenario for one in which a driver breaks a rule.
 *
 * Runs are numbered from 0, and each is a function of the search's seed and its number: first the usual order,
 * then that order with each call failed once that can fail (nt/verify/fault.h), then random walks and random
 * priorities in turn, some with one of those calls failed, with classifyFn at DISPATCH_LEVEL, PASSIVE_LEVEL or both.
 * They run in child processes (lab/worker.h): the first error ends one, whatever it did to the machine. A crash, a
 * hang and an exit are findings too. What is found does not depend on how many children there are.
 *
 * `expect` counts where the file has a step `then`: other files were written for one order, that of `run`. And not in
 * a run with a call that fails: the driver may rightly have decided by its default.
 *
 * What is found can be shrunk: steps are left out as long as some schedule still breaks the same rule in the same
 * routine, then faults and choices of the schedule.
 */
#ifndef LAB_EXPLORE_H
#define LAB_EXPLORE_H

#include <signal.h>
#include <stdio.h>

#include "lab/concurrent.h"
#include "lab/plan.h"
#include "lab/worker.h"
#include "nt/verify/report.h"

#define EXPLORE_FOUND_MAX 32u

struct explore_options {
    uint64_t seed, runs; /* how many at most */
    unsigned seconds;    /* 0: no limit; of real time */
    unsigned hang_ms;    /* of one run */
    unsigned jobs;       /* children at the same time, LAB_WORKERS_MAX at most */
    enum nt_strategy strategy;
    bool mixed;           /* random walks and priorities in turn; else strategy alone */
    unsigned preemptions; /* of priorities and exhaustive */
    bool faults, strict, all;
    FILE *events; /* of each run, after a line with its number; NULL: nowhere */
    bool irql_given;
    enum world_irql irql;
    /* A few times a second; NULL: none. */
    void (*progress)(void *context, uint64_t runs, unsigned found);
    void *progress_context;
    const volatile sig_atomic_t *stop; /* not 0: the search and shrinking end soon; NULL: never */
};

/* A rule that was broken, and how to break it again. */
struct explore_found {
    struct nt_report report;
    char fiber[24]; /* the report's */
    uint64_t run;
    struct lab_plan plan;
};

struct explorer;

/* The drivers are ready to be loaded (driver_add). NULL: no memory. */
struct explorer *explore_new(const struct scenario *scenario, const struct explore_options *options);
void explore_free(struct explorer *explorer);

enum explore_end {
    EXPLORE_OVER,    /* every run that was asked for, or the search found what it may */
    EXPLORE_TIME,    /* the time is over */
    EXPLORE_STOPPED, /* options.stop */
    EXPLORE_COMPLETE /* NT_EXHAUSTIVE: there is no further schedule */
};

/* Searches. false: the lab itself failed; error. */
bool explore_search(struct explorer *explorer, enum explore_end *end, struct world_error *error);

size_t explore_found_count(const struct explorer *explorer);
const struct explore_found *explore_found_at(const struct explorer *explorer, size_t index);
/* Of the search, also while it shrinks. */
uint64_t explore_runs(const struct explorer *explorer);
uint64_t explore_points(const struct explorer *explorer);
uint32_t explore_faults(const struct explorer *explorer); /* calls that were failed, each with a stack of its own */

/* keep: a flag for each step, all true; on return what is needed. *smallest: its own choices, plan_free it. */
void explore_shrink(struct explorer *explorer, const struct explore_found *found, bool *keep,
                    struct explore_found *smallest);

/* Does this plan, with the whole scenario of this explorer, break the rule of wanted in its routine again? */
bool explore_again(struct explorer *explorer, const struct explore_found *wanted, const struct lab_plan *plan);

#endif
