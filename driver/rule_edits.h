/* SPDX-License-Identifier: MIT */
/*
 * rule_edits.h - what clients do to the rules: load a file's, add one, remove one.
 *
 * Each checks what it was given, makes the new list, and has it put into force (rules.h). Without the gate, which they
 * take; PASSIVE_LEVEL. 0 or GATEHOUSE_E_*.
 */
#ifndef DRIVER_RULE_EDITS_H
#define DRIVER_RULE_EDITS_H

#include "driver/rules.h"

/* An image of size bytes in paged pool, taken over. boot: rules with an end are left out, added UNTIL_REBOOT too. */
_IRQL_requires_(PASSIVE_LEVEL)
uint32_t rules_load(struct gatehouse_rules_image *image, uint32_t size, BOOLEAN boot);

/* One rule on top or before the first that asks: an image as above with just that. */
_IRQL_requires_(PASSIVE_LEVEL)
uint32_t rules_add(struct gatehouse_rules_image *image, uint32_t size, struct rules_addition *addition);

_IRQL_requires_(PASSIVE_LEVEL)
uint32_t rules_remove(uint64_t id);

#endif
