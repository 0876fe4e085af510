/* SPDX-License-Identifier: MIT */
/*
 * ask.h - the decider that asks a person: one question for each held connection, one at a time.
 *
 * Two clients: one decides, one observes, to learn of connections that end unanswered. A question whose
 * connection ended is withdrawn and said so. "Always" and "never" answer for the program and destination,
 * and the driver then completes what they cover. On a terminal a key counts only 300 ms after its
 * question appeared, and nothing typed before does; elsewhere each line answers the next question.
 */
#ifndef AGENT_ASK_H
#define AGENT_ASK_H

#include "agent/session.h"

struct ask;

/* NULL when out of memory. Takes the terminal if there is one: ask_free gives it back. */
struct ask *ask_new(struct problem *problem);
void ask_free(struct ask *ask);

/* A session_work; context is a struct ask. AGENT_INPUT_ENDED when nobody can answer any more. */
enum agent_result ask_work(struct session *session, void *context, struct problem *problem);

#endif
