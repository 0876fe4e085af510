/* SPDX-License-Identifier: MIT */
/*
 * rule_cover.h - rules that can never match, because one rule before them matches all that they do.
 *
 * Only what can be told from the two rules alone is told: a rule that several together cover is not found, and a rule
 * that ends by itself covers nothing. Pairs are compared until a bound is used up; a file of a million rules must not
 * take minutes. Pure; one thread.
 */
#ifndef AGENT_RULE_COVER_H
#define AGENT_RULE_COVER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/print.h"

#include "agent/rule_index.h"

#define RULE_COVER_MOST 1000u /* more are not told */

struct rule_cover {
    struct rule_covered {
        uint32_t rule; /* from 0, which never matches */
        uint32_t by;   /* the first that covers it */
    } list[RULE_COVER_MOST];
    unsigned count;
    uint32_t looked; /* at the first so many rules */
};

/* False: out of memory. */
bool rule_cover_find(const struct rule_index *index, const struct policy_sets *sets, struct rule_cover *cover);

/* Whether every connection that narrow matches is matched by wide. *work is what may still be compared; at 0: false. */
bool rule_covers(const struct policy_sets *sets, const struct gatehouse_rule *wide, const struct gatehouse_rule *narrow,
                 uint64_t *work);

#endif
