/* SPDX-License-Identifier: MIT */
/*
 * scheduler.h - runs every thread of a simulated machine on one real thread, in an order that a seed chooses.
 *
 * Each thread of the machine (a client, the stack, a system thread, a worker, the clock) is a fiber with an nt_self of
 * its own. Fibers change only at points: each NT and WFP routine, each interlocked operation of a driver compiled for
 * the lab, and where a thread waits. At a point the strategy picks who goes on; a wait is given back to the
 * scheduler, never to the kernel; time is virtual and moves when nobody can run, or when the strategy lets a timer
 * come early. So a run is a function of the driver, the body and the options: the same options give the same trace.
 *
 * Nobody runs, no time is waited for, and somebody is in a routine that has to end: violation "deadlock", with each
 * fiber's stack. More points than max_points: violation "no-progress".
 *
 * Everything here is called from the real thread that runs nt_schedule. Not reentrant.
 */
#ifndef NT_VERIFY_SCHEDULER_H
#define NT_VERIFY_SCHEDULER_H

#include <nt/nt.h>

enum nt_strategy {
    NT_RUN_ON,      /* changes only where a thread waits: what `run` uses */
    NT_RANDOM_WALK, /* at each point anybody, equally likely */
    NT_PRIORITIES,  /* random priorities, lowered at a few random points (PCT) */
    NT_EXHAUSTIVE,  /* every schedule with at most `preemptions` changes at points: nt_schedule_next */
    NT_REPLAY       /* the recorded choices */
};

/* One choice: at the point-th point of the run, fiber goes on. Only changes are recorded. */
struct nt_choice {
    uint32_t point;
    uint32_t fiber;
};

struct nt_schedule_options {
    enum nt_strategy strategy;
    uint64_t seed;
    unsigned preemptions;            /* NT_PRIORITIES: change points; NT_EXHAUSTIVE: the bound */
    uint32_t max_points;             /* 0: 1,000,000 */
    const struct nt_choice *choices; /* NT_REPLAY */
    size_t choice_count;
    /* Each point as it is passed, for traces; NULL: none. object is a small number, the same in each run. */
    void (*trace)(void *context, uint32_t point, const char *fiber, const char *routine, uint64_t time);
    void *trace_context;
};

struct nt_schedule_result {
    uint32_t points, fibers;
    bool stuck;                /* somebody waited for ever; body has ended */
    struct nt_choice *choices; /* what NT_REPLAY needs to do it again; the scheduler's, until the next run */
    size_t choice_count;
};

/* Runs body as the first fiber, until it and every fiber it made has ended or waits for ever. PASSIVE_LEVEL. */
void nt_schedule(const struct nt_schedule_options *options, void (*body)(void *context), void *context,
                 struct nt_schedule_result *result);

bool nt_scheduled(void); /* the caller is a fiber */

/* From a fiber: another one. name lives as long as it. It may run at the next point. */
void nt_schedule_spawn(const char *name, void (*body)(void *context), void *context);

/* From a fiber: until *flag is not 0. false: everybody else has ended or waits, for no time either. */
bool nt_schedule_wait(const uint32_t *flag);

/* From a fiber: until nobody else can run without time passing. */
void nt_schedule_settle(void);

/* From a fiber: lets virtual time pass, with everything that becomes due. */
void nt_schedule_sleep(uint64_t interval);

#endif
