/* SPDX-License-Identifier: MIT */
/*
 * decide.h - the resident decider that decides by one verdict and exceptions from it: permit and block.
 *
 * A program's connect() waits while this runs. So a batch costs two system calls, receive and send (with lines a third
 * and fourth, for their statuses); two reads are under way, so that the next request needs no round trip first; nothing
 * is allocated; and lines are written only after the answers went out, and never waited for. While nothing happens it
 * sleeps in one receive without a timeout.
 */
#ifndef AGENT_DECIDE_H
#define AGENT_DECIDE_H

#include <stdbool.h>

#include "agent/output.h"
#include "agent/exceptions.h"
#include "agent/session.h"

struct decide;

struct decide_settings {
    const struct exceptions *exceptions;
    bool quiet; /* no line for each decision */
    bool json;
};

/* NULL when out of memory. settings and its exceptions stay the caller's and must live as long. */
struct decide *decide_new(const struct decide_settings *settings);
void decide_free(struct decide *decide);

/* A session_work; context is a struct decide. Ends with AGENT_LOST, AGENT_REFUSED or the like, or after a stop. */
enum agent_result decide_work(struct session *session, void *context, struct problem *problem);

#endif
