/* SPDX-License-Identifier: MIT */
/*
 * desk_test.c - the desk's core against a driver simple enough to be believed (model.h).
 *
 * The large one: 1,000 connections, several people who answer at random and at the same time, statuses, events, offers,
 * ends and restarts in any order. What each peer was told is then compared with what the driver did: each question has
 * one end, the one the driver knows; each answer has one reply, in the order of answering; "ok" went to whom the driver
 * took; nothing is left over. Seeds are fixed, so a failure happens again.
 */
#include "tests/desk/world.h"

/* --- The large one ---------------------------------------------------------------------------------- */

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((random_state >> 33) % limit);
}

static void answer_at_random(struct world *world)
{
    static const enum gatehouse_scope scopes[] = {GATEHOUSE_SCOPE_CONNECTION, GATEHOUSE_SCOPE_CONNECTION,
                                                  GATEHOUSE_SCOPE_CONNECTION, GATEHOUSE_SCOPE_PROGRAM_DESTINATION,
                                                  GATEHOUSE_SCOPE_PROGRAM};
    struct person *person = &world->people[random_below(world->count)];
    uint64_t id = 0;

    if (world->desk_ids == 0 || person->last_tag + 2 >= TAGS_MAX)
        return;
    id = 1 + random_below((unsigned)world->desk_ids);
    /* Mostly one that this person still sees; sometimes any, also one that never was. */
    for (unsigned i = 0; i < 20 && (!person->told[id].asked || person->told[id].gone); i++)
        id = 1 + random_below((unsigned)world->desk_ids);
    if (random_below(50) == 0)
        id = 5000 + random_below(10);
    (void)person_answer(person, id, random_below(2) == 0, scopes[random_below(5)]);
}

static void end_one(struct world *world)
{
    struct model_connection *connection = &world->model.list[random_below(world->model.count)];

    if (connection->held)
        model_end(&world->model, connection, random_below(2) == 0 ? GATEHOUSE_BY_CANCEL : GATEHOUSE_BY_DEADLINE);
}

static void step(struct world *world, bool restarts)
{
    unsigned what = random_below(100);

    if (what < 25)
        world_offer_some(world, 1 + random_below(5));
    else if (what < 60)
        answer_at_random(world);
    else if (what < 70)
        world_submit(world);
    else if (what < 80)
        world_statuses(world);
    else if (what < 95)
        (void)world_event(world);
    else if (what < 97)
        end_one(world);
    else if (what < 98)
        world->people[0].full = !world->people[0].full;
    else if (what < 99)
        world->model.answers_full = random_below(4) == 0;
    else if (restarts && random_below(8) == 0)
        world_restart(world);
    if (!world->people[0].full)
        desk_peer_pump(world->people[0].peer, world->now);
}

/* What each was told of each question, against what became of its connection. */
static void compare_ends(const struct world *world, bool restarts)
{
    struct model *model = (struct model *)(uintptr_t)&world->model;

    for (uint64_t id = 1; id <= world->desk_ids; id++) {
        const struct model_connection *connection = model_find(model, world->driver_ids[id]);

        assert_non_null(connection);
        assert_false(connection->held);
        for (unsigned i = 0; i < world->count; i++) {
            const struct told *told = &world->people[i].told[id];

            assert_true(told->asked == told->gone);
            if (!told->asked || (restarts && told->by == GATEHOUSE_BY_UNLOAD))
                continue;
            assert_int_equal(told->verdict, connection->verdict);
            assert_int_equal(told->by, connection->by);
            assert_true((told->who[0] != '\0') ==
                        (connection->by == GATEHOUSE_BY_DECIDER || connection->by == GATEHOUSE_BY_ANSWER));
        }
    }
}

static unsigned compare_answers(const struct world *world)
{
    static bool taken[MODEL_MAX + 1];
    struct model *model = (struct model *)(uintptr_t)&world->model;
    unsigned ok = 0;

    memset(taken, 0, sizeof(taken));
    for (unsigned i = 0; i < world->count; i++) {
        const struct person *person = &world->people[i];

        assert_int_equal(person->last_reply, person->last_tag);
        for (uint32_t tag = 1; tag <= person->last_tag; tag++) {
            uint64_t id = person->answers[tag].id;
            const struct model_connection *connection;

            if (strcmp(person->answers[tag].status, "ok") != 0)
                continue;
            ok++;
            assert_true(id <= world->desk_ids && !taken[id]);
            taken[id] = true;
            connection = model_find(model, world->driver_ids[id]);
            assert_int_equal(connection->by, GATEHOUSE_BY_DECIDER);
            assert_int_equal(connection->verdict,
                             person->answers[tag].permit ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK);
            /* Everybody was told that it was this person. */
            for (unsigned j = 0; j < world->count; j++) {
                if (world->people[j].told[id].asked)
                    assert_string_equal(world->people[j].told[id].who, person->name);
            }
        }
    }
    return ok;
}

static void compare_late(const struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        const struct person *person = &world->people[i];

        for (uint32_t tag = 1; tag <= person->last_tag; tag++) {
            uint64_t id = person->answers[tag].id;

            if (strcmp(person->answers[tag].status, "late") == 0 && id <= world->desk_ids && person->told[id].gone)
                assert_string_equal(person->answers[tag].who, person->told[id].who);
        }
    }
}

static void run_random(uint64_t seed, bool restarts)
{
    struct world *world = world_new(3);
    uint64_t covered = 0, covered_here = 0, covered_told = 0;
    unsigned decided = 0, held = 0, ok;

    random_state = seed;
    for (unsigned i = 0; i < 1000; i++)
        (void)model_hold(&world->model, random_below(200), 1 + random_below(4));
    for (unsigned i = 0; i < 12000; i++)
        step(world, restarts && world->model.count < MODEL_MAX - 1000);
    world->people[0].full = false;
    world->model.answers_full = false;
    for (unsigned i = 0; i < 5000 && desk_questions(world->desk) + world->model.count > 0; i++) {
        world_offer_some(world, 100);
        desk_peer_pump(world->people[0].peer, world->now);
        world_settle(world);
        for (held = 0; held < world->model.count && !world->model.list[held].held; held++)
            ;
        if (held == world->model.count)
            break;
        answer_at_random(world);
    }
    for (unsigned i = 0; i < world->model.count; i++) {
        if (world->model.list[i].held)
            model_end(&world->model, &world->model.list[i], GATEHOUSE_BY_CANCEL);
    }
    world_settle(world);
    assert_int_equal(desk_questions(world->desk), 0);
    compare_ends(world, restarts);
    ok = compare_answers(world);
    compare_late(world);
    for (unsigned i = 0; i < world->model.count; i++) {
        decided += world->model.list[i].by == GATEHOUSE_BY_DECIDER;
        covered += world->model.list[i].by == GATEHOUSE_BY_ANSWER;
        covered_here += world->model.list[i].by == GATEHOUSE_BY_ANSWER && world->model.list[i].offered;
    }
    for (unsigned i = 0; i < world->count; i++) {
        for (uint32_t tag = 1; tag <= world->people[i].last_tag; tag++)
            covered_told += world->people[i].answers[tag].covered;
    }
    assert_true(ok > 200 && covered > 100);
    if (!restarts) {
        /* Nothing is lost: as many as the driver took, and covered, and each end was handed on. */
        assert_int_equal(ok, decided);
        assert_true(covered_told >= covered_here && covered_told <= covered);
        assert_int_equal(world->recorded_count, world->model.count);
    }
    world_free(world);
}

static void random_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        run_random(seed, false);
}

static void random_order_with_restarts(void **state)
{
    (void)state;
    for (uint64_t seed = 101; seed <= 106; seed++)
        run_random(seed, true);
}

/* --- One thing at a time ---------------------------------------------------------------------------- */

static void first_answer_wins(void **state)
{
    struct world *world = world_new(2);
    struct person *alice = &world->people[0], *bob = &world->people[1];

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    assert_int_equal(bob->questions, 1);
    (void)person_answer(bob, 1, false, GATEHOUSE_SCOPE_CONNECTION);
    (void)person_answer(alice, 1, true, GATEHOUSE_SCOPE_CONNECTION);
    world_submit(world);
    assert_int_equal(bob->last_reply, 0); /* not before the driver has said */
    world_settle(world);
    assert_string_equal(bob->answers[1].status, "ok");
    assert_string_equal(alice->answers[1].status, "late");
    assert_string_equal(alice->answers[1].who, "bob");
    assert_string_equal(alice->told[1].who, "bob");
    assert_int_equal(alice->told[1].verdict, GATEHOUSE_VERDICT_BLOCK);
    assert_string_equal(world->recorded[0].who, "bob");
    world_free(world);
}

/* The first could not be kept, the second for this connection alone can. */
static void refused_answer_leaves_the_question(void **state)
{
    struct world *world = world_new(2);

    (void)state;
    world->model.answers_full = true;
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_PROGRAM);
    (void)person_answer(&world->people[1], 1, false, GATEHOUSE_SCOPE_CONNECTION);
    world_settle(world);
    assert_string_equal(world->people[0].answers[1].status, "refused");
    assert_string_equal(world->people[1].answers[1].status, "ok");
    assert_string_equal(world->people[0].told[1].who, "bob");
    world_free(world);
}

static void one_answer_covers(void **state)
{
    struct world *world = world_new(2);
    struct person *alice = &world->people[0];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        world_offer(world, model_hold(&world->model, 1, 80 + i % 2));
    (void)model_hold(&world->model, 1, 99); /* not offered yet: covered all the same */
    world_offer(world, model_hold(&world->model, 2, 80));
    (void)person_answer(alice, 1, true, GATEHOUSE_SCOPE_PROGRAM_DESTINATION);
    world_submit(world);
    world_statuses(world);
    assert_int_equal(alice->last_reply, 0); /* what it covered is not known yet */
    world_settle(world);
    assert_string_equal(alice->answers[1].status, "ok");
    assert_int_equal(alice->answers[1].covered, 2);
    (void)person_answer(alice, 2, true, GATEHOUSE_SCOPE_PROGRAM);
    world_settle(world);
    assert_int_equal(alice->answers[2].covered, 2);
    assert_int_equal(desk_questions(world->desk), 1);
    assert_string_equal(world->people[1].told[5].who, "alice");
    assert_int_equal(world->people[1].told[5].by, GATEHOUSE_BY_ANSWER);
    world_free(world);
}

/* An event that never comes: the answer is told all the same, a second later. */
static void lost_event(void **state)
{
    struct world *world = world_new(1);

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_PROGRAM);
    world_submit(world);
    world_statuses(world);
    assert_int_equal(world->people[0].last_reply, 0);
    assert_true(desk_due(world->desk) > 0 && desk_due(world->desk) <= world->now + CLOCK_SECOND);
    world->now += CLOCK_SECOND;
    desk_tick(world->desk, world->now);
    assert_string_equal(world->people[0].answers[1].status, "ok");
    assert_int_equal(world->people[0].answers[1].covered, 0);
    /* The other ends with its deadline. */
    world->now += 7200 * CLOCK_SECOND;
    desk_tick(world->desk, world->now);
    assert_int_equal(desk_questions(world->desk), 0);
    assert_int_equal(world->people[0].told[2].by, GATEHOUSE_BY_DEADLINE);
    world_free(world);
}

static void events_before_offers(void **state)
{
    struct world *world = world_new(1);
    struct model_connection *connection = model_hold(&world->model, 1, 80);

    (void)state;
    model_end(&world->model, connection, GATEHOUSE_BY_CANCEL);
    assert_true(world_event(world));
    world_offer(world, connection);
    assert_int_equal(world->people[0].questions, 0);
    assert_int_equal(world->recorded_count, 1);
    world_free(world);
}

static void gatehoused_goes_away(void **state)
{
    struct world *world = world_new(2);
    struct person *alice = &world->people[0], *bob = &world->people[1];

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    world_offer(world, model_hold(&world->model, 1, 81));
    (void)person_answer(alice, 1, true, GATEHOUSE_SCOPE_CONNECTION);
    world_submit(world);
    (void)person_answer(bob, 2, true, GATEHOUSE_SCOPE_CONNECTION);
    world_restart(world);
    /* The driver took the first, but never said so: nobody may be told that it did. */
    assert_string_equal(alice->answers[1].status, "failed");
    assert_string_equal(bob->answers[1].status, "failed");
    assert_int_equal(alice->told[1].by, GATEHOUSE_BY_UNLOAD);
    assert_true(alice->decider);
    world_offer_some(world, 10);
    assert_int_equal(desk_questions(world->desk), 1);
    (void)person_answer(bob, 3, true, GATEHOUSE_SCOPE_CONNECTION);
    world_settle(world);
    assert_string_equal(bob->answers[2].status, "ok");
    world_free(world);
}

/* The event says that it was taken: that is as good as the status that never came. */
static void taken_before_it_went_away(void **state)
{
    struct world *world = world_new(1);

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_CONNECTION);
    world_submit(world);
    while (world_event(world))
        ;
    world_restart(world);
    assert_string_equal(world->people[0].answers[1].status, "ok");
    assert_string_equal(world->people[0].told[1].who, "alice");
    assert_string_equal(world->recorded[0].who, "alice");
    world_free(world);
}

static void a_peer_goes_its_answer_counts(void **state)
{
    struct world *world = world_new(2);

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    (void)person_answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_CONNECTION);
    desk_peer_free(world->people[0].peer);
    world->people[0].peer = NULL;
    world_settle(world);
    assert_string_equal(world->people[1].told[1].who, "alice");
    assert_int_equal(world->people[1].told[1].verdict, GATEHOUSE_VERDICT_PERMIT);
    world_free(world);
}

static void late_comer_sees_all_that_waits(void **state)
{
    struct world *world = world_new(1);
    struct person *late = &world->people[3];

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        world_offer(world, model_hold(&world->model, 1, 80 + i));
    (void)person_answer(&world->people[0], 3, true, GATEHOUSE_SCOPE_CONNECTION);
    world_settle(world);
    late->world = world;
    snprintf(late->name, sizeof(late->name), "dave");
    person_sit_down(world, late);
    assert_int_equal(late->questions, 9);
    assert_int_equal(late->ready, 1);
    /* Late, by the desk's memory of what is gone. */
    (void)person_answer(late, 3, false, GATEHOUSE_SCOPE_CONNECTION);
    assert_string_equal(late->answers[1].status, "late");
    assert_string_equal(late->answers[1].who, "alice");
    desk_peer_free(late->peer);
    world_free(world);
}

static void bad_lines(void **state)
{
    static const char *const lines[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"type\":5}",
        "{\"type\":\"answer\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":71,\"verdict\":\"permit\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":\"1\",\"verdict\":\"maybe\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":\"1\",\"verdict\":\"permit\",\"scope\":\"world\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":\"1\",\"verdict\":\"permit\",\"scope\":\"program\",\"until\":\"once\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":\"1\",\"verdict\":\"permit\",\"until\":\"always\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":\"1\",\"verdict\":\"permit\",\"scope\":\"program\",\"until\":"
        "\"minutes\"}",
        "{\"type\":\"answer\",\"tag\":1,\"id\":\"99999999999999999999\",\"verdict\":\"permit\"}",
        "{\"type\":\"answer\",\"type\":\"undo\"}"};
    struct world *world = world_new(1);
    struct person *alice = &world->people[0];

    (void)state;
    world_offer(world, model_hold(&world->model, 1, 80));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        alice->error[0] = '\0';
        person_say(alice, lines[i]);
        assert_true(alice->error[0] != '\0');
    }
    alice->error[0] = '\0';
    person_say(alice, "{\"type\":\"something new\"}");
    assert_string_equal(alice->error, "");
    assert_false(world->woken);
    assert_int_equal(desk_questions(world->desk), 1);
    world_free(world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_answer_wins),
        cmocka_unit_test(refused_answer_leaves_the_question),
        cmocka_unit_test(one_answer_covers),
        cmocka_unit_test(lost_event),
        cmocka_unit_test(events_before_offers),
        cmocka_unit_test(gatehoused_goes_away),
        cmocka_unit_test(taken_before_it_went_away),
        cmocka_unit_test(a_peer_goes_its_answer_counts),
        cmocka_unit_test(late_comer_sees_all_that_waits),
        cmocka_unit_test(bad_lines),
        cmocka_unit_test(random_order),
        cmocka_unit_test(random_order_with_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
