/* SPDX-License-Identifier: MIT */
/*
 * strategy.h - who goes on: what scheduler.c asks at each point, and the record of the answers.
 *
 * The usual choice is the one that NT_RUN_ON makes; only others are recorded, so a replay without a choice, or with one
 * that does not fit any more (a shortened run), does what is usual. Nothing here depends on addresses or on time.
 */
#ifndef NT_VERIFY_STRATEGY_H
#define NT_VERIFY_STRATEGY_H

#include "nt/verify/scheduler.h"

void nt_strategy_begin(const struct nt_schedule_options *options);

/* A fiber was made: numbers grow from 1. */
void nt_strategy_fiber(uint32_t number);

struct nt_pick {
    uint32_t point;
    const uint32_t *fibers; /* the numbers of those that can go on */
    size_t count;           /* not 0 */
    size_t usual;           /* which of them */
    bool preempts;          /* the usual one is running: another would preempt it */
};

/* Which of them. */
size_t nt_strategy_pick(const struct nt_pick *pick);

/* Whether time jumps to the next due time although somebody can run. Asked before pick. */
bool nt_strategy_jumps(uint32_t point);

/* Whether a running fiber has to be asked about at each point. */
bool nt_strategy_asks(void);

/* A fiber has run on for so long that it may be waiting for others without saying so. */
void nt_strategy_tire(uint32_t number);

const struct nt_choice *nt_strategy_choices(size_t *count);

#endif
