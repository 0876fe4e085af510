/* SPDX-License-Identifier: MIT */
/*
 * plan.h - how one concurrent run of a scenario is to go: everything that is chosen, so that it can be done again.
 *
 * In a scenario file a plan stands in comment lines that begin with "#!", which `run` passes over and `replay` obeys:
 *
 *     #! strategy random seed 4711 preemptions 3
 *     #! irql alternate
 *     #! fault ExAllocatePool2 2
 *     #! choices 17:2 25:3 112:0
 */
#ifndef LAB_PLAN_H
#define LAB_PLAN_H

#include <stdio.h>

#include "lab/scenario.h"
#include "nt/verify/scheduler.h"

#define PLAN_CHOICES_MAX 65536u
#define PLAN_ROUTINE_MAX 63u
#define PLAN_FAULTS_MAX  4u

struct plan_fault {
    char routine[PLAN_ROUTINE_MAX + 1];
    uint32_t call; /* which call of it, from 1 */
};

struct lab_plan {
    enum nt_strategy strategy;
    uint64_t seed;
    uint32_t preemptions;
    enum world_irql irql;
    uint32_t fault_count; /* calls that fail */
    struct plan_fault faults[PLAN_FAULTS_MAX];
    uint32_t choice_count;     /* NT_REPLAY: at ever later points */
    struct nt_choice *choices; /* the plan's own, or NULL */
};

const char *plan_strategy_name(enum nt_strategy strategy);
bool plan_strategy_of(const char *name, enum nt_strategy *strategy);

/* Lines with their ends. */
void plan_write(const struct lab_plan *plan, FILE *to);

/* What the file's lines say, over what *plan says already. false: *error tells which line cannot be read. */
bool plan_read(const struct scenario *scenario, struct lab_plan *plan, struct scenario_error *error);

/* false: too many choices, or no memory. */
bool plan_set_choices(struct lab_plan *plan, const struct nt_choice *choices, size_t count);
void plan_free(struct lab_plan *plan);

#endif
