/* SPDX-License-Identifier: MIT */
/*
 * rule_filters.h - rules as filters of the engine: keys, weights and conditions.
 *
 * A rule is one filter at each layer that it applies to (gatehouse/rules.h says the key). Conditions on one field are
 * alternatives, those on different fields go together (page Filter Conditions), as a rule's parts do; programs by path
 * and by SHA-256 are different fields but one kind of part, so a rule that has both gets a second filter. What the
 * engine cannot match goes to a callout with every condition that it can.
 *
 * Used with the gate taken, in the caller's transaction. PASSIVE_LEVEL.
 */
#ifndef DRIVER_RULE_FILTERS_H
#define DRIVER_RULE_FILTERS_H

#include "driver/driver.h"

/* The bits of rule_entry.filters: 1 << enum gatehouse_rule_layer, and four more for second filters. */
#define RULE_FILTERS_ACCEPT 0xCCu

/* Scratch for the filters of one list's rules. */
struct rule_filters {
    const struct rule_list *list;
    FWP_RANGE0 **ranges; /* by set; made when a filter needs them, of sets with many */
    FWPM_FILTER_CONDITION0 *conditions;
    uint32_t capacity, count;
    uint8_t *bytes; /* what the conditions of the present rule point to */
    uint32_t bytes_used;
};

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_filters_begin(struct rule_filters *filters, const struct rule_list *list);
/* Harmless after a begin that failed. */
_IRQL_requires_(PASSIVE_LEVEL)
void rule_filters_end(struct rule_filters *filters);

/* Adds the entry's filters; entry->number first, if it needs a callout. Notes what was added, also on failure. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_filters_add(struct rule_filters *filters, struct rule_entry *entry);

/* One that is gone already is no failure. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_filters_delete(const struct rule_entry *entry);

#endif
