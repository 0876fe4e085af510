/* SPDX-License-Identifier: MIT */
/*
 * watch.h - events as they happen, and the calls that look at or set the driver's state once.
 */
#ifndef AGENT_WATCH_H
#define AGENT_WATCH_H

#include <stdbool.h>

#include "agent/client.h"
#include "agent/show.h"
#include "agent/text.h"

/*
 * Hands each event to take, as a line without newline, until the connection ends, a stop is wanted, or
 * take returns false (then AGENT_OK). One read at a time keeps the order.
 */
enum agent_result watch_run(const char *path, bool json, bool (*take)(const char *line, size_t size),
                            struct problem *problem);

/* All that tells the state once. */
enum agent_result watch_status(const char *path, struct show_state *state, struct problem *problem);

/* A change of the policy: only what is set is changed. */
struct watch_change {
    bool set_deadline, set_undecided, set_no_decider;
    uint32_t deadline_ms;
    uint32_t undecided;  /* enum gatehouse_verdict */
    uint32_t no_decider; /* enum gatehouse_no_decider */
};

/* Changes the policy if change asks for anything, then reads what stands now. All or nothing. */
enum agent_result watch_policy(const char *path, const struct watch_change *change, struct gatehouse_policy *policy,
                               struct problem *problem);

#endif
