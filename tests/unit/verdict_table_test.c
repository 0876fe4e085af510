/* SPDX-License-Identifier: MIT */
/*
 * verdict_table_test.c - core/verdict_table against a plain array in order of use.
 */
#include "core_test.h"

#include "core/verdict_table.h"

#define LIMIT 40u

struct model_verdict {
    uint64_t endpoint;
    struct destination to;
    enum gatehouse_verdict verdict;
    uint64_t flow, context, rule;
};

static struct model_verdict model[LIMIT + 1]; /* longest unused first */
static uint32_t model_count;

static int model_find(uint64_t endpoint, const struct destination *to)
{
    for (uint32_t i = 0; i < model_count; i++) {
        if (model[i].endpoint == endpoint && destination_equal(&model[i].to, to))
            return (int)i;
    }
    return -1;
}

static void model_remove(uint32_t i)
{
    memmove(&model[i], &model[i + 1], (model_count - i - 1) * sizeof(model[0]));
    model_count--;
}

static void model_touch(int i)
{
    struct model_verdict moved = model[i];
    model_remove((uint32_t)i);
    model[model_count++] = moved;
}

static struct destination random_destination(void)
{
    struct destination to = {4, 6, (uint16_t)(80 + test_random(4)), {10, 0, 0, (uint8_t)test_random(3)}};
    return to;
}

static void check_put(struct verdict_table *table, uint64_t endpoint, const struct destination *to)
{
    enum gatehouse_verdict verdict = test_random(2) ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK;
    struct verdict_flow evicted = {1, 1};
    uint64_t expected = 0, rule = test_random(2) ? 0 : 1 + test_random(3); /* 0: a verdict is put, no rule noted */
    int i = model_find(endpoint, to);

    if (i < 0 && model_count == LIMIT) {
        expected = model[0].flow;
        model_remove(0);
    }
    if (i < 0) {
        model[model_count] = (struct model_verdict){endpoint, *to, GATEHOUSE_VERDICT_NONE, 0, 0, 0};
        model_count++;
    } else {
        model_touch(i);
    }
    if (rule == 0)
        model[model_count - 1].verdict = verdict;
    else
        model[model_count - 1].rule = rule;
    if (rule == 0)
        assert_true(verdict_table_put(table, endpoint, to, verdict, &evicted));
    else
        assert_true(verdict_table_note_rule(table, endpoint, to, rule, &evicted));
    assert_int_equal(evicted.flow, expected);
}

static void check_flow(struct verdict_table *table, uint64_t endpoint, const struct destination *to, uint64_t flow)
{
    uint64_t context = verdict_table_set_flow(table, endpoint, to, flow, 52);
    int i = model_find(endpoint, to);

    assert_int_equal(context != 0, i >= 0 && model[i].flow == 0);
    if (context != 0) {
        model[i].flow = flow;
        model[i].context = context;
    }
}

static void check_closed(struct verdict_table *table, uint64_t endpoint)
{
    uint32_t expected = 0;

    for (uint32_t i = 0; i < model_count;) {
        if (model[i].endpoint == endpoint && model[i].flow == 0) {
            model_remove(i);
            expected++;
        } else {
            i++;
        }
    }
    assert_int_equal(verdict_table_endpoint_closed(table, endpoint), expected);
}

static void random_against_array(void **state)
{
    struct test_memory memory;
    struct verdict_table table;
    uint64_t stale = 0;

    (void)state;
    test_memory_init(&memory);
    assert_true(verdict_table_init(&table, &memory.memory, LIMIT, 9));
    for (uint64_t step = 1; step < 100000; step++) {
        uint64_t endpoint = 1 + test_random(8);
        struct destination to = random_destination();
        uint32_t what = test_random(10);
        int i;

        if (what < 4) {
            check_put(&table, endpoint, &to);
        } else if (what < 6) {
            i = model_find(endpoint, &to);
            assert_int_equal(verdict_table_rule(&table, endpoint, &to), i < 0 ? 0 : model[i].rule);
            assert_int_equal(verdict_table_get(&table, endpoint, &to),
                             i < 0 ? GATEHOUSE_VERDICT_NONE : model[i].verdict);
            if (i >= 0)
                model_touch(i);
        } else if (what < 8) {
            check_flow(&table, endpoint, &to, step);
        } else if (what < 9 && model_count != 0) {
            uint32_t k = test_random(model_count);
            verdict_table_flow_deleted(&table, stale);
            if (model[k].context != 0) {
                stale = model[k].context;
                verdict_table_flow_deleted(&table, stale);
                model_remove(k);
            }
        } else if (test_random(6) == 0) {
            check_closed(&table, endpoint);
        }
        assert_int_equal(verdict_table_count(&table), model_count);
    }
    verdict_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

/* A block takes an unused permit away, and turns one that a flow hangs on; it makes no entry. */
static void block_overrides(void **state)
{
    struct verdict_flow evicted;
    struct destination to = {4, 6, 443, {192, 0, 2, 1}};
    struct test_memory memory = {0};
    struct verdict_table table;
    uint64_t context;

    (void)state;
    test_memory_init(&memory);
    assert_true(verdict_table_init(&table, &memory.memory, 4, 1));
    verdict_table_block(&table, 7, &to);
    assert_int_equal(verdict_table_count(&table), 0);
    assert_true(verdict_table_put(&table, 7, &to, GATEHOUSE_VERDICT_PERMIT, &evicted));
    verdict_table_block(&table, 7, &to);
    assert_int_equal(verdict_table_get(&table, 7, &to), GATEHOUSE_VERDICT_NONE);
    assert_true(verdict_table_put(&table, 7, &to, GATEHOUSE_VERDICT_PERMIT, &evicted));
    context = verdict_table_set_flow(&table, 7, &to, 99, 3);
    verdict_table_block(&table, 7, &to);
    assert_int_equal(verdict_table_get(&table, 7, &to), GATEHOUSE_VERDICT_BLOCK);
    verdict_table_flow_deleted(&table, context);
    assert_int_equal(verdict_table_count(&table), 0);
    verdict_table_cleanup(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_against_array), cmocka_unit_test(block_overrides)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
