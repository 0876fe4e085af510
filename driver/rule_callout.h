/* SPDX-License-Identifier: MIT */
/*
 * rule_callout.h - the classifyFn of rules that the engine cannot decide alone.
 *
 * The filter's context is the rule's number in core/rule_table.h. The engine has matched every condition that it could;
 * patterns, further kinds of SIDs and names (driver/names.h) are matched here. A rule that does not match lets the
 * engine go on (CONTINUE). A connection that a rule with names matched stays that rule's, as long as the rule stands:
 * the note is kept with its verdict (core/verdict_table.h), for names are forgotten while flows live. What RULE and LOG
 * callouts may look at is promised in gatehouse/objects.h. A number that names nothing (the filter was deleted two
 * changes ago, and this classify is that late) blocks: neither policy may have permitted it.
 */
#ifndef DRIVER_RULE_CALLOUT_H
#define DRIVER_RULE_CALLOUT_H

#include "driver/driver.h"

_IRQL_requires_max_(DISPATCH_LEVEL)
void NTAPI rule_callout(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                        void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                        FWPS_CLASSIFY_OUT0 *out);

/* The rule's number for its filters; 0: no memory. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t rule_callout_add(const struct gatehouse_rule *rule);

/* Its filters are deleted, or were never added. number may be 0. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void rule_callout_retire(uint64_t number);

/* Frees what the change before last retired. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void rule_callout_sweep(void);

/* UNTIL_EXIT: the last process that the rule decided for has exited. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN rule_callout_is_over(uint64_t number);

/* TRUE: a rule is over with it. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN rule_callout_process_exited(uint64_t process_id);

#endif
