/* SPDX-License-Identifier: MIT */
/*
 * large_block_test.c - what large pool blocks (nt/ex/large_block.h) keep of the system's memory, that they are zero
 * when asked to be, and that threads do not get one another's.
 */
#include "tests/engine/nt/test.h"

#include "nt/ex/large_block.h"
#include "nt/sanitize.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
#define SHADOWED 1
#else
#define SHADOWED NT_SANITIZED
#endif

#define TAG        'tgaL'
#define BURST      ((size_t)48 << 20) /* of each size: more than is kept */
#define SIZE_FIRST 10u                /* pages */
#define SIZE_STEP  9u
#define BLOCKS_MAX (BURST / (SIZE_FIRST * PAGE_SIZE) + 1)

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &pages), 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static bool is_zero(const UCHAR *block, size_t size)
{
    return block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

/* Bursts of one size after another: what was freed of the one is not kept beside what the next one needs. */
static void test_bursts(void **state)
{
    static void *blocks[BLOCKS_MAX];
    size_t before = resident(), most = 0;

    (void)state;
    if (SHADOWED) /* what is resident is the sanitizer's */
        skip();
    for (size_t pages = SIZE_FIRST; pages < LARGE_BLOCK_PAGES; pages += SIZE_STEP) {
        size_t size = pages * PAGE_SIZE, count = BURST / size;

        for (unsigned round = 0; round < 2; round++) {
            for (size_t i = 0; i < count; i++) {
                blocks[i] = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, TAG);
                assert_non_null(blocks[i]);
                assert_true(is_zero(blocks[i], size));
                memset(blocks[i], 0x5a, size);
            }
            for (size_t i = 0; i < count; i++)
                ExFreePoolWithTag(blocks[i], TAG);
        }
        size_t now = resident();
        most = now > most ? now : most;
    }
    print_message("resident: %zu MiB before, at most %zu MiB after a burst\n", before >> 20, most >> 20);
    assert_true(most < before + LARGE_KEPT_MAX + ((size_t)24 << 20));
}

static void *churn(void *context)
{
    UCHAR mine = (UCHAR)(uintptr_t)context;
    UCHAR *blocks[16] = {NULL};
    unsigned random = mine;

    for (unsigned i = 0; i < 6000; i++) {
        random = random * 1103515245u + 12345u;
        UCHAR **block = &blocks[random >> 16 & 15];
        size_t size = (8u + (random >> 20 & 31)) * PAGE_SIZE;

        if (*block != NULL) {
            if (**block != mine)
                return "another thread's";
            ExFreePoolWithTag(*block, TAG);
        }
        *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, size, TAG);
        if (*block == NULL || **block != 0 || (*block)[size - 1] != 0)
            return "not zero";
        **block = (*block)[size - 1] = mine;
    }
    for (unsigned i = 0; i < 16; i++)
        if (blocks[i] != NULL)
            ExFreePoolWithTag(blocks[i], TAG);
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *failure = NULL;

        assert_int_equal(pthread_join(threads[i], &failure), 0);
        assert_null(failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bursts), cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
