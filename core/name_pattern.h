/* SPDX-License-Identifier: MIT */
/*
 * name_pattern.h - names of hosts, and does one match the pattern of a rule.
 *
 * A name is ASCII text as people write it: labels of letters, digits, '-' and '_', 1 to 63 bytes each, with a dot
 * between two of them and none at the end; at most GATEHOUSE_NAME_MAX bytes. What has other bytes (the DNS allows any)
 * is no name here: nobody can write a rule for it, and nobody should be shown it. Letters of other scripts come as
 * "xn--..." labels. Upper and lower case are the same.
 *
 * A pattern is a name, for that name alone; or "*." and a name, for every name below it at any depth, and not for it
 * itself. At most GATEHOUSE_NAME_MAX bytes: a longer one could match nothing.
 *
 * Sizes in bytes, no NUL anywhere. O(size), no allocation. Any IRQL.
 */
#ifndef CORE_NAME_PATTERN_H
#define CORE_NAME_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool name_is_valid(const void *name, size_t size);

/* Copies size bytes, upper case to lower. to may be name. */
void name_fold(void *to, const void *name, size_t size);

bool name_pattern_is_valid(const void *pattern, size_t size);

/* Both valid. */
bool name_pattern_matches(const void *pattern, size_t pattern_size, const void *name, size_t name_size);

#endif
