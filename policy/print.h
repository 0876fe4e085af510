/* SPDX-License-Identifier: MIT */
/*
 * print.h - a rule of an image as one line of the rule language.
 *
 * The line parses back to the same rule, with the same id, whenever compile.c made the rule or it is one that it could
 * have made (parts ordered by type, one set a kind and family). Others are printed so that they mean the same as far as
 * the language can say it: what it cannot (a direction of both with addresses) stands behind a "#".
 */
#ifndef POLICY_PRINT_H
#define POLICY_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"
#include "policy/policy.h"

/* Addresses and ports of one list that are printed with ranges_max set: then "... and 99990 more" ends it, which does
 * not parse. */
struct policy_print_options {
    const struct policy_system *system; /* names of users and groups; NULL: numbers and SIDs */
    uint32_t ranges_max;                /* of one list; 0: all */
    uint64_t now;                       /* system time, 100 ns since 1601: what is left until ends; 0: not told */
};

/*
 * The sets of an image by number, for those who look at many rules. The image has passed rule_image_check and stays
 * the caller's. False: out of memory.
 */
struct policy_sets {
    const struct gatehouse_set **sets;
    uint32_t count;
};
bool policy_sets_init(struct policy_sets *sets, const void *image);
void policy_sets_cleanup(struct policy_sets *sets);

/* NUL-terminated, without newline, of malloc: the caller frees it. options may be NULL. NULL: out of memory. */
char *policy_print_rule(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                        const struct policy_print_options *options);

/* The rule as written in its file, or as print has it. Of malloc; NULL: out of memory. */
char *policy_rule_text(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                       const struct policy_print_options *options);
/* The file that the rule stands in: not NUL-terminated, in the image; NULL: not told. */
const char *policy_rule_file(const struct gatehouse_rule *rule, size_t *size);

#endif
