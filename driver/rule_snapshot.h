/* SPDX-License-Identifier: MIT */
/*
 * rule_snapshot.h - the rules in force as one image, for RULES_GET.
 *
 * It is made when somebody asks first, on a thread of its own, and kept until the rules change: one at most, and those
 * that somebody copies from just then.
 */
#ifndef DRIVER_RULE_SNAPSHOT_H
#define DRIVER_RULE_SNAPSHOT_H

#include "driver/driver.h"

/* An image of what is in force, made once for each generation; a reference for the caller. NULL: no memory. */
struct rules_snapshot {
    uint32_t references; /* driver_rule_lock */
    uint64_t generation;
    struct gatehouse_rules_image *image;
    uint32_t file_rules, added_rules;
};
/* PASSIVE_LEVEL, gate not taken. */
_IRQL_requires_(PASSIVE_LEVEL)
struct rules_snapshot *rules_snapshot_make(void);
/* The present one if it was made already, or NULL. */
_IRQL_requires_max_(DISPATCH_LEVEL)
struct rules_snapshot *rules_snapshot_get(void);
_IRQL_requires_max_(APC_LEVEL)
void rules_snapshot_put(struct rules_snapshot *snapshot);

/* snapshot's reference becomes the state's. NULL: there is none any more. */
_IRQL_requires_(PASSIVE_LEVEL)
void rules_snapshot_set(struct rules_snapshot *snapshot);

#endif
