/* SPDX-License-Identifier: MIT */
/*
 * windows_case.h - for test programs that run on Windows or Wine, where there is no cmocka: numbered lines of TAP.
 */
#ifndef TESTS_WINDOWS_CASE_H
#define TESTS_WINDOWS_CASE_H

#include <stdbool.h>
#include <stdio.h>

static unsigned case_count, case_failed;

#define CHECK(condition) case_check((condition), #condition, __LINE__)

static inline bool case_check(bool good, const char *words, int line)
{
    case_count++;
    case_failed += !good;
    fprintf(stderr, "%s %u - line %d: %s\n", good ? "ok" : "not ok", case_count, line, words);
    return good;
}

static inline int case_end(void)
{
    fprintf(stderr, "1..%u\n", case_count);
    return case_failed == 0 ? 0 : 1;
}

#endif
