/* SPDX-License-Identifier: MIT */
/*
 * explore_child.h - between the files of the search: what a child of it does, and what it shares with its parent.
 *
 * A child reports by copying the report and its choices on its board and leaving at once, inside of the violation.
 * Parent and child are one program forked, so addresses and pointers in a report mean the same to both. A run in which
 * a rule was broken that is known already goes on, for what else it may find, but nothing after it runs in
 * that child (CHILD_AGAIN): the parent makes a new one.
 *
 * explore.c is the parent's search, explore_shrink.c its shrinking.
 */
#ifndef LAB_EXPLORE_CHILD_H
#define LAB_EXPLORE_CHILD_H

#include <signal.h>

#include "lab/explore.h"
#include "nt/verify/fault.h"

#define EXPLORE_CALLS_MAX 512u /* calls that can fail, for runs behind the sweep */

enum {
    CHILD_CLEAN = 101, /* nothing is left to do */
    CHILD_FOUND,       /* in run slot->at */
    CHILD_COMPLETE,    /* exhaustive: there is no further schedule */
    CHILD_BROKEN,      /* slot->error; the lab's own faults end with this code, too */
    CHILD_AGAIN        /* goes on at slot->at, in a new child */
};

struct explore_record {
    struct nt_report report;
    char fiber[24];
    struct lab_plan plan; /* without its choices, which follow */
    uint32_t choice_count;
    struct nt_choice choices[PLAN_CHOICES_MAX];
};

/* On the board of each child. */
struct explore_slot {
    uint64_t at, end;     /* the run under way or next, and the first that is not its own */
    bool swept;           /* there is nothing more to sweep */
    struct lab_plan plan; /* of the run under way, without choices */
    struct world_error error;
    struct explore_record record;
    size_t decision_count; /* exhaustive: where the run that ended the child stood */
    struct nt_decision decisions[PLAN_CHOICES_MAX];
};

/* For all of them. */
struct explore_share {
    uint64_t next;  /* the first run that no child has */
    uint64_t limit; /* something was found in this run: later ones do not count */
    uint32_t call_count;
    struct plan_fault calls[EXPLORE_CALLS_MAX];
};

struct explorer {
    const struct scenario *scenario;
    struct explore_options options;
    struct explore_share *share;
    struct nt_faults *faults; /* of the sweep, in memory that all share */
    struct lab_board *boards[LAB_WORKERS_MAX];
    struct explore_found found[EXPLORE_FOUND_MAX];
    size_t found_count;
    struct timespec deadline; /* with timed */
    bool timed, time_over;
    bool expects;          /* explore.h */
    uint64_t runs, points; /* of the search */
    /* A shrinking test: which steps, which plan, what has to be found; whether only that plan. */
    const bool *keep;
    const struct lab_plan *plan;
    const struct explore_found *wanted;
    bool only_plan;
};

static inline struct explore_slot *explore_slot_of(struct lab_board *board)
{
    return (struct explore_slot *)(void *)board->data;
}

bool explore_same_place(const struct nt_report *a, const struct nt_report *b);

/* Counts the sweep's run slot->at as over, and what failed in it; the parent does so when it ended its child. */
void explore_sweep_over(struct explorer *explorer, struct explore_slot *slot);

/* Bodies for lab_worker_start; context is an explorer. From slot->at on. */
int explore_sweep_body(void *context, struct lab_board *board);
int explore_search_body(void *context, struct lab_board *board);
int explore_every_body(void *context, struct lab_board *board);
int explore_test_body(void *context, struct lab_board *board);

/* What a child found, or how it died, in run at. *found: its own choices. false: neither; *error. */
bool explore_take(struct explorer *explorer, const struct lab_worker *worker, struct explore_found *found,
                  struct world_error *error);

/* For lab_workers_wait; context is an explorer. */
bool explore_watch(void *context);

#endif
