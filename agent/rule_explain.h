/* SPDX-License-Identifier: MIT */
/*
 * rule_explain.h - which rule of an image decides a connection, and why each rule before it does not.
 *
 * The words of policy/match.h, which the tests hold against the engine, the driver and the verdict cache.
 */
#ifndef AGENT_RULE_EXPLAIN_H
#define AGENT_RULE_EXPLAIN_H

#include "agent/rule_question.h"
#include "agent/text.h"

/* Rules before the deciding one that are shown unless all are asked for. */
#define RULE_EXPLAIN_MOST 40u

struct rule_explain {
    const void *image; /* has passed rule_image_check */
    bool all;          /* every earlier rule, be they many */
};

/* Appends one explanation for each address, as tables or as one JSON object a line. AGENT_FAILED: out of memory. */
enum agent_result rule_explain_show(const struct rule_explain *explain, const struct rule_question *question,
                                    struct text *text, struct problem *problem);
enum agent_result rule_explain_show_json(const struct rule_explain *explain, const struct rule_question *question,
                                         struct text *text, struct problem *problem);

#endif
