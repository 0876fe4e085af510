/* SPDX-License-Identifier: MIT */
/*
 * rule_change.h - what loading a file changes in the policy in force, counted and listed.
 *
 * Rules of the file only: added ones and answers stay, whatever is loaded. policy/diff.h finds the differences.
 */
#ifndef AGENT_RULE_CHANGE_H
#define AGENT_RULE_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/diff.h"

#include "agent/result.h"
#include "agent/text.h"

struct rule_change {
    struct policy_difference *list; /* owned */
    size_t count;
    struct policy_sets old_sets, new_sets;
    uint32_t added, removed, moved, unchanged;
};

/* Both images have passed rule_image_check and must live as long. On success the caller ends with rule_change_free. */
enum agent_result rule_change_find(const void *old_image, const void *new_image, struct rule_change *change,
                                   struct problem *problem);
void rule_change_free(struct rule_change *change);
bool rule_change_any(const struct rule_change *change);

/* What a load did: one line, or one JSON object. */
void rule_change_show(const struct rule_change *change, const char *file, struct text *text);
void rule_change_show_json(const struct rule_change *change, struct text *text);
/* One line, or one JSON object, for each difference. */
void rule_change_list(const struct rule_change *change, struct text *text);
void rule_change_list_json(const struct rule_change *change, struct text *text);

#endif
