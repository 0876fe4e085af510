/* SPDX-License-Identifier: MIT */
/*
 * test.h - cmocka with what it needs, for the contract tests of nt/.
 */
#ifndef TESTS_ENGINE_NT_TEST_H
#define TESTS_ENGINE_NT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nt/nt.h>

#include "tests/lib/violations.h"

static inline int record_violations(void **state)
{
    (void)state;
    violations_record();
    return 0;
}

/* Leaves no test's mistake to the next: any report it did not expect fails it. */
static inline int no_violations_left(void **state)
{
    (void)state;
    violations_none();
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    assert_int_equal(nt_spin_locks_held(), 0);
    return 0;
}

#define nt_test(function) cmocka_unit_test_setup_teardown(function, record_violations, no_violations_left)

#endif
