/* SPDX-License-Identifier: MIT */
/*
 * deadline_wheel_test.c - core/deadline_wheel against an array that is searched.
 */
#include "core_test.h"

#include "core/deadline_wheel.h"

#define ITEMS 200
#define TICK  DEADLINE_WHEEL_TICK

static struct deadline_link links[ITEMS];
static uint64_t due[ITEMS];  /* 0: not in the wheel */
static uint64_t late[ITEMS]; /* when it was inserted after its time: that moment */

static void check_all(const struct deadline_wheel *wheel, uint64_t now)
{
    uint64_t earliest = DEADLINE_NEVER, next = deadline_wheel_next(wheel);

    for (int i = 0; i < ITEMS; i++) {
        if (due[i] != 0) {
            uint64_t from = due[i] > late[i] ? due[i] : late[i];
            assert_true(from + 2 * TICK > now);
            if (due[i] < earliest)
                earliest = due[i];
        }
    }
    assert_int_equal(next == DEADLINE_NEVER, earliest == DEADLINE_NEVER);
}

static void random_against_array(void **state)
{
    struct test_memory memory;
    struct deadline_wheel wheel;
    uint64_t now = 5;

    (void)state;
    test_memory_init(&memory);
    assert_true(deadline_wheel_init(&wheel, &memory.memory));
    for (int step = 0; step < 200000; step++) {
        int i = (int)test_random(ITEMS);
        uint32_t what = test_random(10);

        if (what < 5 && due[i] == 0) {
            due[i] = now + (test_random(3) ? test_random(40) * TICK / 7 : test_random(120000) * 10000ull);
            late[i] = now;
            deadline_wheel_insert(&wheel, &links[i], now, due[i]);
        } else if (what < 7) {
            deadline_wheel_remove(&wheel, &links[i]);
            due[i] = 0;
        } else {
            struct deadline_link *link;
            /* mostly small steps, at times a suspend of minutes or hours */
            now += test_random(50) ? test_random((uint32_t)TICK * 3) : test_random(4000000) * 100000ull;
            while ((link = deadline_wheel_take(&wheel, now)) != NULL) {
                int k = (int)(link - links);
                assert_true(due[k] != 0 && due[k] <= now); /* never early */
                due[k] = 0;
            }
            for (int k = 0; k < ITEMS; k++) /* less than a tick late */
                assert_true(due[k] == 0 || (due[k] > late[k] ? due[k] : late[k]) + TICK > now);
            check_all(&wheel, now);
        }
    }
    for (int i = 0; i < ITEMS; i++)
        deadline_wheel_remove(&wheel, &links[i]);
    assert_true(deadline_wheel_next(&wheel) == DEADLINE_NEVER);
    deadline_wheel_cleanup(&wheel);
    assert_int_equal(memory.blocks, 0);
}

/* The promise of next: at that time take has something, and right before it has not. */
static void next_is_exact(void **state)
{
    struct test_memory memory;
    struct deadline_wheel wheel;
    struct deadline_link link = {0};

    (void)state;
    test_memory_init(&memory);
    assert_true(deadline_wheel_init(&wheel, &memory.memory));
    for (int step = 0; step < 20000; step++) {
        uint64_t now = 1000000 + (uint64_t)step * 777777;
        uint64_t when = now + test_random(120000) * 10000ull, next;

        deadline_wheel_insert(&wheel, &link, now, when);
        next = deadline_wheel_next(&wheel);
        assert_true(next >= when && next < (when > now ? when : now) + TICK + TICK);
        assert_null(deadline_wheel_take(&wheel, next - 1));
        assert_ptr_equal(deadline_wheel_take(&wheel, next), &link);
        step += (int)((next - now) / 777777);
    }
    deadline_wheel_cleanup(&wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_against_array), cmocka_unit_test(next_is_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
