/* SPDX-License-Identifier: MIT */
/*
 * live_machine.h - the process that has the drivers, the host and the gate; and the board on which it tells the other
 * process how it goes.
 *
 * A fault of a driver may leave anything behind in this process. So it does no more than to put its report on the
 * board, and ends; the other process names the stacks, and takes out the pins and rules.
 */
#ifndef LAB_LIVE_MACHINE_H
#define LAB_LIVE_MACHINE_H

#include "host/feed.h"
#include "lab/live_options.h"
#include "nt/verify/report.h"

#define LIVE_REPORTS_MAX 256u

enum { LIVE_ENDED, LIVE_NO_START, LIVE_FAILED, LIVE_CRASHED };

struct live_report {
    bool whole; /* atomic: the rest is there */
    char fiber[24];
    struct nt_report report;
};

/* Shared by both processes; all single words are atomic. */
struct live_board {
    bool opening;        /* from here on there may be pins and rules */
    bool ready;          /* connections are held */
    uint64_t busy_since; /* CLOCK_MONOTONIC, ns; 0: it sleeps */
    struct feed_counts counts;
    uint32_t report_count; /* may be more than there is room for */
    struct live_report reports[LIVE_REPORTS_MAX];
};

/* The drivers are open (session_open). Until a signal ends it. One of the above. */
int live_machine_run(const struct live_arguments *arguments, struct live_board *board);

#endif
