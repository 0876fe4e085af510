/* SPDX-License-Identifier: MIT */
/*
 * world.c - see world.h.
 */
#include "tests/desk/world.h"

#include <jansson.h>

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

void person_sit_down(struct world *world, struct person *person)
{
    struct desk_sender sender = {person, hear, has_room};

    person->peer = desk_peer_new(world->desk, person->name, &sender, world->now);
    assert_non_null(person->peer);
}

void person_say(struct person *person, const char *line)
{
    desk_peer_line(person->peer, line, strlen(line), person->world->now);
}

uint32_t person_answer(struct person *person, uint64_t id, bool permit, enum gatehouse_scope scope)
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
    person_say(person, line);
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

struct world *world_new(unsigned people)
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
        person_sit_down(world, &world->people[i]);
    }
    world->count = people;
    return world;
}

void world_free(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++)
        desk_peer_free(world->people[i].peer);
    desk_free(world->desk);
    free(world);
}

/* The next id is the desk's own count of what it took in. */
void world_offer(struct world *world, struct model_connection *connection)
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
void world_submit(struct world *world)
{
    struct gatehouse_decision decisions[SUBMIT_MAX];

    if (world->status_count > 0)
        return;
    world->woken = false;
    world->status_count = desk_take_decisions(world->desk, decisions, BATCH);
    for (unsigned i = 0; i < world->status_count; i++)
        world->statuses[i] = model_decide(&world->model, &decisions[i]);
}

void world_statuses(struct world *world)
{
    unsigned count = world->status_count;

    world->status_count = 0;
    if (count > 0)
        desk_decided(world->desk, world->statuses, count, world->now);
}

bool world_event(struct world *world)
{
    struct model *model = &world->model;

    if (model->event_told == model->event_count)
        return false;
    desk_event(world->desk, &model->events[model->event_told++], world->now);
    return true;
}

void world_offer_some(struct world *world, unsigned most)
{
    for (unsigned i = 0; i < world->model.count && most > 0; i++) {
        struct model_connection *connection = &world->model.list[i];

        if (connection->held && !connection->offered) {
            world_offer(world, connection);
            most--;
        }
    }
}

void world_settle(struct world *world)
{
    for (unsigned i = 0; i < 100000 && (world->woken || world->status_count > 0); i++) {
        world_submit(world);
        while (world_event(world))
            ;
        world_statuses(world);
    }
    while (world_event(world))
        ;
    assert_false(world->woken);
}

void world_restart(struct world *world)
{
    world->status_count = 0;
    desk_set_decider(world->desk, false, "gatehoused went away.", world->now);
    assert_int_equal(desk_questions(world->desk), 0);
    model_restart(&world->model);
    desk_set_decider(world->desk, true, "", world->now);
}
