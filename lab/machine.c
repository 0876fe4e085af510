/* SPDX-License-Identifier: MIT */
/*
 * machine.c - see machine.h.
 */
#include "lab/machine.h"

#include "nt/verify/output.h"
#include "nt/verify/report.h"
#include "wfp/ale.h"

struct job {
    struct scenario *scenario;
    const struct run_options *options;
    const struct nt_schedule_options *schedule;
    struct nt_schedule_result scheduled;
    enum run_result events;
};

static void run_events(void *context)
{
    struct job *job = context;

    job->events = scenario_run(job->scenario, job->options);
}

static void run_scheduled(void *context)
{
    struct job *job = context;

    nt_schedule(job->schedule, run_events, job, &job->scheduled);
}

struct machine_result machine_run(struct scenario *scenario, const struct run_options *options,
                                  const struct nt_schedule_options *schedule, unsigned seconds)
{
    static const struct nt_schedule_options run_on = {.strategy = NT_RUN_ON};
    struct job job = {scenario, options, schedule == NULL ? &run_on : schedule, {.abandoned = true}, RUN_BROKEN};
    struct machine_result result;

    nt_verify_clear();
    result.crash = crash_guard(run_scheduled, &job, seconds);
    result.events = job.events;
    result.abandoned = job.scheduled.abandoned || result.crash != CRASH_NONE;
    result.points = job.scheduled.points;
    if (result.crash == CRASH_NONE && result.abandoned)
        result.crash = CRASH_HANG;
    if (result.abandoned) {
        scenario_run_forget();
        wfp_forget();
    }
    nt_reset();
    return result;
}

struct machine_result machine_run_twice(struct scenario *scenario, const struct run_options *options, unsigned seconds)
{
    static const uint8_t fills[2] = {0xa6, 0x59};
    struct nt_outputs *outputs[2] = {NULL, NULL};
    struct run_options quiet = *options;
    struct machine_result result = {0};
    bool same;

    quiet.quiet = true;
    for (int i = 0; i < 2 && (i == 0 || (!result.abandoned && result.events != RUN_BROKEN)); i++) {
        nt_verify_fill(fills[i]);
        outputs[i] = nt_outputs_new();
        nt_outputs_record(outputs[i]);
        if (i == 0)
            result = machine_run(scenario, options, NULL, seconds);
        else
            (void)machine_run(scenario, &quiet, NULL, seconds);
        nt_outputs_record(NULL);
    }
    if (outputs[0] != NULL && outputs[1] != NULL)
        (void)nt_outputs_compare(outputs[0], outputs[1], &same);
    for (int i = 0; i < 2; i++)
        nt_outputs_free(outputs[i]);
    return result;
}
