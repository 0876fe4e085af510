/* SPDX-License-Identifier: MIT */
/*
 * propose.h - rules for what was seen: a file of rules to read, change and load.
 *
 * For each program that was permitted without a rule of the file: one rule for each place it went to, by name where it
 * has one; or, from PROPOSE_PLACES_MAX places on, one rule for the protocols and ports it used. Blocked ones and
 * programs that are not known are told in comments. Nothing is put into force.
 */
#ifndef HISTORY_PROPOSE_H
#define HISTORY_PROPOSE_H

#include "agent/text.h"
#include "history/query.h"

#define PROPOSE_PLACES_MAX 8u
#define PROPOSE_SEEN_MAX   100000u /* different programs and places that are looked at */

struct proposed {
    struct text rules;
    unsigned programs, rule_count;
    uint64_t connections; /* that were looked at */
};

enum agent_result history_propose(struct history *history, const struct history_filter *filter,
                                  struct proposed *proposed, struct problem *problem);
void proposed_free(struct proposed *proposed);

#endif
