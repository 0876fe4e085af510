/* SPDX-License-Identifier: MIT */
/*
 * held.h - what the driver makes of a connection that it holds when rules change (core/rule_fit.h): from what it keeps
 * of one, not from the one itself.
 */
#ifndef TESTS_ORACLE_HELD_H
#define TESTS_ORACLE_HELD_H

#include <stdbool.h>

#include "core/rule_list.h"
#include "tests/oracle/reference.h"

/* Of an image that passed the driver's check; held_cleanup frees its copy. */
void held_list(const void *image, size_t size, struct rule_list *list);
void held_cleanup(struct rule_list *list);

/* enum gatehouse_rule_action; *id: of the rule that decides, 0: none. */
int held_ask(const struct rule_list *list, const struct reference_connection *from, const void *path, size_t path_size,
             uint64_t *id);

/* Has the policy a rule that asks for what the driver keeps of no held connection? */
bool held_is_unknown(const struct reference_policy *policy);

#endif
