/* SPDX-License-Identifier: MIT */
/*
 * rule_image.h - reads images of rules (gatehouse/rules.h): checked whole once, then walked without further checks.
 *
 * For both sides of the kernel line. No allocation; nothing here fails on an image that rule_image_check passed. The
 * bytes stay the caller's and must not change meanwhile. Records lie at multiples of 8 from the image's start, which
 * must be aligned to 8. Any IRQL, no lock.
 */
#ifndef CORE_RULE_IMAGE_H
#define CORE_RULE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"

/* Where and why an image is refused. */
struct rule_image_fault {
    uint32_t offset;    /* of the record */
    uint32_t rule;      /* its number from 0; UINT32_MAX: not in a rule */
    const char *reason; /* one clause, static */
};

/*
 * Everything that gatehouse/rules.h demands of an image: sizes, counts, the check value, order of ranges, set numbers,
 * parts that need others, values that must be zero. kept: ends and added may be set (one that the driver kept or
 * gave back); else they must be 0. fault may be NULL; it is filled on false.
 */
bool rule_image_check(const void *image, size_t size, bool kept, struct rule_image_fault *fault);

/* Of everything behind the header: what its field check must hold. */
uint64_t rule_image_sum(const void *image, size_t size);

/* What the rule means, hashed: action, direction, flags, family, until, lifetime_ms, place == PLACE_FILE ? 0 : 1, and
 * its parts with the ranges of their sets, in their order; not id, line, ends, added, TEXT and FILE. occurrence: how
 * many equal rules stand before it in the image. Never 0. Walks to each set: for one rule. */
uint64_t rule_image_id(const void *image, const struct gatehouse_rule *rule, uint32_t occurrence);

/* The same for many rules: set_hashes holds rule_set_hash of each set, by number. */
uint64_t rule_set_hash(const struct gatehouse_set *set);
uint64_t rule_id(const struct gatehouse_rule *rule, const uint64_t *set_hashes, uint32_t occurrence);

/* The first, and the next; NULL: no more. */
const struct gatehouse_set *rule_image_set(const void *image, uint32_t number); /* O(number): walk, or keep an array */
const struct gatehouse_set *rule_image_next_set(const void *image, const struct gatehouse_set *set);
const struct gatehouse_rule *rule_image_first_rule(const void *image);
const struct gatehouse_rule *rule_image_next_rule(const void *image, const struct gatehouse_rule *rule);
const struct gatehouse_rule_part *rule_first_part(const struct gatehouse_rule *rule);
const struct gatehouse_rule_part *rule_next_part(const struct gatehouse_rule *rule,
                                                 const struct gatehouse_rule_part *part);

/* For REMOTE, LOCAL, REMOTE_PORT, LOCAL_PORT. */
uint32_t rule_part_set(const struct gatehouse_rule_part *part);
static inline const void *rule_part_data(const struct gatehouse_rule_part *part)
{
    return part + 1;
}

static inline const struct gatehouse_range_v4 *set_ranges_v4(const struct gatehouse_set *set)
{
    return (const struct gatehouse_range_v4 *)(const void *)(set + 1);
}
static inline const struct gatehouse_range_v6 *set_ranges_v6(const struct gatehouse_set *set)
{
    return (const struct gatehouse_range_v6 *)(const void *)(set + 1);
}
static inline const struct gatehouse_range_port *set_ranges_port(const struct gatehouse_set *set)
{
    return (const struct gatehouse_range_port *)(const void *)(set + 1);
}

#endif
