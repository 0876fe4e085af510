/* SPDX-License-Identifier: MIT */
/*
 * run.h - gatehouse run: the resident decider. A desk at its socket for whoever may answer, and the history of what
 * was decided, by whom, and what it carried.
 *
 * One thread and one loop; the history writes on its own thread, and nothing that fails there stops a decision. It runs
 * until a stop: gatehoused may come and go, and so may another decider.
 */
#ifndef DESK_RUN_H
#define DESK_RUN_H

#include <stdbool.h>

#include "agent/result.h"
#include "history/history.h"

struct run_settings {
    const char *socket;  /* gatehoused's */
    const char *desk;    /* the desk's own */
    const char *history; /* NULL: none is written */
    struct history_limits limits;
    bool quiet, json;                  /* of the lines on standard output, one for each connection */
    void (*say)(const char *sentence); /* any thread */
};

/* AGENT_STOPPED after a stop; else why it cannot begin. */
enum agent_result run(const struct run_settings *settings, struct problem *problem);

#endif
