/* SPDX-License-Identifier: MIT */
/*
 * quiet_test - memory goes back to the system once nothing happens any more, and not before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include <ntddk.h>

#include "host/quiet.h"
#include "nt/nt.h"

#define BLOCKS 4096u

static uint64_t now_100ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100;
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident;
}

static void *blocks[BLOCKS];

/* Blocks of a KiB that were used and freed, but for some in between: malloc gives none of it back by itself. */
static void use_memory(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(1024);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 1024);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i % 64 != 63) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
}

static void count(void *context)
{
    ++*(unsigned *)context;
}

static void little_work_is_nothing(void **state)
{
    struct quiet quiet = {0};
    unsigned settled = 0;

    (void)state;
    for (uint64_t work = 0; work < QUIET_MANY; work++)
        assert_true(quiet_turn(&quiet, work, count, &settled) == NT_NEVER);
    assert_true(quiet.due == 0);
    assert_int_equal(settled, 0);
}

static void busy_is_not_quiet(void **state)
{
    struct quiet quiet = {0};
    unsigned settled = 0;
    uint64_t work = QUIET_MANY, due = quiet_turn(&quiet, work, count, &settled), end = now_100ns() + 22000000;

    (void)state;
    assert_true(due != NT_NEVER && due > now_100ns());
    while (now_100ns() < end) {
        due = quiet_turn(&quiet, ++work, count, &settled);
        assert_true(due != NT_NEVER);
        usleep(20000);
    }
    assert_true(quiet.given == 0);
    assert_int_equal(settled, 0);
}

static void quiet_gives_back(void **state)
{
    struct quiet quiet = {0};
    unsigned settled = 0;
    uint64_t due = quiet_turn(&quiet, QUIET_MANY, count, &settled), end = now_100ns() + 300000000;
    long before;

    (void)state;
    use_memory();
    before = resident_pages();
    while (due != NT_NEVER) {
        assert_true(now_100ns() < end);
        usleep(10000);
        due = quiet_turn(&quiet, QUIET_MANY, count, &settled);
    }
    assert_int_equal(settled, 1);
    if (!OTHER_MALLOC) /* a sanitizer's */
        assert_true(resident_pages() < before - (long)(BLOCKS / 2 * 1024 / (unsigned long)sysconf(_SC_PAGESIZE)));
    assert_true(quiet_turn(&quiet, QUIET_MANY + 1, count, &settled) == NT_NEVER);
    assert_true(quiet_turn(&quiet, 2 * QUIET_MANY, count, &settled) != NT_NEVER);
    for (unsigned i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_work_is_nothing),
        cmocka_unit_test(busy_is_not_quiet),
        cmocka_unit_test(quiet_gives_back),
    };

    return cmocka_run_group_tests_name("quiet", tests, NULL, NULL);
}
