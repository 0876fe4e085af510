/* SPDX-License-Identifier: MIT */
/*
 * gate.h - the desk's two connections to gatehoused: one decides, one observes and changes rules.
 *
 * Brings offers and events to the desk, and its decisions and changes to the driver. When gatehoused goes away, or
 * somebody else decides, it says so, and tries again with a growing pause of at most one second. One thread; what waits
 * is handed over at the end of the loop's turn.
 */
#ifndef DESK_GATE_H
#define DESK_GATE_H

#include <stdbool.h>

#include "agent/result.h"
#include "desk/desk.h"
#include "desk/loop.h"

struct gate;

struct gate_settings {
    struct loop *loop;
    struct desk *desk;
    const char *socket; /* copied */
    bool patient;       /* also wait for gatehoused, and for the decider's role, at the start */
    bool once;          /* do not try again */
    void (*say)(void *context, const char *sentence);
    /* The following may be NULL: nobody wants to know. */
    void (*lost_events)(void *context, uint64_t count);
    /* gatehoused is there, or there again; it started at that boot time. Before any of its events and flows. */
    void (*connected)(void *context, uint64_t loaded_at);
    /* A flow that began, or ended, or was blocked at once. */
    void (*flow)(void *context, const struct flow *flow);
    void *context;
};

/* Without patience: AGENT_UNREACHABLE or AGENT_REFUSED with a sentence when it cannot decide now. */
enum agent_result gate_open(const struct gate_settings *settings, struct gate **gate, struct problem *problem);
/* NULL is allowed. The desk's questions are gone then. */
void gate_close(struct gate *gate);

/* It tries no more (once, or gatehoused refuses): why. AGENT_OK: it goes on. */
enum agent_result gate_ended(const struct gate *gate, struct problem *problem);

#endif
