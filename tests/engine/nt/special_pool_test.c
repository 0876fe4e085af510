/* SPDX-License-Identifier: MIT */
/*
 * special_pool_test.c - special pool's bound, its turns through the pages, and what it says about an address.
 *
 * What a driver's stray access gets is in tests/pe/tiny_test.c. Pages: "Special Pool" of Driver Verifier;
 * wdm.h ExAllocatePool2, ExAllocatePoolWithTag.
 */
#include "tests/engine/nt/test.h"

#include <stdio.h>
#include <stdlib.h>

#define TAG   'tseT'
#define PAGES 64u

static unsigned told;

static void count_full(void *context, ULONG component, ULONG level, const char *text)
{
    (void)context, (void)component;
    if (level == DPFLTR_ERROR_LEVEL && strstr(text, "64 pages are in use") != NULL)
        told++;
}

static int setup(void **state)
{
    nt_set_debug_sink(count_full, NULL);
    nt_pool_called_from(&told);
    return nt_special_pool_start(PAGES, FALSE) ? record_violations(state) : 1;
}

static int teardown(void **state)
{
    nt_pool_called_from(NULL);
    nt_set_debug_sink(NULL, NULL);
    return no_violations_left(state);
}

static bool is_special(const UCHAR *block, size_t size)
{
    char text[512];
    return nt_special_pool_explain(block + size, text, sizeof text);
}

static void only_named_callers_get_it(void **state)
{
    (void)state;
    nt_pool_called_from(NULL);
    UCHAR *block = ExAllocatePoolWithTag(NonPagedPool, 64, TAG);
    assert_false(is_special(block, 64));
    ExFreePoolWithTag(block, TAG);
    nt_pool_called_from(&told);
    block = ExAllocatePoolWithTag(NonPagedPool, 64, TAG);
    assert_true(is_special(block, 64));
    nt_special_pool_stop();
    UCHAR *other = ExAllocatePoolWithTag(NonPagedPool, 64, TAG);
    assert_false(is_special(other, 64));
    ExFreePoolWithTag(block, TAG);
    ExFreePoolWithTag(other, TAG);
}

/* Each block takes a page and an inaccessible one; page 0 is inaccessible. */
static void beyond_its_bound_the_ordinary_pool_serves_and_that_is_told_once(void **state)
{
    UCHAR *blocks[PAGES];
    unsigned special = 0;
    (void)state;
    for (int round = 0; round < 3; round++) {
        special = 0;
        for (unsigned index = 0; index < PAGES; index++) {
            blocks[index] = ExAllocatePoolZero(NonPagedPool, 48, TAG);
            assert_non_null(blocks[index]);
            special += is_special(blocks[index], 48);
        }
        for (unsigned index = 0; index < PAGES; index++)
            ExFreePoolWithTag(blocks[index], TAG);
        assert_int_equal(special, (PAGES - 1) / 2);
        assert_int_equal(told, 1);
    }
    UCHAR *large = ExAllocatePoolZero(NonPagedPool, (size_t)PAGES * PAGE_SIZE, TAG);
    assert_false(is_special(large, 0));
    ExFreePoolWithTag(large, TAG);
}

static void a_freed_block_stays_out_of_use_for_a_whole_turn(void **state)
{
    UCHAR *first = ExAllocatePoolZero(NonPagedPool, 100, TAG);
    unsigned later = 0;
    char text[512];
    (void)state;
    ExFreePoolWithTag(first, TAG);
    for (bool again = false; !again; later++) {
        assert_true(nt_special_pool_explain(first, text, sizeof text));
        assert_non_null(strstr(text, "use after free: byte 0 of a block of 100 bytes with tag 'Test'"));
        UCHAR *block = ExAllocatePoolZero(NonPagedPool, 100, TAG);
        again = block == first;
        ExFreePoolWithTag(block, TAG);
        assert_true(later < PAGES);
    }
    assert_true(later >= (PAGES - 1) / 2);
}

/* Against the plainest model: each live block keeps its bytes, whatever comes and goes around it. */
static void blocks_of_all_sizes_keep_to_themselves(void **state)
{
    static struct {
        UCHAR *bytes;
        size_t size;
        UCHAR mark;
    } live[12];
    unsigned special = 0;
    (void)state;
    srand(3);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned at = (unsigned)rand() % 12;
        char text[512], expected[64];
        if (live[at].bytes != NULL) {
            for (size_t index = 0; index < live[at].size; index++)
                assert_int_equal(live[at].bytes[index], live[at].mark);
            if (nt_special_pool_explain(live[at].bytes + live[at].size + PAGE_SIZE, text, sizeof text))
                special++;
            ExFreePoolWithTag(live[at].bytes, TAG);
            live[at].bytes = NULL;
            continue;
        }
        live[at].size = 1 + (size_t)rand() % (rand() % 4 == 0 ? 3 * PAGE_SIZE : 300);
        live[at].mark = (UCHAR)rand();
        live[at].bytes = ExAllocatePool2(POOL_FLAG_NON_PAGED, live[at].size, TAG);
        assert_non_null(live[at].bytes);
        assert_int_equal((ULONG_PTR)live[at].bytes % (live[at].size >= PAGE_SIZE ? PAGE_SIZE : 16), 0);
        for (size_t index = 0; index < live[at].size; index++)
            assert_int_equal(live[at].bytes[index], 0);
        memset(live[at].bytes, live[at].mark, live[at].size);
        UCHAR *guard =
            (UCHAR *)(((ULONG_PTR)live[at].bytes + live[at].size + PAGE_SIZE - 1) & ~(ULONG_PTR)(PAGE_SIZE - 1));
        if (nt_special_pool_explain(guard, text, sizeof text)) {
            snprintf(expected, sizeof expected, "overrun: byte %zu of a block of %zu bytes",
                     (size_t)(guard - live[at].bytes), live[at].size);
            assert_non_null(strstr(text, expected));
        }
    }
    for (unsigned at = 0; at < 12; at++)
        if (live[at].bytes != NULL)
            ExFreePoolWithTag(live[at].bytes, TAG);
    size_t bytes, blocks;
    nt_pool_usage(TAG, &bytes, &blocks);
    assert_int_equal(blocks, 0);
    assert_true(special > 1000);
}

static void bad_frees_are_told(void **state)
{
    UCHAR *block = ExAllocatePoolZero(NonPagedPool, 100, TAG);
    (void)state;
    ExFreePoolWithTag(block + 16, TAG);
    violations_expect("pool-not-allocated", 1u);
    ExFreePoolWithTag(block, 'rehO');
    violations_expect("pool-tag-mismatch", 1u); /* and it is freed all the same */
    ExFreePoolWithTag(block, TAG);
    violations_expect("pool-double-free", 1u);
    ExFreePoolWithTag(block - PAGE_SIZE, TAG);
    violations_expect("pool-not-allocated", 1u);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_named_callers_get_it),
        TEST(beyond_its_bound_the_ordinary_pool_serves_and_that_is_told_once),
        TEST(a_freed_block_stays_out_of_use_for_a_whole_turn),
        TEST(blocks_of_all_sizes_keep_to_themselves),
        TEST(bad_frees_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
