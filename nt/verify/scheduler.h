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
 * Nobody runs, no time is waited for, and somebody is in a routine that has to end, or some wait for locks of each
 * other: violation "deadlock", which names them (nt_schedule_stack: where they stand). More points than max_points:
 * violation "no-progress".
 *
 * A deadline that only exists to find what never comes (a close, the engine's gate) is patient: it is over when that
 * much time passed while nobody could run, never early.
 *
 * Everything here is called from the real thread that runs nt_schedule, or from its fibers; no other thread may use nt/
 * or wfp/ meanwhile, and no runner may run. Not reentrant. Virtual time begins at one hour; load, open and set timers
 * inside of body.
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

/* One choice: at the point-th point of the run, fiber goes on; 0: time jumps to the next due time. Only what NT_RUN_ON
 * would not do is recorded. A choice that is not possible is passed over. */
struct nt_choice {
    uint32_t point;
    uint32_t fiber;
};

struct nt_schedule_options {
    enum nt_strategy strategy;
    uint64_t seed;
    unsigned preemptions;            /* NT_PRIORITIES: change points; NT_EXHAUSTIVE: the bound */
    uint32_t max_points;             /* 0: 1,000,000 */
    bool on_time;                    /* no timer comes early: time moves only when nobody can run */
    const struct nt_choice *choices; /* NT_REPLAY */
    size_t choice_count;
    /* Each point as it is passed, for traces; NULL: none. */
    void (*trace)(void *context, uint32_t point, const char *fiber, const char *routine, uint64_t time);
    void *trace_context;
};

struct nt_schedule_result {
    uint32_t points, fibers;
    bool stuck;                      /* somebody waited for ever; body has ended */
    bool abandoned;                  /* by nt_schedule_abandon, or after "deadlock" or "no-progress" */
    const struct nt_choice *choices; /* what NT_REPLAY needs to do it again; the scheduler's, until the next run */
    size_t choice_count;
};

/* Runs body as the first fiber, until it and every fiber it made has ended or waits for ever. PASSIVE_LEVEL. */
void nt_schedule(const struct nt_schedule_options *options, void (*body)(void *context), void *context,
                 struct nt_schedule_result *result);

/*
 * Ends the run from a fiber, at once and wherever each fiber stands: none of them runs again, nt_schedule returns with
 * abandoned set. Never returns. "deadlock" and "no-progress" end a run so when the handler has returned.
 *
 * What is left: devices, files, locks, timers, blocks, filters and callouts as they were, and what the fibers had on
 * their stacks or had taken with malloc is lost. wfp_forget(), then nt_reset() make nt/ and wfp/ new again; the
 * driver's own variables and the host's are their affair. A caller that wants to be sure starts another process.
 */
_Noreturn void nt_schedule_abandon(void);

/*
 * NT_EXHAUSTIVE: nt_schedule_first() forgets what was tried; then nt_schedule, as often as nt_schedule_next() says that
 * there is another schedule. Body and options stay the same. A jump of time counts as a preemption.
 */
void nt_schedule_first(void);
bool nt_schedule_next(void);

/* NT_EXHAUSTIVE in several processes: where the last run, or the one under way, stands, and going on behind it. */
struct nt_decision {
    uint32_t taken, count;
};
size_t nt_schedule_where(struct nt_decision *decisions, size_t room);       /* 0: nowhere, or room is too small */
bool nt_schedule_resume(const struct nt_decision *decisions, size_t count); /* as nt_schedule_next */

/*
 * Everything in nt/ as it was when the process began: no driver, device, link, timer, work item, DPC or block of pool
 * is left, and what counts starts again. The violation handler, fault hook, debug sink and clock stay. Between runs,
 * after wfp_reset() or wfp_forget(), with no thread in nt/. Open files and calls are lost, not freed.
 */
void nt_reset(void);

bool nt_scheduled(void); /* the caller is a fiber */

/* The caller's number in this run, from 1 (body); 0: it is no fiber. And its name. */
uint32_t nt_schedule_fiber(void);
const char *nt_schedule_name(uint32_t fiber);

/* From a fiber: another one; of name 23 bytes are kept. It may run at the next point. */
void nt_schedule_spawn(const char *name, void (*body)(void *context), void *context);

/* From a fiber: until *flag is not 0. false: everybody else has ended or waits, for no time either. */
bool nt_schedule_wait(const uint32_t *flag);

/* From a fiber: until nobody else can run without time passing. */
void nt_schedule_settle(void);

/* From a fiber: lets virtual time pass, with everything that becomes due. */
void nt_schedule_sleep(uint64_t interval);

/* From a fiber: time passes and nothing runs, as when the machine is suspended. */
void nt_schedule_skip(uint64_t interval);

/* Where a fiber stands, the innermost return address first; of others than the caller. How many. */
size_t nt_schedule_stack(uint32_t fiber, const void **frames, size_t room);

/* --- For nt/, wfp/ and pe/, and drivers compiled with NT_LAB ------------------------------------------------ */

extern bool nt_scheduling; /* nt_schedule runs */

/* A point. Nothing when no fiber calls it, or one that holds a leaf lock (nt/leaf.h). */
void nt_schedule_point(const char *routine);
void nt_interlocked_point(void);
void nt_schedule_yield(void); /* the caller looks for something that another does: it goes on last */

#define NT_POINT(routine)                                                                                              \
    do {                                                                                                               \
        if (__builtin_expect(nt_scheduling, 0))                                                                        \
            nt_schedule_point(routine);                                                                                \
    } while (0)

/* How a fiber waits. */
struct nt_wait {
    const char *routine;                /* what it waits in, for reports */
    bool (*ready)(const void *context); /* looked at often, by other fibers; changes nothing. NULL: never */
    const void *context;
    uint64_t due;    /* nt_now(), or with patient how much time; NT_NEVER: none */
    bool patient;    /* see above */
    bool has_to_end; /* a lock: whoever waits for it for ever is in a deadlock */
    /* Where the number of the fiber that has it stands, in the low 30 bits; NULL: unknown. */
    const uint32_t *holder;
};
bool nt_schedule_until(const struct nt_wait *wait); /* true: it was ready, false: the time was over */

/* A pointer of each thread that a change of fibers has to keep: where() is the calling thread's. Before any run. */
void nt_schedule_keep(void **(*where)(void));

#endif
