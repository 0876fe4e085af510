/* SPDX-License-Identifier: MIT */
/*
 * names.h - words that stand for numbers in rules: protocols, services, ICMP types. Own tables, so that a rule means
 * the same on every machine; a name that is not here is written as its number.
 */
#ifndef POLICY_NAMES_H
#define POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum names_table { NAMES_PROTOCOL, NAMES_SERVICE, NAMES_ICMP, NAMES_ICMP6 };

bool names_number(enum names_table table, const char *text, size_t length, uint16_t *number);
/* The first name of a number; NULL: none. */
const char *names_of(enum names_table table, uint16_t number);
/* The names, by number: the one at place; NULL: no more. */
const char *names_at(enum names_table table, size_t place);

/*
 * The word of a list that text may have been meant as: one or two letters are wrong, missing, too many or swapped.
 * NULL: none is near. words ends with NULL.
 */
const char *names_near(const char *text, size_t length, const char *const *words);
const char *names_near_in(enum names_table table, const char *text, size_t length);

/* Words of other firewalls and of daily speech: "deny" is "block". near_too: or a word near to one. NULL: none. */
const char *names_meant(const char *text, size_t length, bool near_too);

#endif
