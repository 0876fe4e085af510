/* SPDX-License-Identifier: MIT */
/*
 * peer_read.c - what the desk says, and the mirror of its questions. See peer.h.
 *
 * Members that are missing or of another type are as if they were not there; text with control characters too. So a
 * newer desk, or a wrong one, can show less but not do harm.
 */
#include "desk/peer_state.h"

#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"

#define CALL(peer, handler, ...)                                                                                       \
    do {                                                                                                               \
        if ((peer)->handlers.handler != NULL)                                                                          \
            (peer)->handlers.handler((peer)->handlers.context, __VA_ARGS__);                                           \
    } while (0)

/* --- Members ------------------------------------------------------------------------------------ */

/* NULL: none, empty, or not fit to be shown. */
static const char *text_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    if (text == NULL || *text == '\0')
        return NULL;
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return NULL;
    }
    return text;
}

/* Of a string; 0: none. */
static uint64_t number_in(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    char *end = NULL;
    uint64_t number;

    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    number = strtoull(text, &end, 10);
    return *end == '\0' ? number : 0;
}

static uint64_t number_of(const json_t *line, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(line, name));

    return number < 0 ? 0 : (uint64_t)number;
}

static bool flag_of(const json_t *line, const char *name)
{
    return json_is_true(json_object_get(line, name));
}

/* --- Questions ---------------------------------------------------------------------------------- */

struct peer_question *peer_first(const struct peer *peer)
{
    return peer->first;
}

struct peer_question *peer_next(const struct peer_question *question)
{
    return question->after_it;
}

unsigned peer_count(const struct peer *peer)
{
    return peer->count;
}

struct peer_question *peer_find(const struct peer *peer, uint64_t id)
{
    struct peer_question *question = peer->first;

    while (question != NULL && question->id != id)
        question = question->after_it;
    return question;
}

static bool same(const char *one, const char *other)
{
    return one != NULL && other != NULL && strcmp(one, other) == 0;
}

static bool covers(const struct peer_question *like, enum gatehouse_scope scope, const struct peer_question *other)
{
    if (!same(like->program, other->program) || like->inbound != other->inbound)
        return false;
    switch (scope) {
    case GATEHOUSE_SCOPE_PROGRAM:
        return true;
    case GATEHOUSE_SCOPE_PROGRAM_NAME:
        return same(like->name, other->name);
    case GATEHOUSE_SCOPE_PROGRAM_PORT:
        return same(like->protocol, other->protocol) && like->port == other->port;
    case GATEHOUSE_SCOPE_PROGRAM_DESTINATION:
        return same(like->protocol, other->protocol) && like->port == other->port &&
               same(like->address, other->address);
    default:
        return false;
    }
}

unsigned peer_covers(const struct peer *peer, const struct peer_question *question, enum gatehouse_scope scope)
{
    unsigned count = 0;

    for (const struct peer_question *other = peer->first; other != NULL; other = other->after_it)
        count += other != question && covers(question, scope, other);
    return count;
}

static void read_parents(struct peer_question *question, const json_t *line)
{
    const json_t *list = json_object_get(line, "parents"), *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        struct peer_parent *parent = &question->parents[question->parent_count];

        if (question->parent_count == PEER_PARENTS_MAX)
            return;
        *parent = (struct peer_parent){number_of(one, "pid"), text_of(one, "name"), text_of(one, "program")};
        question->parent_count += parent->name != NULL || parent->program != NULL;
        if (parent->name == NULL)
            parent->name = parent->program;
    }
}

static void read_question(struct peer_question *question, const json_t *line)
{
    const json_t *before = json_object_get(line, "before");
    uint64_t now = clock_boot();

    question->program = text_of(line, "program");
    question->command = text_of(line, "command");
    question->package = text_of(line, "package");
    question->unit = text_of(line, "unit");
    question->user = text_of(line, "user");
    question->pid = number_of(line, "pid");
    question->deleted = flag_of(line, "deleted");
    question->inbound = same(text_of(line, "direction"), "in");
    question->protocol = text_of(line, "protocol");
    question->address = text_of(line, "address");
    question->port = (unsigned)number_of(line, "port");
    question->service = text_of(line, "service");
    question->name = text_of(line, "name");
    question->look_alike = text_of(line, "look_alike");
    question->local = text_of(line, "local");
    question->has_before = json_is_object(before);
    question->permitted = number_in(before, "permitted");
    question->blocked = number_in(before, "blocked");
    question->last = text_of(before, "last");
    question->held_at = now - number_of(line, "held_ms") * CLOCK_MILLISECOND;
    question->deadline = now + number_of(line, "left_ms") * CLOCK_MILLISECOND;
    read_parents(question, line);
}

static void on_question(struct peer *peer, json_t *line)
{
    uint64_t id = number_in(line, "id");
    struct peer_question *question;

    if (id == 0 || peer_find(peer, id) != NULL)
        return;
    question = calloc(1, sizeof(*question));
    if (question == NULL) {
        CALL(peer, error, 0, "out of memory: one question is not shown.");
        return;
    }
    question->id = id;
    question->json = json_incref(line);
    read_question(question, line);
    question->before_it = peer->last;
    if (peer->last != NULL)
        peer->last->after_it = question;
    else
        peer->first = question;
    peer->last = question;
    peer->count++;
    CALL(peer, question, question);
}

static void end_question(struct peer *peer, struct peer_question *question, const struct peer_gone *gone)
{
    if (question->before_it != NULL)
        question->before_it->after_it = question->after_it;
    else
        peer->first = question->after_it;
    if (question->after_it != NULL)
        question->after_it->before_it = question->before_it;
    else
        peer->last = question->before_it;
    peer->count--;
    CALL(peer, gone, question, gone);
    json_decref((json_t *)(uintptr_t)question->json);
    free(question);
}

void peer_forget_all(struct peer *peer)
{
    static const struct peer_gone gone = {.verdict = GATEHOUSE_VERDICT_NONE, .by = GATEHOUSE_BY_UNLOAD};

    while (peer->first != NULL)
        end_question(peer, peer->first, &gone);
}

static void on_gone(struct peer *peer, const json_t *line)
{
    struct peer_question *question = peer_find(peer, number_in(line, "id"));
    const char *verdict = text_of(line, "verdict"), *by = text_of(line, "by");
    struct peer_gone gone = {
        .who = text_of(line, "who"), .scope = text_of(line, "scope"), .mine = flag_of(line, "yours")};

    if (question == NULL)
        return;
    if (verdict != NULL)
        (void)choice_verdict_read(verdict, &gone.verdict);
    if (by != NULL)
        (void)choice_by_read(by, &gone.by);
    end_question(peer, question, &gone);
}

/* --- The rest ----------------------------------------------------------------------------------- */

static void on_hello(struct peer *peer, json_t *line)
{
    bool back = peer->was_lost && !peer->greeted;

    json_decref(peer->hello_line);
    peer->hello_line = json_incref(line);
    peer->hello = (struct peer_hello){text_of(line, "you"), flag_of(line, "decider"), text_of(line, "sentence")};
    peer->greeted = true;
    if (back) {
        peer->was_lost = false;
        if (peer->handlers.back != NULL)
            peer->handlers.back(peer->handlers.context);
    }
    CALL(peer, hello, &peer->hello);
}

static void on_answered(struct peer *peer, const json_t *line)
{
    const char *status = text_of(line, "status");
    struct peer_answered answered = {.tag = (uint32_t)number_of(line, "tag"),
                                     .id = number_in(line, "id"),
                                     .outcome = PEER_FAILED,
                                     .covered = number_of(line, "covered"),
                                     .undo = text_of(line, "undo"),
                                     .sentence = text_of(line, "sentence")};

    if (same(status, "ok"))
        answered.outcome = PEER_OK;
    else if (same(status, "late"))
        answered.outcome = PEER_LATE;
    else if (same(status, "refused"))
        answered.outcome = PEER_REFUSED;
    if (answered.outcome != PEER_OK && answered.sentence == NULL)
        answered.sentence = "The answer did not count.";
    CALL(peer, answered, &answered);
}

static void on_undone(struct peer *peer, const json_t *line)
{
    const char *sentence = text_of(line, "sentence");

    CALL(peer, undone, (uint32_t)number_of(line, "tag"), !same(text_of(line, "status"), "refused"),
         sentence == NULL ? "" : sentence);
}

static void on_error(struct peer *peer, const json_t *line)
{
    const char *sentence = text_of(line, "sentence");

    CALL(peer, error, (uint32_t)number_of(line, "tag"), sentence == NULL ? "The desk refuses." : sentence);
}

static void read_line(struct peer *peer, json_t *line)
{
    const char *type = text_of(line, "type");

    if (type == NULL)
        return;
    if (strcmp(type, "question") == 0)
        on_question(peer, line);
    else if (strcmp(type, "gone") == 0)
        on_gone(peer, line);
    else if (strcmp(type, "answered") == 0)
        on_answered(peer, line);
    else if (strcmp(type, "undone") == 0)
        on_undone(peer, line);
    else if (strcmp(type, "hello") == 0)
        on_hello(peer, line);
    else if (strcmp(type, "connection") == 0)
        CALL(peer, connection, line);
    else if (strcmp(type, "error") == 0)
        on_error(peer, line);
    else if (strcmp(type, "ready") == 0 && peer->handlers.ready != NULL)
        peer->handlers.ready(peer->handlers.context);
}

void peer_read(struct peer *peer, const char *line, size_t size)
{
    json_t *read = json_loadb(line, size, 0, NULL);

    if (json_is_object(read))
        read_line(peer, read);
    json_decref(read);
}
