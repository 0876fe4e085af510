/* SPDX-License-Identifier: MIT */
/*
 * facts.h - finds what is known of a question's process and past, and gives it to the desk as members of JSON.
 *
 * Processes are looked at on a thread (agent/facts_reader.h); how often before comes from the history, if there is one.
 * Nothing of it is trusted, and none of it makes a decision wait: the desk shows a question without it in time.
 */
#ifndef DESK_FACTS_H
#define DESK_FACTS_H

#include "agent/result.h"
#include "desk/desk.h"
#include "desk/loop.h"
#include "history/history.h"

struct facts;

enum agent_result facts_open(struct loop *loop, struct facts **facts, struct problem *problem);
/* NULL is allowed. */
void facts_close(struct facts *facts);

/* How often before; false: not known. */
typedef bool facts_past(void *context, const struct request *request, struct history_before *before);

/* The desk that is told; it ends after the facts. past may be NULL. Both are set before the first question. */
void facts_use(struct facts *facts, struct desk *desk, facts_past *past, void *context);

/* desk_settings.describe; context is a struct facts. */
void facts_describe(void *context, uint64_t id, const struct request *request);

#endif
