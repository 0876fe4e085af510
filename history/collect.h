/* SPDX-License-Identifier: MIT */
/*
 * collect.h - what gatehoused tells of a connection, at its verdict and at its end, as records of the history.
 *
 * Events (READ_EVENTS) tell of what was held, and of rules that log; flows (GATEHOUSE_CALL_FLOWS) of what lives, ended
 * or was blocked at once. Both name the two ends, the process and its start, from which the record's endpoint is made:
 * so it does not matter which of them comes first, nor whether they come again after a restart of who collects.
 *
 * Rules are told by id; their text is looked up in a copy of the policy, which whoever collects gets anew when
 * history_collect_wants_rules says so. One thread.
 */
#ifndef HISTORY_COLLECT_H
#define HISTORY_COLLECT_H

#include "agent/rule_calls.h"
#include "agent/wire.h"
#include "history/history.h"

struct history_collect;

/* loaded_at: of this gatehoused's status; numbers of an earlier one mean something else. NULL: out of memory. */
struct history_collect *history_collect_new(uint64_t loaded_at);
/* NULL is allowed. */
void history_collect_free(struct history_collect *collect);

/* Takes the image over (rule_calls_get), also when it is out of memory: then no rule has a text. */
void history_collect_rules(struct history_collect *collect, struct rule_policy *policy);
/* A rule decided that is not in the copy; at most once in HISTORY_RULES_MS. */
#define HISTORY_RULES_MS 5000
bool history_collect_wants_rules(struct history_collect *collect);

/*
 * true: it is something to write down. The record's texts are the collector's or who's, good until the next call.
 * who: the user name of whoever answered, or NULL.
 */
bool history_from_event(struct history_collect *collect, const struct event *event, const char *who,
                        struct history_record *record);
bool history_from_flow(struct history_collect *collect, const struct flow *flow, struct history_record *record);

/* Microseconds since 1970, from 100 ns since 1601, and from boot time. */
int64_t history_time(uint64_t wall);
int64_t history_time_of_boot(uint64_t boot);

#endif
