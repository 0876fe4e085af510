/* SPDX-License-Identifier: MIT */
/*
 * program_table_test.c - core/program_table and core/slot_pool, each against a plain array.
 */
#include "core_test.h"

#include "core/program_table.h"
#include "core/slot_pool.h"

static struct test_memory memory;

static void programs_are_interned(void **state)
{
    struct program_table table;
    struct program *held[300] = {NULL};
    int of[300];

    (void)state;
    test_memory_init(&memory);
    assert_true(program_table_init(&table, &memory.memory, 100, 5));
    for (int step = 0; step < 50000; step++) {
        int i = (int)test_random(300);
        if (held[i] != NULL) {
            program_table_put(&table, held[i]);
            held[i] = NULL;
        } else {
            char path[16];
            of[i] = (int)test_random(150);
            size_t size = (size_t)snprintf(path, sizeof(path), "p%d", of[i]);
            held[i] = program_table_get(&table, path, size);
            assert_non_null(held[i]);
            assert_int_equal(held[i]->path_size, size);
            assert_memory_equal(held[i]->path, path, size);
        }
        for (int k = 0; k < 300; k += 37)
            if (held[i] != NULL && held[k] != NULL)
                assert_int_equal(held[i] == held[k], of[i] == of[k]);
        assert_true(table.idle_count <= PROGRAM_TABLE_IDLE_MAX);
    }
    assert_null(program_table_get(&table, "", PROGRAM_PATH_MAX + 1));
    for (int i = 0; i < 300; i++)
        program_table_put(&table, held[i]);
    program_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

static void slots_are_found_by_id_only(void **state)
{
    struct slot_pool pool;
    struct slot_header *slots[200] = {NULL};
    uint64_t old[200] = {0};

    (void)state;
    test_memory_init(&memory);
    assert_true(slot_pool_init(&pool, &memory.memory, 64, 150));
    for (int step = 0; step < 50000; step++) {
        int i = (int)test_random(200);
        if (slots[i] != NULL) {
            old[i] = slots[i]->id;
            slot_pool_give(&pool, slots[i]);
            slots[i] = NULL;
        } else {
            bool full = pool.used == 150;
            slots[i] = slot_pool_take(&pool);
            assert_int_equal(slots[i] == NULL, full);
        }
        if (slots[i] != NULL)
            assert_ptr_equal(slot_pool_find(&pool, slots[i]->id), slots[i]);
        assert_null(slot_pool_find(&pool, old[i]));
        assert_null(slot_pool_find(&pool, (uint64_t)step << 33 | 0xFFFFFFFFu));
        assert_null(slot_pool_find(&pool, 0));
    }
    slot_pool_cleanup(&pool);
    assert_int_equal(memory.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs_are_interned),
                                       cmocka_unit_test(slots_are_found_by_id_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
