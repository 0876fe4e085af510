/* SPDX-License-Identifier: MIT */
/*
 * print_kind.h - one kind of parts of a rule in words, for match.c.
 */
#ifndef POLICY_PRINT_KIND_H
#define POLICY_PRINT_KIND_H

#include "policy/bytes.h"
#include "policy/print.h"

/* " proto { tcp, udp }", or a list of ranges without the word before it. type: PROGRAM stands for all that name
 * programs. Long lists are cut. */
void print_kind(struct bytes *text, const struct policy_sets *sets, const struct gatehouse_rule *rule, uint16_t type);

#endif
