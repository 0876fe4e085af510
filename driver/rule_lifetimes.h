/* SPDX-License-Identifier: MIT */
/*
 * rule_lifetimes.h - rules end by themselves: at their time, or with the last process they decided for.
 *
 * A timer on system time, which counts suspend and follows a clock that is set. What is due is ended in a work item, or
 * by whoever has the gate then, when he leaves it: nobody waits for it.
 */
#ifndef DRIVER_RULE_LIFETIMES_H
#define DRIVER_RULE_LIFETIMES_H

#include "driver/driver.h"

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_lifetimes_init(void);

/* For unload, after the last dispatch. Harmless after a failed or no init. */
_IRQL_requires_(PASSIVE_LEVEL)
void rule_lifetimes_cleanup(void);

/* At that system time, or soon, rules_expire is called. 0: never. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
void rule_lifetimes_arm(uint64_t when);

/* Ends what is due, unless somebody has the gate: he does it then. Gate not taken. */
_IRQL_requires_(PASSIVE_LEVEL)
void rule_lifetimes_look(void);

#endif
