/* SPDX-License-Identifier: MIT */
/*
 * ex_test.c - contract of pool and UUIDs.
 */
#include "tests/engine/nt/test.h"

#define TAG_A 'aTsT'
#define TAG_B 'bTsT'

static void usage_is(ULONG tag, size_t expected_bytes, size_t expected_blocks)
{
    size_t bytes, blocks;
    nt_pool_usage(tag, &bytes, &blocks);
    assert_int_equal(bytes, expected_bytes);
    assert_int_equal(blocks, expected_blocks);
}

/* wdm.h ExAllocatePool2: zeroed, aligned to 16 bytes, to a page from PAGE_SIZE on. */
static void pool_is_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 100, 2048, 4095, 4096, 4097, 70000, 1000000};
    (void)state;
    for (size_t index = 0; index < 2 * RTL_NUMBER_OF(sizes); index++) { /* twice: memory that was used is zero again */
        size_t size = sizes[index / 2];
        UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, TAG_A);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (size >= PAGE_SIZE ? PAGE_SIZE : 16), 0);
        for (size_t at = 0; at < size; at++)
            assert_int_equal(block[at], 0);
        memset(block, 0xa5, size);
        usage_is(TAG_A, size, 1);
        ExFreePoolWithTag(block, TAG_A);
    }
    usage_is(TAG_A, 0, 0);
}

/* wdm.h ExAllocatePool2: a block is the caller's alone, whatever its size, until it is freed. */
static void pool_blocks_do_not_overlap(void **state)
{
    static struct {
        UCHAR *block;
        size_t size;
        UCHAR fill;
    } held[64];
    uint64_t random = 88172645463325252u;

    (void)state;
    for (unsigned step = 0; step < 4000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned at = (unsigned)(random >> 32) % RTL_NUMBER_OF(held);
        if (held[at].block != NULL) {
            for (size_t byte = 0; byte < held[at].size; byte += 61)
                assert_int_equal(held[at].block[byte], held[at].fill);
            ExFreePoolWithTag(held[at].block, TAG_A);
        }
        held[at].size = 1 + (size_t)(random >> 40) % (step % 2 == 0 ? 300000 : 3000);
        held[at].fill = (UCHAR)step;
        held[at].block = ExAllocatePool2(POOL_FLAG_NON_PAGED, held[at].size, TAG_A);
        assert_non_null(held[at].block);
        memset(held[at].block, held[at].fill, held[at].size);
    }
    for (unsigned at = 0; at < RTL_NUMBER_OF(held); at++) {
        if (held[at].block != NULL)
            ExFreePoolWithTag(held[at].block, TAG_A);
    }
    usage_is(TAG_A, 0, 0);
}

/* wdm.h ExFreePoolWithTag: the tag has to be the allocation's; 0 and ExFreePool match any. */
static void pool_tag_has_to_match(void **state)
{
    (void)state;
    ExFreePoolWithTag(ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_A), TAG_B);
    violations_expect("pool-tag-mismatch", 1u);
    ExFreePool(ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_A));
    ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG_A), 0);
    usage_is(TAG_A, 0, 0);
}

/* Driver Verifier, Automatic Checks: free of freed memory, of NULL; zero bytes. */
static void pool_mistakes_are_seen(void **state)
{
    (void)state;
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_A);
    ExFreePoolWithTag(block, TAG_A);
    ExFreePoolWithTag(block, TAG_A);
    violations_expect("pool-double-free", 1u);
    ExFreePoolWithTag(NULL, TAG_A);
    violations_expect("pool-not-allocated", 1u);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 0, TAG_A);
    violations_expect("pool-zero-size", 1u);
    ExFreePool(block);
    assert_null(ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED, 1, TAG_A));
    violations_expect("pool-flags", 1u);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 1, 0);
    violations_expect("pool-tag-zero", 1u);
    ExFreePool(block);
}

/* wdm.h ExAllocatePool2: at DISPATCH_LEVEL nonpaged only, above it none. */
static void pool_obeys_the_irql(void **state)
{
    KIRQL irql;
    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_A);
    ExFreePoolWithTag(block, TAG_A);
    violations_none();
    block = ExAllocatePool2(POOL_FLAG_PAGED, 10, TAG_A);
    violations_expect("pageable-at-dispatch", 1u);
    ExFreePoolWithTag(block, TAG_A);
    violations_expect("pageable-at-dispatch", 1u);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_A);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(PASSIVE_LEVEL);
    ExFreePoolWithTag(block, TAG_A);
}

static BOOLEAN fail_pool(const char *routine, void *context)
{
    (void)context;
    return strcmp(routine, "ExAllocatePool2") == 0;
}

/* wdm.h ExAllocatePool2: NULL when there is no memory; here by the fault hook (nt.h). */
static void pool_can_fail(void **state)
{
    UUID a = {0}, b = {0};
    (void)state;
    nt_set_fault(fail_pool, NULL);
    assert_null(ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_A));
    assert_int_equal(ExUuidCreate(&a), STATUS_SUCCESS);
    nt_set_fault(NULL, NULL);
    assert_int_equal(ExUuidCreate(&b), STATUS_SUCCESS);
    assert_false(IsEqualGUID(&a, &b));
    assert_int_equal(a.Data3 >> 12, 4);
}

static PVOID kept_block;

static VOID unload_nothing(PDRIVER_OBJECT driver)
{
    (void)driver;
}

static NTSTATUS entry_that_keeps(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    kept_block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG_B);
    driver->DriverUnload = unload_nothing;
    return STATUS_SUCCESS;
}

/* nt.h nt_pool_keep_tag; Driver Verifier, Pool Tracking: what a driver leaves is said, a platform part's is not. */
static void pool_of_the_platform_may_stay(void **state)
{
    struct nt_driver *driver = NULL;
    (void)state;
    assert_int_equal(nt_driver_load("keeps", entry_that_keeps, NULL, 0, &driver), STATUS_SUCCESS);
    nt_driver_unload(driver);
    violations_expect("left-pool", 1u);
    ExFreePoolWithTag(kept_block, TAG_B);
    nt_pool_keep_tag(TAG_B);
    nt_pool_keep_tag(TAG_B);
    assert_int_equal(nt_driver_load("keeps", entry_that_keeps, NULL, 0, &driver), STATUS_SUCCESS);
    nt_driver_unload(driver);
    violations_none();
    ExFreePoolWithTag(kept_block, TAG_B);
}

/* wdm.h InterlockedCompareExchange and friends: old or new value as documented. */
static void interlocked_values(void **state)
{
    LONG value = 5;
    LONG64 wide = 1;
    PVOID pointer = NULL;
    (void)state;
    assert_int_equal(InterlockedIncrement(&value), 6);
    assert_int_equal(InterlockedExchangeAdd(&value, 4), 6);
    assert_int_equal(InterlockedCompareExchange(&value, 1, 9), 10);
    assert_int_equal(InterlockedCompareExchange(&value, 1, 10), 10);
    assert_int_equal(InterlockedExchange(&value, 2), 1);
    assert_int_equal(InterlockedOr(&value, 5), 2);
    assert_int_equal(InterlockedAnd(&value, 6), 7);
    assert_int_equal(InterlockedAdd64(&wide, (LONG64)1 << 40), ((LONG64)1 << 40) + 1);
    assert_null(InterlockedExchangePointer(&pointer, &value));
    assert_ptr_equal(InterlockedCompareExchangePointer(&pointer, NULL, &value), &value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(pool_is_zeroed_and_aligned), nt_test(pool_blocks_do_not_overlap),    nt_test(pool_tag_has_to_match),
        nt_test(pool_mistakes_are_seen),     nt_test(pool_obeys_the_irql),           nt_test(pool_can_fail),
        nt_test(interlocked_values),         nt_test(pool_of_the_platform_may_stay),
    };
    return cmocka_run_group_tests_name("nt ex", tests, NULL, NULL);
}
