/* SPDX-License-Identifier: MIT */
/*
 * shrink_test.c - lab/shrink.h: what is left still fails, and nothing more can be left out of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/shrink.h"

#define THINGS 60u

/* Fails while all the needed things are there. */
struct needed {
    uint64_t set;
    unsigned tests;
};

static bool fails(void *context, const bool *keep, size_t count)
{
    struct needed *needed = context;

    needed->tests++;
    for (size_t i = 0; i < count; i++)
        if ((needed->set >> i & 1) != 0 && !keep[i])
            return false;
    return true;
}

static void keep_all(bool keep[THINGS])
{
    for (size_t i = 0; i < THINGS; i++)
        keep[i] = true;
}

static void leaves_just_what_is_needed(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    for (int round = 0; round < 500; round++) {
        bool keep[THINGS];
        struct needed needed = {0, 0};

        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        needed.set = random & (random >> 20) & (((uint64_t)1 << THINGS) - 1);
        keep_all(keep);
        unsigned tests = lab_shrink(keep, THINGS, fails, &needed, 100000);
        assert_int_equal(tests, needed.tests);
        for (size_t i = 0; i < THINGS; i++)
            assert_int_equal(keep[i], needed.set >> i & 1);
    }
}

/* Any two of three: there are several smallest answers; none may be left with more than two. */
static bool two_of_three(void *context, const bool *keep, size_t count)
{
    (void)context;
    return keep[3] + keep[count / 2] + keep[count - 1] >= 2;
}

static void ends_at_a_smallest_one(void **state)
{
    bool keep[THINGS];
    unsigned sum = 0;

    (void)state;
    keep_all(keep);
    (void)lab_shrink(keep, THINGS, two_of_three, NULL, 100000);
    for (size_t i = 0; i < THINGS; i++)
        sum += keep[i];
    assert_int_equal(sum, 2);
}

static void keeps_to_its_bound(void **state)
{
    bool keep[THINGS];
    struct needed needed = {((uint64_t)1 << THINGS) - 1, 0};

    (void)state;
    keep_all(keep);
    assert_true(lab_shrink(keep, THINGS, fails, &needed, 7) <= 7);
    assert_true(fails(&needed, keep, THINGS));
    assert_int_equal(lab_shrink(keep, 0, fails, &needed, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_just_what_is_needed),
        cmocka_unit_test(ends_at_a_smallest_one),
        cmocka_unit_test(keeps_to_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
