/* SPDX-License-Identifier: MIT */
/*
 * rule_snapshot.h - the rules in force as one image, for RULES_GET.
 *
 * It is made when somebody asks first, on a thread of its own, and kept until the rules change: one at most, and those
 * that somebody copies from just then. A large one only until it was read, or its reader left.
 */
#ifndef DRIVER_RULE_SNAPSHOT_H
#define DRIVER_RULE_SNAPSHOT_H

#include "driver/driver.h"

/* An image of what is in force, made once for each generation; a reference for the caller. */
struct rules_snapshot {
    uint32_t references; /* driver_rule_lock */
    uint64_t generation;
    struct gatehouse_rules_image *image;
    uint32_t file_rules, added_rules;
    const struct client *reader; /* who got a piece last; driver_rule_lock */
};
/* Gate not taken. STATUS_INSUFFICIENT_RESOURCES, GATEHOUSE_E_RULES_LOST. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rules_snapshot_make(struct rules_snapshot **made);
/* The present one if it was made already, or NULL. */
_IRQL_requires_max_(DISPATCH_LEVEL)
struct rules_snapshot *rules_snapshot_get(void);
_IRQL_requires_max_(APC_LEVEL)
void rules_snapshot_put(struct rules_snapshot *snapshot);

/* The client has a piece; last: the end of it, so that a large one is let go. */
_IRQL_requires_(PASSIVE_LEVEL)
void rules_snapshot_read(struct rules_snapshot *snapshot, const struct client *client, BOOLEAN last);
/* He reads no further: the same. */
_IRQL_requires_(PASSIVE_LEVEL)
void rules_snapshot_leave(const struct client *client);

/* snapshot's reference becomes the state's. NULL: there is none any more. */
_IRQL_requires_(PASSIVE_LEVEL)
void rules_snapshot_set(struct rules_snapshot *snapshot);

#endif
