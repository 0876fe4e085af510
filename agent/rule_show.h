/* SPDX-License-Identifier: MIT */
/*
 * rule_show.h - rules of an image as text for people and as JSON for programs.
 *
 * When a rule gains a property, show it here, in the table and in JSON.
 */
#ifndef AGENT_RULE_SHOW_H
#define AGENT_RULE_SHOW_H

#include <stdint.h>

#include "policy/print.h"

#include "agent/json.h"
#include "agent/rule_calls.h"
#include "agent/rule_index.h"
#include "agent/text.h"

/* The rule as written, on one line, safe on a terminal; with options as policy/print.h has it instead. */
void rule_show_text(struct text *text, const struct policy_sets *sets, const struct gatehouse_rule *rule,
                    const struct policy_print_options *options);

/* A string of the rule language: between quotes, with a backslash before a quote and before a backslash. Wildcards stay
 * what they are. */
void rule_show_string(struct text *text, const char *string);

/* Members "number" (from 1), "id", "place", "file" and "line". number is from 0. */
void rule_json_name(struct json *json, uint32_t number, const struct gatehouse_rule *rule);

struct rule_list {
    const struct rule_index *index;
    const struct policy_sets *sets;
    const struct rule_hits *hits;
    const struct policy_print_options *print; /* NULL: rules as written */
    uint64_t now;                             /* 100 ns since 1601 UTC */
};

/* All rules in the order of deciding. */
void rule_list_show(const struct rule_list *list, struct text *text);
void rule_list_show_json(const struct rule_list *list, struct text *text);

#endif
