/* SPDX-License-Identifier: MIT */
/*
 * path_pattern.h - does a path match a pattern of a rule. Both UTF-16LE without NUL, sizes in bytes, compared unit by
 * unit: no case folding.
 *
 *   ?   one unit but a separator        *   any number of units but separators        **  any number of any units
 *   \c  the unit c itself               anything else: itself
 * separator: '/' on Linux; '\\' where paths are Windows's, and then there is no escape. O(path * pattern) at worst, no
 * allocation, no recursion. Any IRQL.
 */
#ifndef CORE_PATH_PATTERN_H
#define CORE_PATH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool path_pattern_matches(const void *pattern, size_t pattern_size, const void *path, size_t path_size);

/* The separator is that of the path: '\\' if it begins with one (Windows's ALE_APP_ID), else '/'. */

#endif
