/* SPDX-License-Identifier: MIT */
/*
 * violations.h - records what nt/ and wfp/ report, for tests of what must be refused.
 *
 * violations_record() installs a handler that counts and returns, so the routine goes on; any thread
 * may report. violations_expect(rule, n) asserts that exactly n reports came and the last was rule,
 * and starts anew. Header-only, so that each test program has its own.
 */
#ifndef TESTS_LIB_VIOLATIONS_H
#define TESTS_LIB_VIOLATIONS_H

#include <nt/nt.h>

#include <stdio.h>
#include <string.h>

static struct {
    unsigned count;
    char rule[64], routine[64], detail[256];
} violations_seen;

static inline void violations_note(const struct nt_violation *violation)
{
    snprintf(violations_seen.rule, sizeof violations_seen.rule, "%s", violation->rule);
    snprintf(violations_seen.routine, sizeof violations_seen.routine, "%s", violation->routine);
    snprintf(violations_seen.detail, sizeof violations_seen.detail, "%s", violation->detail);
    __atomic_fetch_add(&violations_seen.count, 1, __ATOMIC_RELEASE); /* the texts are there */
}

static inline void violations_record(void)
{
    memset(&violations_seen, 0, sizeof violations_seen);
    nt_set_violation_handler(violations_note);
}

#define violations_expect(expected_rule, expected_count)                                                               \
    do {                                                                                                               \
        if (violations_seen.count != (expected_count))                                                                 \
            print_error("last violation: %s in %s: %s\n", violations_seen.rule, violations_seen.routine,               \
                        violations_seen.detail);                                                                       \
        assert_int_equal(violations_seen.count, (expected_count));                                                     \
        if ((expected_count) != 0)                                                                                     \
            assert_string_equal(violations_seen.rule, (expected_rule));                                                \
        memset(&violations_seen, 0, sizeof violations_seen);                                                           \
    } while (0)
#define violations_none() violations_expect("", 0u)

#endif
