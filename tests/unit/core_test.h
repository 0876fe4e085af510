/* SPDX-License-Identifier: MIT */
/*
 * core_test.h - what the tests of core/ share: a counted memory with faults, and a repeatable random.
 */
#ifndef TESTS_UNIT_CORE_TEST_H
#define TESTS_UNIT_CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/memory.h"

struct test_memory {
    struct core_memory memory;
    size_t blocks;
    size_t bytes;
    long fail_at; /* the n-th allocation from now fails, then all go well; < 0: none */
};

static void *test_allocate(void *context, size_t size)
{
    struct test_memory *test = context;

    if (test->fail_at >= 0 && test->fail_at-- == 0)
        return NULL;
    test->blocks++;
    test->bytes += size;
    return calloc(1, size);
}

static void test_release(void *context, void *p, size_t size)
{
    struct test_memory *test = context;

    assert_non_null(p);
    assert_true(test->blocks > 0 && test->bytes >= size);
    test->blocks--;
    test->bytes -= size;
    free(p);
}

static inline void test_memory_init(struct test_memory *test)
{
    test->memory.allocate = test_allocate;
    test->memory.release = test_release;
    test->memory.context = test;
    test->blocks = 0;
    test->bytes = 0;
    test->fail_at = -1;
}

static uint64_t test_random_state = 88172645463325252ull;

static inline uint32_t test_random(uint32_t below)
{
    test_random_state ^= test_random_state << 13;
    test_random_state ^= test_random_state >> 7;
    test_random_state ^= test_random_state << 17;
    return (uint32_t)(test_random_state >> 32) % below;
}

#endif
