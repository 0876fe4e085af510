/* SPDX-License-Identifier: MIT */
/*
 * machine.h - one run of one scenario on a new machine, with what the drivers do to it kept apart.
 *
 * The drivers of driver_file.h are loaded by the scenario's steps. The run is scheduled (nt/verify/scheduler.h),
 * guarded (crash.h), and leaves nt/ and wfp/ as they were before, also when it was abandoned.
 */
#ifndef LAB_MACHINE_H
#define LAB_MACHINE_H

#include "lab/crash.h"
#include "lab/scenario_run.h"
#include "nt/verify/scheduler.h"

struct machine_result {
    enum run_result events;
    enum crash crash;
    bool abandoned; /* a crash, a deadlock, no progress: the rest of the scenario was not run */
    uint32_t points;
};

/* schedule NULL: each step until everything is quiet, the next one then. seconds of real time at most; 0: no limit. */
struct machine_result machine_run(struct scenario *scenario, const struct run_options *options,
                                  const struct nt_schedule_options *schedule, unsigned seconds);

/*
 * The same, and once more with other bytes in all that nobody initialized: what of it went to user mode is a violation
 * (nt/verify/output.h). The second run is quiet.
 */
struct machine_result machine_run_twice(struct scenario *scenario, const struct run_options *options, unsigned seconds);

#endif
