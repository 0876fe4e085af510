/* SPDX-License-Identifier: MIT */
/*
 * concurrent.h - runs a scenario once with everything that may happen at the same time at the same time.
 *
 * The steps of one subject - a connection, a client, the machine - stay in order, on a fiber of their own; different
 * subjects run as the scheduler chooses. load, unload and then are barriers: what stands before is over, what stands
 * after has not begun. A step that needs an id, a message or a variable waits for it; when it can never come it is left
 * out. Expected events are not compared: which of them come depends on the schedule. `expect` is looked at when its
 * connection has ended.
 */
#ifndef LAB_CONCURRENT_H
#define LAB_CONCURRENT_H

#include <stdio.h>

#include "lab/plan.h"
#include "lab/scenario_run.h"

struct concurrent_result {
    uint32_t points;
    uint32_t left_out;    /* steps that could not be done */
    uint32_t connections; /* that ended, permitted or blocked */
    bool stuck;           /* somebody waited for ever */
    bool broken;          /* the world failed: error */
    struct world_error error;
};

struct concurrent_options {
    const bool *keep; /* which steps; NULL: all */
    bool no_expect;   /* `expect` is passed over */
    /* What came of it, NULL: nowhere. Like a recorded scenario, but with one step "explored" for all that ran at the
     * same time; of one source its events are in their order (tests/model/trace_check.py). */
    FILE *events;
    /* Each point as it is passed; NULL: none. See nt_schedule_options. */
    void (*trace)(void *context, uint32_t point, const char *fiber, const char *routine, uint64_t time);
    void *trace_context;
};

/* The violation handler of the world's listener may end the process, or the run by nt_schedule_abandon. After this
 * returned, the machine is new. */
void concurrent_run(const struct scenario *scenario, const struct lab_plan *plan,
                    const struct concurrent_options *options, struct concurrent_result *result);

#endif
