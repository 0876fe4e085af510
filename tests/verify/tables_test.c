/* SPDX-License-Identifier: MIT */
/*
 * tables_test.c - the verifier's tables: beginnings, the depot of stacks, histories, numbers of addresses.
 *
 * The oracle for beginnings is an array of flags that random begins and ends keep; for the ring, counting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nt/verify/depot.h"
#include "nt/verify/report.h"

#define KEYS       5000u
#define LIVE_MOST  65536u
#define RECENT     8192u
#define NOTES_MOST 4096u

static int setup(void **state)
{
    (void)state;
    nt_verify_on = true;
    nt_verify_clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nt_verify_on = false;
    return 0;
}

static bool has(enum nt_beginning what, uint64_t key)
{
    struct nt_stack stack;
    return nt_find_beginning(what, key, &stack);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void begins_and_ends_agree_with_flags(void **state)
{
    static bool begun[KEYS];
    uint64_t seed = 88172645463325252u;
    (void)state;
    memset(begun, 0, sizeof begun);
    for (unsigned step = 0; step < 100000; step++) {
        uint64_t key = next_random(&seed) % KEYS;
        begun[key] = next_random(&seed) % 3 != 0;
        if (begun[key])
            nt_begin(NT_BEGAN_BLOCK, key << 4);
        else
            nt_end(NT_BEGAN_BLOCK, key << 4);
        uint64_t other = next_random(&seed) % KEYS;
        assert_int_equal(has(NT_BEGAN_BLOCK, other << 4), begun[other]);
        assert_false(has(NT_BEGAN_OBJECT, other << 4)); /* another kind */
    }
    nt_verify_clear();
    for (unsigned key = 0; key < KEYS; key++)
        assert_false(has(NT_BEGAN_BLOCK, (uint64_t)key << 4));
}

static void a_full_table_loses_new_ones_and_counts_them(void **state)
{
    (void)state;
    for (uint64_t key = 1; key <= LIVE_MOST + 100; key++)
        nt_begin(NT_BEGAN_OBJECT, key);
    assert_int_equal(nt_beginnings_lost(), 100);
    assert_true(has(NT_BEGAN_OBJECT, 1));
    assert_true(has(NT_BEGAN_OBJECT, LIVE_MOST));
    assert_false(has(NT_BEGAN_OBJECT, LIVE_MOST + 1));
    nt_end(NT_BEGAN_OBJECT, 7);
    nt_begin(NT_BEGAN_OBJECT, LIVE_MOST + 1); /* in its place */
    assert_true(has(NT_BEGAN_OBJECT, LIVE_MOST + 1));
    assert_false(has(NT_BEGAN_OBJECT, 7));
}

static void what_has_no_end_stays_until_pushed_out(void **state)
{
    (void)state;
    for (uint64_t key = 1; key <= 3 * RECENT; key++) {
        nt_begin(NT_FREED_BLOCK, key);
        nt_end(NT_FREED_BLOCK, key); /* has no effect */
        assert_true(has(NT_FREED_BLOCK, key));
        if (key > RECENT)
            assert_false(has(NT_FREED_BLOCK, key - RECENT));
    }
    assert_true(has(NT_FREED_BLOCK, 2 * RECENT + 1));
    assert_int_equal(nt_beginnings_lost(), 0);
}

static void off_nothing_is_kept(void **state)
{
    (void)state;
    nt_verify_on = false;
    nt_begin(NT_BEGAN_BLOCK, 1);
    nt_note(1, "lost");
    nt_verify_on = true;
    assert_false(has(NT_BEGAN_BLOCK, 1));
    struct nt_event events[4];
    assert_int_equal(nt_history(1, events, 4), 0);
}

static void the_depot_keeps_each_stack_once(void **state)
{
    struct nt_stack stack = {3, {(void *)16, (void *)32, (void *)48}}, back;
    (void)state;
    nt_depot_clear();
    uint32_t first = nt_depot_put(&stack);
    assert_int_not_equal(first, 0);
    assert_int_equal(nt_depot_put(&stack), first);
    stack.frames[2] = (void *)49;
    uint32_t second = nt_depot_put(&stack);
    assert_int_not_equal(second, first);
    assert_true(nt_depot_get(first, &back));
    assert_int_equal(back.count, 3);
    assert_ptr_equal(back.frames[2], (void *)48);
    assert_false(nt_depot_get(0, &back));
    stack.count = 0;
    assert_int_equal(nt_depot_put(&stack), 0);
}

static void a_full_depot_loses_new_stacks_and_keeps_old_ones(void **state)
{
    struct nt_depot_usage usage;
    struct nt_stack stack = {NT_STACK_MAX, {NULL}};
    uint32_t first = 0, number = 1;
    uintptr_t step = 0;
    (void)state;
    nt_depot_clear();
    for (; number != 0 && step < 1000000; step++) {
        stack.frames[0] = (void *)(step + 1);
        number = nt_depot_put(&stack);
        if (first == 0)
            first = number;
    }
    nt_depot_usage(&usage);
    assert_int_equal(usage.lost, 1);
    assert_int_equal(usage.stacks, step - 1);
    assert_true(usage.words <= usage.words_most && usage.words_most - usage.words <= NT_STACK_MAX);
    stack.frames[0] = (void *)1;
    assert_int_equal(nt_depot_put(&stack), first);
    nt_depot_clear();
    nt_depot_usage(&usage);
    assert_int_equal(usage.stacks, 0);
}

static void *put_many(void *unused)
{
    for (uintptr_t round = 0; round < 4; round++)
        for (uintptr_t step = 1; step <= 3000; step++) {
            struct nt_stack stack = {2, {(void *)step, (void *)(step + 1)}};
            (void)nt_depot_put(&stack);
        }
    return unused;
}

static void *begin_many(void *unused)
{
    for (uintptr_t step = 1; step <= 10000; step++) {
        nt_begin(NT_BEGAN_BLOCK, step % 3000 * 16);
        nt_end(NT_BEGAN_BLOCK, step % 3000 * 16);
    }
    return unused;
}

static void run_threads(void *(*body)(void *))
{
    pthread_t threads[4];
    for (unsigned index = 0; index < 4; index++)
        assert_int_equal(pthread_create(&threads[index], NULL, body, NULL), 0);
    for (unsigned index = 0; index < 4; index++)
        pthread_join(threads[index], NULL);
}

static void threads_share_the_tables(void **state)
{
    struct nt_depot_usage usage;
    (void)state;
    nt_depot_clear();
    run_threads(put_many);
    nt_depot_usage(&usage);
    assert_int_equal(usage.stacks, 3000);
    run_threads(begin_many);
    assert_int_equal(nt_beginnings_lost(), 0);
    for (uint64_t key = 0; key < 3000; key++)
        assert_false(has(NT_BEGAN_BLOCK, key * 16));
}

static void a_history_is_the_last_of_its_connection(void **state)
{
    struct nt_event events[5];
    (void)state;
    nt_note(7, "first");
    nt_note(8, "another connection's");
    nt_note(7, "%s %d", "second", 2);
    assert_int_equal(nt_history(7, events, 5), 2);
    assert_string_equal(events[0].text, "first");
    assert_string_equal(events[1].text, "second 2");
    for (unsigned index = 0; index < 6; index++)
        nt_note(7, "more %u", index);
    assert_int_equal(nt_history(7, events, 5), 5);
    assert_string_equal(events[0].text, "more 1");
    assert_string_equal(events[4].text, "more 5");
    assert_int_equal(nt_history(0, events, 5), 0);
}

static void the_ring_of_notes_is_bounded(void **state)
{
    struct nt_event events[2];
    (void)state;
    nt_note(1, "old");
    for (unsigned index = 0; index < NOTES_MOST - 1; index++)
        nt_note(2, "%u", index);
    assert_int_equal(nt_history(1, events, 2), 1);
    nt_note(2, "one too many");
    assert_int_equal(nt_history(1, events, 2), 0);
    assert_int_equal(nt_history(2, events, 2), 2);
    assert_string_equal(events[1].text, "one too many");
}

static void addresses_get_numbers_in_the_order_of_their_names(void **state)
{
    char text[] = "block 0x7f0012345678 of 0x7fff00000001, then 0x7f0012345678; status 0xC0000001, 0x, (nil)";
    char again[] = "0x7fff00000001 and 0x123456789";
    (void)state;
    nt_number_addresses(text);
    assert_string_equal(text, "block #1 of #2, then #1; status 0xC0000001, 0x, (nil)");
    nt_number_addresses(again);
    assert_string_equal(again, "#2 and #3");
    nt_verify_clear();
    char anew[] = "0x7fff00000001";
    nt_number_addresses(anew);
    assert_string_equal(anew, "#1");
}

static void numbers_are_bounded(void **state)
{
    char text[64];
    (void)state;
    for (uint64_t index = 0; index < 3000; index++) {
        snprintf(text, sizeof text, "%#llx", 0x7f0000000000ull + index * 16);
        nt_number_addresses(text);
    }
    assert_string_equal(text, "#?");
}

static double nanoseconds_a_begin(void)
{
    struct timespec before, after;
    const unsigned rounds = 200000;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (uint64_t key = 0; key < rounds; key++)
        nt_begin(NT_BEGAN_BLOCK, key % 64);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / rounds;
}

/* It is to cost less than 100 ns: much more for sanitizers. Of the processor's time, for others may run in between. */
static void a_begin_is_cheap(void **state)
{
    (void)state;
    double cost = 1e9;
    for (unsigned attempt = 0; attempt < 5; attempt++) {
        double now = nanoseconds_a_begin();
        cost = now < cost ? now : cost;
    }
    print_message("a begin takes %.0f ns\n", cost);
    assert_true(cost < 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begins_and_ends_agree_with_flags),
        TEST(a_full_table_loses_new_ones_and_counts_them),
        TEST(what_has_no_end_stays_until_pushed_out),
        TEST(off_nothing_is_kept),
        TEST(the_depot_keeps_each_stack_once),
        TEST(a_full_depot_loses_new_stacks_and_keeps_old_ones),
        TEST(threads_share_the_tables),
        TEST(a_history_is_the_last_of_its_connection),
        TEST(the_ring_of_notes_is_bounded),
        TEST(addresses_get_numbers_in_the_order_of_their_names),
        TEST(numbers_are_bounded),
        TEST(a_begin_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
