/* SPDX-License-Identifier: MIT */
/*
 * undo_test.c - which changes of the rules an undo makes, in which order, and what is said of them.
 */
#include "tests/desk/world.h"

#include <gatehouse/rules.h>
#include <gatehouse/status.h>

#include "core/rule_image.h"

struct steps {
    unsigned count;
    uint32_t codes[4];
    uint64_t ids[4];
    struct gatehouse_rule rules[4];
};

/* Does the changes that the desk wants, each with this status. */
static void run_changes(struct world *world, uint32_t status, struct steps *steps)
{
    struct desk_change change;

    *steps = (struct steps){0};
    while (desk_next_change(world->desk, &change)) {
        struct desk_change second;

        assert_true(steps->count < 4);
        assert_false(desk_next_change(world->desk, &second)); /* one at a time */
        steps->codes[steps->count] = change.code;
        if (change.code == GATEHOUSE_IOCTL_RULES_ADD) {
            struct rule_image_fault fault;

            assert_true(rule_image_check(change.input, change.input_size, false, &fault));
            steps->rules[steps->count] = *rule_image_first_rule(change.input);
            steps->ids[steps->count] = rule_image_first_rule(change.input)->id;
        } else {
            assert_int_equal(change.input_size, sizeof(uint64_t));
            memcpy(&steps->ids[steps->count], change.input, sizeof(uint64_t));
        }
        steps->count++;
        desk_changed(world->desk, status, world->now);
    }
    world->woken = false;
}

static void undo(struct person *person, uint64_t number)
{
    char line[128];

    person->undone[0] = '\0';
    snprintf(line, sizeof(line), "{\"type\":\"undo\",\"tag\":7,\"undo\":\"%llu\"}", (unsigned long long)number);
    person_say(person, line);
}

static void undo_of_a_rule(void **state)
{
    struct world *world = world_new(2);
    struct person *alice = &world->people[0];
    struct steps steps;

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(alice, 1, true, GATEHOUSE_SCOPE_PROGRAM_DESTINATION);
    world_settle(world);
    assert_true(alice->answers[1].undo != 0);
    undo(&world->people[1], alice->answers[1].undo);
    assert_string_equal(world->people[1].undone_status, "refused"); /* it was not bob's */
    undo(alice, alice->answers[1].undo);
    run_changes(world, 0, &steps);
    assert_int_equal(steps.count, 3);
    assert_int_equal(steps.codes[0], GATEHOUSE_IOCTL_RULES_ADD);
    assert_int_equal(steps.rules[0].action, GATEHOUSE_RULE_BLOCK);
    assert_int_equal(steps.rules[0].until, GATEHOUSE_UNTIL_TIME);
    assert_int_equal(steps.codes[1], GATEHOUSE_IOCTL_RULES_REMOVE);
    assert_int_equal(steps.ids[2], steps.ids[0]);
    assert_true(steps.ids[1] != steps.ids[0]);
    assert_string_equal(alice->undone_status, "ok");
    undo(alice, alice->answers[1].undo);
    assert_string_equal(alice->undone_status, "refused"); /* once is enough */
    world_free(world);
}

static void undo_of_a_block(void **state)
{
    struct world *world = world_new(1);
    struct person *alice = &world->people[0];
    struct steps steps;

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    world_offer(world, model_hold(&world->model, 2, 80));
    (void)person_answer(alice, 1, false, GATEHOUSE_SCOPE_PROGRAM);
    (void)person_answer(alice, 2, false, GATEHOUSE_SCOPE_CONNECTION);
    world_settle(world);
    assert_int_equal(alice->answers[2].undo, 0); /* the program was told already */
    undo(alice, alice->answers[1].undo);
    run_changes(world, GATEHOUSE_E_UNKNOWN_RULE, &steps);
    assert_int_equal(steps.count, 1);
    assert_string_equal(alice->undone_status, "ok");
    world_free(world);
}

static void undo_of_one_connection(void **state)
{
    struct world *world = world_new(1);
    struct person *alice = &world->people[0];
    struct steps steps;

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(alice, 1, true, GATEHOUSE_SCOPE_CONNECTION);
    world_settle(world);
    undo(alice, alice->answers[1].undo);
    run_changes(world, GATEHOUSE_E_RULES_STORE, &steps);
    assert_string_equal(alice->undone_status, "refused");
    undo(alice, alice->answers[1].undo); /* it can be tried again */
    run_changes(world, 0, &steps);
    assert_int_equal(steps.count, 2);
    assert_int_equal(steps.rules[0].place, GATEHOUSE_PLACE_TOP);
    assert_int_equal(steps.rules[0].part_count, 6);
    assert_int_equal(steps.ids[1], steps.ids[0]);
    assert_string_equal(alice->undone_status, "ok");
    world_free(world);
}

static void undo_and_gatehoused_goes(void **state)
{
    struct world *world = world_new(1);
    struct person *alice = &world->people[0];
    struct desk_change change;

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(alice, 1, true, GATEHOUSE_SCOPE_PROGRAM);
    world_settle(world);
    undo(alice, alice->answers[1].undo);
    assert_true(desk_next_change(world->desk, &change));
    desk_changes_lost(world->desk, world->now);
    assert_string_equal(alice->undone_status, "refused");
    assert_false(desk_next_change(world->desk, &change));
    world_free(world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(undo_of_a_rule),
        cmocka_unit_test(undo_of_a_block),
        cmocka_unit_test(undo_of_one_connection),
        cmocka_unit_test(undo_and_gatehoused_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
