/* SPDX-License-Identifier: MIT */
/*
 * session.h - goes on after gatehoused went away.
 *
 * The work (deciding, asking) opens its own clients and runs until something ends it. When that
 * is the connection's end, and it had been connected once, the session says so, and tries again with a growing
 * pause of at most one second. A refusal is never retried.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/result.h"

struct session {
    const char *path;
    bool once;                         /* do not try again */
    void (*say)(const char *sentence); /* tells a person what happens; never NULL */
    /* The session's own. */
    bool was_connected;
    uint64_t connected_at; /* boot time; 0: this try has not connected */
};

/* Returns why it ended; calls session_connected once its clients are open. */
typedef enum agent_result session_work(struct session *session, void *context, struct problem *problem);

void session_connected(struct session *session);

/* AGENT_STOPPED after a stop, else what the last try ended with. */
enum agent_result session_run(struct session *session, session_work *work, void *context, struct problem *problem);

#endif
