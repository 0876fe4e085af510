/* SPDX-License-Identifier: MIT */
/*
 * rule_list_test.c - core/rule_list, core/rule_writer and core/rule_table: weights keep the order however lists change,
 * what is picked is what was there, answers are what they say, numbers of rules that are gone find nothing; and each of
 * them without memory.
 */
#include "core_test.h"

#include "core/rule_list.h"
#include "core/rule_table.h"
#include "core/rule_writer.h"
#include "tests/lib/rule_builder.h"

static struct test_memory memory;
static const struct rule_bases bases = {3ull << 56, 1ull << 56};

/* The builder's image in the test's memory. */
static struct gatehouse_rules_image *image_of(struct rule_builder *b)
{
    struct gatehouse_rules_image *image;

    builder_finish(b);
    image = memory.memory.allocate(memory.memory.context, b->size);
    memcpy(image, b->image, b->size);
    return image;
}

/* Rules with these numbers; one that is 0 asks. */
static void list_of(struct rule_list *list, const unsigned *numbers, unsigned count)
{
    struct rule_builder b;

    builder_begin(&b);
    for (unsigned i = 0; i < count; i++) {
        builder_rule(&b, numbers[i] == 0 ? GATEHOUSE_RULE_ASK : GATEHOUSE_RULE_PERMIT, GATEHOUSE_RULE_OUT);
        if (numbers[i] != 0)
            builder_set_part(&b, GATEHOUSE_PART_REMOTE, builder_v4(&b, numbers[i], numbers[i]));
    }
    assert_true(rule_list_init(list, &memory.memory, image_of(&b)));
    assert_int_equal(rule_list_check_ids(list), RULE_IDS_RIGHT);
    builder_free(&b);
}

static void assert_weights(const struct rule_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t base = i < list->tail ? bases.head : bases.tail;

        assert_true(list->entries[i].weight > base && list->entries[i].weight < base + (1ull << 40));
        if (i != 0)
            assert_true(list->entries[i].weight < list->entries[i - 1].weight);
    }
}

/* Away, list does as before; each second time its image is brought back, but no other one. */
static void away_and_back(struct rule_list *list)
{
    static unsigned turn;
    struct gatehouse_rules_image *copy, *wrong;
    bool no_memory;

    if (list->image == NULL)
        return;
    copy = memory.memory.allocate(memory.memory.context, list->image->size);
    wrong = memory.memory.allocate(memory.memory.context, list->image->size);
    memcpy(copy, list->image, list->image->size);
    memcpy(wrong, list->image, list->image->size);
    wrong->check++;
    rule_list_put_away(list);
    assert_true(rule_list_is_away(list));
    assert_false(rule_list_bring_back(list, wrong, &no_memory));
    assert_false(no_memory);
    memory.memory.release(memory.memory.context, wrong, wrong->size);
    if (turn++ % 2 == 0) {
        memory.memory.release(memory.memory.context, copy, copy->size);
        return;
    }
    assert_true(rule_list_bring_back(list, copy, &no_memory));
    assert_false(rule_list_is_away(list));
    assert_int_equal(rule_list_check_ids(list), RULE_IDS_RIGHT);
    for (uint32_t i = 0; i < list->count; i++)
        assert_true(list->entries[i].rule->id == list->entries[i].id);
}

/* Replaces list; returns how many entries stay. */
static unsigned follow(struct rule_list *list, const unsigned *numbers, unsigned count)
{
    struct rule_list next;
    unsigned stay = 0;

    list_of(&next, numbers, count);
    away_and_back(list);
    rule_list_follow(&next, list, &bases);
    assert_weights(&next);
    for (uint32_t i = 0; i < next.count; i++) {
        stay += next.entries[i].stays;
        if (next.entries[i].stays)
            assert_true(rule_list_find(list, next.entries[i].rule->id)->stays);
    }
    rule_list_unfollow(&next);
    rule_list_cleanup(list);
    *list = next;
    return stay;
}

static void one_line_changes_one_rule(void **state)
{
    static unsigned numbers[2002];
    struct rule_list list;

    (void)state;
    test_memory_init(&memory);
    memset(&list, 0, sizeof(list));
    for (unsigned i = 0; i < 2000; i++)
        numbers[i] = i == 1200 ? 0 : i + 1;
    assert_int_equal(follow(&list, numbers, 2000), 0);
    assert_int_equal(follow(&list, numbers, 2000), 2000);
    numbers[700] = 9000;
    assert_int_equal(follow(&list, numbers, 2000), 1999);
    memmove(numbers + 1501, numbers + 1500, 500 * sizeof(*numbers));
    numbers[1500] = 9001;
    assert_int_equal(follow(&list, numbers, 2001), 2000);
    memmove(numbers, numbers + 1, 2000 * sizeof(*numbers));
    assert_int_equal(follow(&list, numbers, 2000), 2000);
    rule_list_cleanup(&list);
    assert_int_equal(memory.blocks, 0);
}

/* A rule that ended while the image was away: the image says so when it is back, and is not as it was stored. */
static void ends_are_entered(void **state)
{
    struct gatehouse_rules_image *image;
    struct rule_builder b;
    struct rule_list list;
    bool no_memory;

    (void)state;
    builder_begin(&b);
    builder_rule(&b, GATEHOUSE_RULE_BLOCK, GATEHOUSE_RULE_OUT);
    builder_rule(&b, GATEHOUSE_RULE_PERMIT, GATEHOUSE_RULE_OUT)->until = GATEHOUSE_UNTIL_EXIT;
    assert_true(rule_list_init(&list, &memory.memory, image_of(&b)));
    list.stored = true;
    rule_list_put_away(&list);
    list.entries[1].ends = 77;
    image = image_of(&b);
    memory.fail_at = 0;
    assert_false(rule_list_bring_back(&list, image, &no_memory));
    assert_true(no_memory);
    memory.fail_at = -1;
    assert_true(rule_list_bring_back(&list, image, &no_memory));
    assert_false(list.stored);
    assert_true(list.entries[1].rule->ends == 77);
    assert_true(rule_image_check(list.image, list.image->size, true, NULL));
    rule_list_cleanup(&list);
    builder_free(&b);
    assert_int_equal(memory.blocks, 0);
}

/* Always at the same place: the room between two weights is used up, and then all are spread anew. */
static void no_room_between(void **state)
{
    unsigned numbers[100] = {5, 6};
    unsigned spread = 0;
    struct rule_list list;

    (void)state;
    memset(&list, 0, sizeof(list));
    (void)follow(&list, numbers, 2);
    for (unsigned i = 2; i < 100; i++) {
        memmove(numbers + 2, numbers + 1, (i - 1) * sizeof(*numbers));
        numbers[1] = 100 + i;
        spread += follow(&list, numbers, i + 1) == 0;
    }
    assert_true(spread > 0 && spread < 10);
    rule_list_cleanup(&list);
    assert_int_equal(memory.blocks, 0);
}

static void random_lists(void **state)
{
    unsigned numbers[60];
    struct rule_list list;

    (void)state;
    memset(&list, 0, sizeof(list));
    for (int round = 0; round < 2000; round++) {
        unsigned count = test_random(60);

        for (unsigned i = 0; i < count; i++)
            numbers[i] = test_random(round % 3 == 0 ? 70 : 8);
        (void)follow(&list, numbers, count);
    }
    rule_list_cleanup(&list);
    assert_int_equal(memory.blocks, 0);
}

static void picks_are_what_was_there(void **state)
{
    const unsigned first[] = {1, 2, 0, 4}, second[] = {7, 8};
    struct rule_list a, b, c;
    struct rule_picking picking;
    struct gatehouse_rules_image *image;

    (void)state;
    list_of(&a, first, 4);
    list_of(&b, second, 2);
    assert_true(rule_picking_begin(&picking, &memory.memory, &a, &b));
    rule_pick(&picking, 1, b.entries[1].rule);
    rule_pick(&picking, 0, a.entries[3].rule);
    rule_pick(&picking, 0, a.entries[2].rule);
    image = rule_picking_end(&picking, 3);
    assert_true(rule_image_check(image, image->size, false, NULL));
    assert_int_equal(image->set_count, 2);
    assert_true(rule_list_init(&c, &memory.memory, image));
    assert_int_equal(rule_list_check_ids(&c), RULE_IDS_RIGHT); /* so the sets are theirs */
    assert_true(c.entries[0].rule->id == b.entries[1].rule->id);
    assert_true(c.entries[1].rule->id == a.entries[3].rule->id);
    assert_int_equal(c.tail, 2);
    assert_null(rule_list_find(&c, a.entries[0].rule->id));
    assert_ptr_equal(rule_list_find(&c, a.entries[3].rule->id), &c.entries[1]);
    assert_true(rule_picking_begin(&picking, &memory.memory, &a, NULL));
    rule_pick(&picking, 0, a.entries[0].rule);
    assert_null(rule_picking_end(&picking, 0)); /* more than most */
    rule_list_cleanup(&a);
    rule_list_cleanup(&b);
    rule_list_cleanup(&c);
    assert_int_equal(memory.blocks, 0);
}

static void answers_are_rules(void **state)
{
    static const uint8_t protocols[] = {6, 17, 1, 58};

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct destination to = {i % 2 != 0 ? 6 : 4, protocols[i / 4], 443, {192, 0, 2, 1}};
        struct rule_answer answer = {u"/bin/a",
                                     12,
                                     i % 4 < 2 ? &to : NULL,
                                     GATEHOUSE_RULE_BLOCK,
                                     i % 3 == 0 ? GATEHOUSE_UNTIL_TIME : GATEHOUSE_UNTIL_EXIT,
                                     5000};
        struct gatehouse_rules_image *image = rule_image_of_answer(&memory.memory, &answer);
        const struct gatehouse_rule *rule = rule_image_first_rule(image);

        assert_true(rule_image_check(image, image->size, false, NULL));
        assert_true(rule->id == rule_image_id(image, rule, 0));
        assert_int_equal(rule->place, GATEHOUSE_PLACE_ASK);
        assert_int_equal(rule->part_count, answer.to == NULL ? 1 : i / 4 < 2 ? 4 : 3);
        memory.memory.release(memory.memory.context, image, image->size);
    }
    assert_int_equal(memory.blocks, 0);
}

static void numbers_have_generations(void **state)
{
    const unsigned numbers[] = {1};
    struct rule_table table;
    struct rule_list list;
    struct live_rule *live;
    uint64_t number;

    (void)state;
    list_of(&list, numbers, 1);
    assert_true(rule_table_init(&table, &memory.memory, 10, 1));
    number = rule_table_add(&table, list.entries[0].rule);
    live = rule_table_get(&table, number);
    assert_memory_equal(live->rule, list.entries[0].rule, list.entries[0].rule->size);
    assert_null(rule_table_get(&table, number + 1));
    assert_null(rule_table_get(&table, number + (1ull << 32)));
    rule_table_retire(&table, number);
    rule_table_put(&table, rule_table_get(&table, number)); /* still found */
    rule_table_sweep(&table);
    assert_ptr_equal(rule_table_get(&table, number), live); /* while somebody has it */
    rule_table_put(&table, live);
    rule_table_put(&table, live);
    assert_null(rule_table_get(&table, number));
    rule_list_cleanup(&list);
    rule_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

/* Against an array: which processes each rule was watched for. */
static void processes_end_rules(void **state)
{
    const unsigned numbers[] = {1, 2, 3};
    bool watched[3][8] = {{false}}, over[3] = {false};
    struct rule_table table;
    struct rule_list list;
    uint64_t ids[3];

    (void)state;
    list_of(&list, numbers, 3);
    assert_true(rule_table_init(&table, &memory.memory, 10, 1));
    for (int i = 0; i < 3; i++)
        ids[i] = rule_table_add(&table, list.entries[i].rule);
    for (int step = 0; step < 3000; step++) {
        uint32_t rule = test_random(3), process = test_random(8);
        bool ends = false;

        if (test_random(2) != 0) {
            struct live_rule *live = rule_table_get(&table, ids[rule]);

            assert_true(rule_table_watch(&table, live, process));
            rule_table_put(&table, live);
            watched[rule][process] = true;
            continue;
        }
        for (int i = 0; i < 3; i++) {
            bool left = false;

            if (!watched[i][process])
                continue;
            watched[i][process] = false;
            for (int k = 0; k < 8; k++)
                left = left || watched[i][k];
            over[i] = over[i] || !left;
            ends = ends || !left;
        }
        assert_int_equal(rule_table_process_exited(&table, process), ends);
        for (int i = 0; i < 3; i++)
            assert_int_equal(rule_table_is_over(&table, ids[i]), over[i]);
    }
    for (int i = 0; i < 3; i++)
        rule_table_retire(&table, ids[i]);
    rule_list_cleanup(&list);
    rule_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

/* Each allocation fails in turn; nothing is left. */
static void without_memory(void **state)
{
    const unsigned numbers[] = {1, 2, 0, 4};
    struct rule_builder b;
    bool failed = true;

    (void)state;
    builder_begin(&b);
    for (int i = 0; i < 4; i++)
        builder_rule(&b, numbers[i] == 0 ? GATEHOUSE_RULE_ASK : GATEHOUSE_RULE_PERMIT, GATEHOUSE_RULE_OUT);
    for (long n = 0; failed; n++) {
        struct gatehouse_rules_image *image = image_of(&b), *copy = NULL;
        struct rule_picking picking;
        struct rule_table table;
        struct rule_list list;

        assert_true(n < 50);
        memory.fail_at = n;
        if (!rule_list_init(&list, &memory.memory, image)) {
            memory.memory.release(memory.memory.context, image, image->size);
            memory.fail_at = -1;
            continue;
        }
        failed = rule_list_check_ids(&list) == RULE_IDS_NO_MEMORY;
        if (rule_picking_begin(&picking, &memory.memory, &list, NULL)) {
            rule_pick(&picking, 0, list.entries[0].rule);
            copy = rule_picking_end(&picking, 9);
        }
        failed = failed || copy == NULL;
        if (copy != NULL)
            memory.memory.release(memory.memory.context, copy, copy->size);
        if (rule_table_init(&table, &memory.memory, 10, 1)) {
            uint64_t number = rule_table_add(&table, list.entries[0].rule);

            failed = number == 0 || failed;
            rule_table_retire(&table, number);
            rule_table_cleanup(&table);
        } else {
            failed = true;
        }
        memory.fail_at = -1;
        rule_list_cleanup(&list);
        assert_int_equal(memory.blocks, 0);
    }
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_changes_one_rule),
        cmocka_unit_test(ends_are_entered),
        cmocka_unit_test(no_room_between),
        cmocka_unit_test(random_lists),
        cmocka_unit_test(picks_are_what_was_there),
        cmocka_unit_test(answers_are_rules),
        cmocka_unit_test(numbers_have_generations),
        cmocka_unit_test(processes_end_rules),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
