/* SPDX-License-Identifier: MIT */
/*
 * desk_test.c - the desk's core against a driver simple enough to be believed (model.h).
 *
 * The large one: 1,000 connections, several people who answer at random and at the same time, statuses, events, offers,
 * ends and restarts in any order. What each peer was told is then compared with what the driver did: each question has
 * one end, the one the driver knows; each answer has one reply, in the order of answering; "ok" went to whom the driver
 * took; nothing is left over. Seeds are fixed, so a failure happens again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <gatehouse/rules.h>
#include <gatehouse/status.h>
#include <jansson.h>

#include "agent/clock.h"
#include "core/rule_image.h"
#include "desk/choice.h"
#include "tests/desk/model.h"

#define PEERS_MAX  4u
#define TAGS_MAX   8192u
#define BATCH      16u
#define SUBMIT_MAX 256u

struct world;

struct told {
    bool asked, gone;
    uint8_t verdict, by;
    char who[16];
};

struct person {
    struct world *world;
    struct desk_peer *peer;
    char name[16];
    struct told told[MODEL_MAX + 1]; /* by the desk's id */
    unsigned questions, ready, hellos;
    bool decider;
    /* Tags given and answered; replies come in order. */
    uint32_t last_tag, last_reply;
    struct {
        uint64_t id;
        bool permit;
        enum gatehouse_scope scope;
        char status[12];
        char who[16];
        uint64_t covered, undo;
    } answers[TAGS_MAX];
    bool full; /* takes no questions now */
    char undone[512];
    char undone_status[12];
    char error[512];
};

struct world {
    struct desk *desk;
    struct model model;
    struct person people[PEERS_MAX];
    unsigned count;
    bool woken;
    uint64_t now;
    uint64_t driver_ids[MODEL_MAX + 1]; /* by the desk's id */
    uint64_t desk_ids;
    /* What the driver has to say over the first connection. */
    uint32_t statuses[SUBMIT_MAX];
    unsigned status_count;
    /* What was handed on to the history, by the driver's id. */
    struct {
        uint64_t id;
        char who[16];
    } recorded[MODEL_MAX];
    unsigned recorded_count;
};

/* --- A person --------------------------------------------------------------------------------------- */

static const char *text_in(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    return text == NULL ? "" : text;
}

static uint64_t id_in(const json_t *line)
{
    return strtoull(text_in(line, "id"), NULL, 10);
}

static uint8_t verdict_in(const json_t *line)
{
    unsigned verdict = 99;

    assert_true(choice_verdict_read(text_in(line, "verdict"), &verdict));
    return (uint8_t)verdict;
}

static void hear_question(struct person *person, const json_t *line)
{
    uint64_t id = id_in(line);

    assert_true(id > 0 && id <= MODEL_MAX);
    assert_false(person->told[id].asked);
    person->told[id].asked = true;
    person->questions++;
    assert_string_equal(text_in(line, "address"), "192.0.2.1");
    assert_string_equal(text_in(line, "protocol"), "tcp");
}

static void hear_gone(struct person *person, const json_t *line)
{
    struct told *told = &person->told[id_in(line)];
    unsigned by = 99;

    assert_true(told->asked);
    assert_false(told->gone);
    assert_true(choice_by_read(text_in(line, "by"), &by));
    told->gone = true;
    told->verdict = verdict_in(line);
    told->by = (uint8_t)by;
    snprintf(told->who, sizeof(told->who), "%s", text_in(line, "who"));
}

static void hear_answered(struct person *person, const json_t *line)
{
    uint32_t tag = (uint32_t)json_integer_value(json_object_get(line, "tag"));

    /* In the order in which they were given, and each once. */
    assert_int_equal(tag, person->last_reply + 1);
    assert_true(tag <= person->last_tag);
    person->last_reply = tag;
    assert_int_equal(id_in(line), person->answers[tag].id);
    snprintf(person->answers[tag].status, sizeof(person->answers[tag].status), "%s", text_in(line, "status"));
    snprintf(person->answers[tag].who, sizeof(person->answers[tag].who), "%s", text_in(line, "who"));
    person->answers[tag].covered = (uint64_t)json_integer_value(json_object_get(line, "covered"));
    person->answers[tag].undo = strtoull(text_in(line, "undo"), NULL, 10);
    if (strcmp(person->answers[tag].status, "ok") != 0)
        assert_true(strlen(text_in(line, "sentence")) > 5);
}

static void hear(void *context, const char *text, size_t size)
{
    struct person *person = context;
    json_t *line = json_loadb(text, size, 0, NULL);
    const char *type = text_in(line, "type");

    assert_true(size > 0 && size <= DESK_LINE_MAX && text[size - 1] == '\n' && memchr(text, '\n', size - 1) == NULL);
    assert_non_null(line);
    if (strcmp(type, "hello") == 0) {
        person->hellos++;
        person->decider = json_is_true(json_object_get(line, "decider"));
        assert_string_equal(text_in(line, "you"), person->name);
    } else if (strcmp(type, "question") == 0) {
        hear_question(person, line);
    } else if (strcmp(type, "gone") == 0) {
        hear_gone(person, line);
    } else if (strcmp(type, "answered") == 0) {
        hear_answered(person, line);
    } else if (strcmp(type, "ready") == 0) {
        person->ready++;
    } else if (strcmp(type, "undone") == 0) {
        snprintf(person->undone, sizeof(person->undone), "%s", text_in(line, "sentence"));
        snprintf(person->undone_status, sizeof(person->undone_status), "%s", text_in(line, "status"));
    } else if (strcmp(type, "error") == 0) {
        snprintf(person->error, sizeof(person->error), "%s", text_in(line, "sentence"));
    }
    json_decref(line);
}

static bool has_room(void *context)
{
    const struct person *person = context;

    return !person->full;
}

static void sit_down(struct world *world, struct person *person)
{
    struct desk_sender sender = {person, hear, has_room};

    person->peer = desk_peer_new(world->desk, person->name, &sender, world->now);
    assert_non_null(person->peer);
}

static void say(struct person *person, const char *line)
{
    desk_peer_line(person->peer, line, strlen(line), person->world->now);
}

static uint32_t answer(struct person *person, uint64_t id, bool permit, enum gatehouse_scope scope)
{
    static const char *const untils[] = {"minutes", "exit", "reboot", "always"};
    uint32_t tag = ++person->last_tag;
    char line[256];

    assert_true(tag < TAGS_MAX);
    person->answers[tag].id = id;
    person->answers[tag].permit = permit;
    person->answers[tag].scope = scope;
    snprintf(line, sizeof(line),
             "{\"type\":\"answer\",\"tag\":%u,\"id\":\"%llu\",\"verdict\":\"%s\",\"scope\":\"%s\",\"until\":\"%s\","
             "\"minutes\":%u,\"unknown\":[1]}",
             (unsigned)tag, (unsigned long long)id, permit ? "permit" : "block", choice_scope_name(scope),
             scope == GATEHOUSE_SCOPE_CONNECTION ? "once" : untils[tag % 4], tag % 100 + 1);
    say(person, line);
    return tag;
}

/* --- The world -------------------------------------------------------------------------------------- */

static void on_wake(void *context)
{
    struct world *world = context;

    world->woken = true;
}

static void on_decided(void *context, const struct event *event, const struct desk_author *author)
{
    struct world *world = context;

    for (unsigned i = 0; i < world->recorded_count; i++)
        assert_true(world->recorded[i].id != event->request.fixed.id);
    world->recorded[world->recorded_count].id = event->request.fixed.id;
    snprintf(world->recorded[world->recorded_count++].who, 16, "%s", author->who == NULL ? "" : author->who);
}

static struct world *world_new(unsigned people)
{
    static const char *const names[] = {"alice", "bob", "carol", "dave"};
    struct world *world = calloc(1, sizeof(*world));
    struct desk_settings settings = {.context = world, .decided = on_decided};

    assert_non_null(world);
    world->now = clock_boot();
    world->desk = desk_new(&settings);
    assert_non_null(world->desk);
    desk_set_wake(world->desk, on_wake, world);
    desk_set_decider(world->desk, true, "", world->now);
    for (unsigned i = 0; i < people; i++) {
        world->people[i].world = world;
        snprintf(world->people[i].name, sizeof(world->people[i].name), "%s", names[i]);
        sit_down(world, &world->people[i]);
    }
    world->count = people;
    return world;
}

static void world_free(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++)
        desk_peer_free(world->people[i].peer);
    desk_free(world->desk);
    free(world);
}

/* The next id is the desk's own count of what it took in. */
static void offer(struct world *world, struct model_connection *connection)
{
    struct request request = model_request(connection);
    unsigned before = desk_questions(world->desk);

    if (desk_room(world->desk) == 0)
        return;
    connection->offered = true;
    assert_true(desk_offer(world->desk, &request, world->now));
    if (desk_questions(world->desk) > before)
        world->driver_ids[++world->desk_ids] = connection->id;
}

/* The driver takes what waits; what it says is kept. */
static void submit(struct world *world)
{
    struct gatehouse_decision decisions[SUBMIT_MAX];

    if (world->status_count > 0)
        return;
    world->woken = false;
    world->status_count = desk_take_decisions(world->desk, decisions, BATCH);
    for (unsigned i = 0; i < world->status_count; i++)
        world->statuses[i] = model_decide(&world->model, &decisions[i]);
}

static void deliver_statuses(struct world *world)
{
    unsigned count = world->status_count;

    world->status_count = 0;
    if (count > 0)
        desk_decided(world->desk, world->statuses, count, world->now);
}

static bool deliver_event(struct world *world)
{
    struct model *model = &world->model;

    if (model->event_told == model->event_count)
        return false;
    desk_event(world->desk, &model->events[model->event_told++], world->now);
    return true;
}

static void offer_some(struct world *world, unsigned most)
{
    for (unsigned i = 0; i < world->model.count && most > 0; i++) {
        struct model_connection *connection = &world->model.list[i];

        if (connection->held && !connection->offered) {
            offer(world, connection);
            most--;
        }
    }
}

static void settle(struct world *world)
{
    for (unsigned i = 0; i < 100000 && (world->woken || world->status_count > 0); i++) {
        submit(world);
        while (deliver_event(world))
            ;
        deliver_statuses(world);
    }
    while (deliver_event(world))
        ;
    assert_false(world->woken);
}

static void restart(struct world *world)
{
    world->status_count = 0;
    desk_set_decider(world->desk, false, "gatehoused went away.", world->now);
    assert_int_equal(desk_questions(world->desk), 0);
    model_restart(&world->model);
    desk_set_decider(world->desk, true, "", world->now);
}

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
    (void)answer(person, id, random_below(2) == 0, scopes[random_below(5)]);
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
        offer_some(world, 1 + random_below(5));
    else if (what < 60)
        answer_at_random(world);
    else if (what < 70)
        submit(world);
    else if (what < 80)
        deliver_statuses(world);
    else if (what < 95)
        (void)deliver_event(world);
    else if (what < 97)
        end_one(world);
    else if (what < 98)
        world->people[0].full = !world->people[0].full;
    else if (what < 99)
        world->model.answers_full = random_below(4) == 0;
    else if (restarts && random_below(8) == 0)
        restart(world);
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
        offer_some(world, 100);
        desk_peer_pump(world->people[0].peer, world->now);
        settle(world);
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
    settle(world);
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
    offer(world, model_hold(&world->model, 1, 80));
    assert_int_equal(bob->questions, 1);
    (void)answer(bob, 1, false, GATEHOUSE_SCOPE_CONNECTION);
    (void)answer(alice, 1, true, GATEHOUSE_SCOPE_CONNECTION);
    submit(world);
    assert_int_equal(bob->last_reply, 0); /* not before the driver has said */
    settle(world);
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
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_PROGRAM);
    (void)answer(&world->people[1], 1, false, GATEHOUSE_SCOPE_CONNECTION);
    settle(world);
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
        offer(world, model_hold(&world->model, 1, 80 + i % 2));
    (void)model_hold(&world->model, 1, 99); /* not offered yet: covered all the same */
    offer(world, model_hold(&world->model, 2, 80));
    (void)answer(alice, 1, true, GATEHOUSE_SCOPE_PROGRAM_DESTINATION);
    submit(world);
    deliver_statuses(world);
    assert_int_equal(alice->last_reply, 0); /* what it covered is not known yet */
    settle(world);
    assert_string_equal(alice->answers[1].status, "ok");
    assert_int_equal(alice->answers[1].covered, 2);
    (void)answer(alice, 2, true, GATEHOUSE_SCOPE_PROGRAM);
    settle(world);
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
    offer(world, model_hold(&world->model, 1, 80));
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_PROGRAM);
    submit(world);
    deliver_statuses(world);
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
    assert_true(deliver_event(world));
    offer(world, connection);
    assert_int_equal(world->people[0].questions, 0);
    assert_int_equal(world->recorded_count, 1);
    world_free(world);
}

static void gatehoused_goes_away(void **state)
{
    struct world *world = world_new(2);
    struct person *alice = &world->people[0], *bob = &world->people[1];

    (void)state;
    offer(world, model_hold(&world->model, 1, 80));
    offer(world, model_hold(&world->model, 1, 81));
    (void)answer(alice, 1, true, GATEHOUSE_SCOPE_CONNECTION);
    submit(world);
    (void)answer(bob, 2, true, GATEHOUSE_SCOPE_CONNECTION);
    restart(world);
    /* The driver took the first, but never said so: nobody may be told that it did. */
    assert_string_equal(alice->answers[1].status, "failed");
    assert_string_equal(bob->answers[1].status, "failed");
    assert_int_equal(alice->told[1].by, GATEHOUSE_BY_UNLOAD);
    assert_true(alice->decider);
    offer_some(world, 10);
    assert_int_equal(desk_questions(world->desk), 1);
    (void)answer(bob, 3, true, GATEHOUSE_SCOPE_CONNECTION);
    settle(world);
    assert_string_equal(bob->answers[2].status, "ok");
    world_free(world);
}

/* The event says that it was taken: that is as good as the status that never came. */
static void taken_before_it_went_away(void **state)
{
    struct world *world = world_new(1);

    (void)state;
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_CONNECTION);
    submit(world);
    while (deliver_event(world))
        ;
    restart(world);
    assert_string_equal(world->people[0].answers[1].status, "ok");
    assert_string_equal(world->people[0].told[1].who, "alice");
    assert_string_equal(world->recorded[0].who, "alice");
    world_free(world);
}

static void a_peer_goes_its_answer_counts(void **state)
{
    struct world *world = world_new(2);

    (void)state;
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(&world->people[0], 1, true, GATEHOUSE_SCOPE_CONNECTION);
    desk_peer_free(world->people[0].peer);
    world->people[0].peer = NULL;
    settle(world);
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
        offer(world, model_hold(&world->model, 1, 80 + i));
    (void)answer(&world->people[0], 3, true, GATEHOUSE_SCOPE_CONNECTION);
    settle(world);
    late->world = world;
    snprintf(late->name, sizeof(late->name), "dave");
    sit_down(world, late);
    assert_int_equal(late->questions, 9);
    assert_int_equal(late->ready, 1);
    /* Late, by the desk's memory of what is gone. */
    (void)answer(late, 3, false, GATEHOUSE_SCOPE_CONNECTION);
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
    offer(world, model_hold(&world->model, 1, 80));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        alice->error[0] = '\0';
        say(alice, lines[i]);
        assert_true(alice->error[0] != '\0');
    }
    alice->error[0] = '\0';
    say(alice, "{\"type\":\"something new\"}");
    assert_string_equal(alice->error, "");
    assert_false(world->woken);
    assert_int_equal(desk_questions(world->desk), 1);
    world_free(world);
}

/* --- Undo ------------------------------------------------------------------------------------------- */

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
    say(person, line);
}

static void undo_of_a_rule(void **state)
{
    struct world *world = world_new(2);
    struct person *alice = &world->people[0];
    struct steps steps;

    (void)state;
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(alice, 1, true, GATEHOUSE_SCOPE_PROGRAM_DESTINATION);
    settle(world);
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
    offer(world, model_hold(&world->model, 1, 80));
    offer(world, model_hold(&world->model, 2, 80));
    (void)answer(alice, 1, false, GATEHOUSE_SCOPE_PROGRAM);
    (void)answer(alice, 2, false, GATEHOUSE_SCOPE_CONNECTION);
    settle(world);
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
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(alice, 1, true, GATEHOUSE_SCOPE_CONNECTION);
    settle(world);
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
    offer(world, model_hold(&world->model, 1, 80));
    (void)answer(alice, 1, true, GATEHOUSE_SCOPE_PROGRAM);
    settle(world);
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
        cmocka_unit_test(undo_of_a_rule),
        cmocka_unit_test(undo_of_a_block),
        cmocka_unit_test(undo_of_one_connection),
        cmocka_unit_test(undo_and_gatehoused_goes),
        cmocka_unit_test(random_order),
        cmocka_unit_test(random_order_with_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
