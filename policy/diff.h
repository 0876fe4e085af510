/* SPDX-License-Identifier: MIT */
/*
 * diff.h - what differs between two images: rules by their ids, which say what they mean and not where they stand.
 */
#ifndef POLICY_DIFF_H
#define POLICY_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"
#include "policy/print.h"

enum policy_difference_kind {
    POLICY_ADDED = 1,
    POLICY_REMOVED = 2,
    POLICY_MOVED = 3 /* in both, but another order; as few as possible are told */
};

struct policy_difference {
    enum policy_difference_kind kind;
    uint32_t old_number, new_number;   /* from 0, as images count; the one that kind does not have: UINT32_MAX */
    const struct gatehouse_rule *rule; /* in the new image; REMOVED: in the old one */
};

/*
 * Both images have passed rule_image_check. file_only: added rules and answers of either are left out. The list is of
 * malloc, in the order of a diff's text: by place, removed ones before added ones. False: out of memory.
 */
bool policy_diff(const void *old_image, const void *new_image, bool file_only, struct policy_difference **list,
                 size_t *count);

/* "- rule", "+ rule" or "> rule", as print.h has it; of malloc. sets: of the image that the rule is in. */
char *policy_difference_text(const struct policy_difference *difference, const struct policy_sets *sets,
                             const struct policy_print_options *options);

#endif
