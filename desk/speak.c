/* SPDX-License-Identifier: MIT */
/*
 * speak.c - what the desk tells its peers, as lines of docs/desk.md. See desk_state.h.
 *
 * Text of others (paths, names of users) is escaped for reading before it becomes JSON, so that no peer has to.
 */
#include "desk/desk_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/look_alike.h"
#include "agent/port_name.h"
#include "agent/show.h"

/* Longer text is cut, so that a line always fits. Cut text ends in "...". */
#define TEXT_MAX  12000u
#define FACTS_MAX (DESK_LINE_MAX - 4096u)

static void begin(struct desk *desk, struct json *json, const char *type)
{
    text_clear(&desk->line);
    *json = (struct json){.text = &desk->line};
    json_open(json, NULL);
    json_text(json, "type", type);
}

static void send_to(struct desk_peer *peer)
{
    const struct text *line = &peer->desk->line;

    if (!line->failed)
        peer->sender.send(peer->sender.context, line->data, line->used);
}

static void finish(struct desk *desk, struct json *json)
{
    json_close(json);
    text_add(&desk->line, "\n");
}

static void send_alone(struct desk_peer *peer, struct json *json)
{
    finish(peer->desk, json);
    send_to(peer);
}

void speak_hello(struct desk_peer *peer)
{
    struct desk *desk = peer->desk;
    struct json json;

    begin(desk, &json, "hello");
    json_number(&json, "version", 1);
    json_text(&json, "you", peer->user);
    json_bool(&json, "decider", desk->decider);
    if (!desk->decider)
        json_text(&json, "sentence", desk->why_not);
    send_alone(peer, &json);
}

void speak_ready(struct desk_peer *peer)
{
    struct json json;

    begin(peer->desk, &json, "ready");
    send_alone(peer, &json);
}

/* --- Questions ---------------------------------------------------------------------------------- */

static void cut(struct text *text)
{
    size_t at = TEXT_MAX;

    if (text->used <= TEXT_MAX)
        return;
    while (((unsigned char)text->data[at] & 0xC0) == 0x80)
        at--;
    text->used = at;
    text_add(text, "...");
}

static void put_text(struct json *json, const char *name, struct text *text)
{
    cut(text);
    if (text->used > 0)
        json_text(json, name, text_string(text));
    text_clear(text);
}

static void put_program(struct json *json, const struct request *request, struct text *text)
{
    const struct gatehouse_request *fixed = &request->fixed;

    if ((fixed->flags & GATEHOUSE_REQUEST_NO_PROGRAM) == 0 && fixed->path_size > 0) {
        show_program(text, request);
        put_text(json, "program", text);
    }
    if ((fixed->flags & GATEHOUSE_REQUEST_NO_PROCESS) == 0)
        json_number(json, "pid", fixed->process_id);
    show_user(text, fixed);
    put_text(json, "user", text);
}

static void put_name(struct json *json, const struct request *request, struct text *text)
{
    char name[GATEHOUSE_NAME_MAX + 1];

    if (request->fixed.name_size == 0)
        return;
    memcpy(name, request->name, request->fixed.name_size);
    name[request->fixed.name_size] = '\0';
    json_text(json, "name", name);
    if (look_alike_describe(name, text))
        json_text(json, "look_alike", text_string(text));
    text_clear(text);
}

static void put_ends(struct json *json, const struct request *request, struct text *text)
{
    const struct gatehouse_request *fixed = &request->fixed;
    bool inbound = show_is_inbound(fixed);
    uint16_t port = inbound ? fixed->local_port : fixed->remote_port;
    bool ports = fixed->protocol == 6 || fixed->protocol == 17;

    json_text(json, "direction", inbound ? "in" : "out");
    show_protocol(text, fixed->protocol);
    put_text(json, "protocol", text);
    show_address(text, fixed->ip_version, fixed->remote_address, fixed->interface_index);
    put_text(json, "address", text);
    if (ports)
        json_number(json, "port", port);
    if (ports && port_name(fixed->protocol, port) != NULL)
        json_text(json, "service", port_name(fixed->protocol, port));
    put_name(json, request, text);
    show_end(text, fixed->ip_version, fixed->protocol, fixed->local_address, fixed->local_port, fixed->interface_index);
    put_text(json, "local", text);
}

bool speak_facts(struct question *question)
{
    struct text facts = {0}, text = {0};
    struct json json = {.text = &facts};

    put_program(&json, &question->request, &text);
    put_ends(&json, &question->request, &text);
    text_free(&text);
    if (facts.failed || facts.used == 0)
        text_free(&facts);
    else
        question->facts = facts.data; /* NUL-terminated */
    return question->facts != NULL;
}

void speak_more_facts(struct question *question, const char *members)
{
    size_t used = strlen(question->facts), more = strlen(members);
    char *grown;

    if (more == 0 || used + more + 2 > FACTS_MAX)
        return;
    grown = realloc(question->facts, used + more + 2);
    if (grown == NULL)
        return;
    grown[used] = ',';
    memcpy(grown + used + 1, members, more + 1);
    question->facts = grown;
}

static uint64_t milliseconds(uint64_t from, uint64_t to)
{
    return to > from ? (to - from) / CLOCK_MILLISECOND : 0;
}

void speak_question(struct desk_peer *peer, const struct question *question, uint64_t now)
{
    const struct gatehouse_request *fixed = &question->request.fixed;
    struct json json;

    begin(peer->desk, &json, "question");
    json_identifier(&json, "id", question->id);
    text_add(json.text, ",");
    text_add(json.text, question->facts);
    json_number(&json, "held_ms", milliseconds(fixed->held_at, now));
    json_number(&json, "left_ms", milliseconds(now, fixed->deadline));
    send_alone(peer, &json);
}

/* --- Ends --------------------------------------------------------------------------------------- */

static void begin_gone(struct desk *desk, const struct question *question, bool yours)
{
    const struct ending *ending = &question->ending;
    struct json json;

    begin(desk, &json, "gone");
    json_identifier(&json, "id", question->id);
    json_text(&json, "verdict", choice_verdict_name(ending->verdict));
    json_text(&json, "by", choice_by_name(ending->by));
    if (ending->who[0] != '\0')
        json_text(&json, "who", ending->who);
    if (ending->has_scope)
        json_text(&json, "scope", choice_scope_name(ending->scope));
    if (yours)
        json_bool(&json, "yours", true);
    finish(desk, &json);
}

void speak_gone(struct desk *desk, const struct question *question)
{
    const struct desk_peer *author = question->ending.peer;

    begin_gone(desk, question, false);
    for (struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next) {
        if (question->id <= peer->told && peer != author)
            send_to(peer);
    }
    begin_gone(desk, question, true);
    for (struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next) {
        if (question->id <= peer->told && peer == author)
            send_to(peer);
    }
}

static void late_sentence(const struct ending *ending, char *sentence, size_t size)
{
    const char *what = ending->verdict == GATEHOUSE_VERDICT_PERMIT ? "permitted" : "blocked";

    if (ending->who[0] != '\0')
        snprintf(sentence, size, "%s has %s it already.", ending->who, what);
    else if (ending->by == GATEHOUSE_BY_NONE)
        snprintf(sentence, size, "It does not wait any more.");
    else if (ending->verdict == GATEHOUSE_VERDICT_NONE)
        snprintf(sentence, size, "It ended %s.", show_decided_by(ending->by));
    else
        snprintf(sentence, size, "It was %s already %s.", what, show_decided_by(ending->by));
}

static void put_late(struct json *json, const struct ending *ending)
{
    char sentence[SENTENCE_MAX];

    late_sentence(ending, sentence, sizeof(sentence));
    if (ending->who[0] != '\0')
        json_text(json, "who", ending->who);
    json_text(json, "verdict", choice_verdict_name(ending->verdict));
    json_text(json, "by", choice_by_name(ending->by));
    json_text(json, "sentence", sentence);
}

void speak_answered(struct desk *desk, const struct answer *answer)
{
    static const char *const outcomes[] = {
        [OUTCOME_OK] = "ok", [OUTCOME_LATE] = "late", [OUTCOME_REFUSED] = "refused", [OUTCOME_FAILED] = "failed"};
    struct json json;
    char undo[24];

    if (answer->peer == NULL)
        return;
    begin(desk, &json, "answered");
    json_number(&json, "tag", (uint64_t)answer->tag);
    json_identifier(&json, "id", answer->question_id);
    json_text(&json, "status", outcomes[answer->outcome]);
    if (answer->outcome == OUTCOME_OK) {
        json_number(&json, "covered", answer->covered);
        snprintf(undo, sizeof(undo), "%" PRIu64, answer->undo);
        if (answer->undo != 0)
            json_text(&json, "undo", undo);
    } else if (answer->outcome == OUTCOME_LATE) {
        put_late(&json, &answer->ending);
    } else {
        json_text(&json, "sentence", answer->sentence);
    }
    send_alone(answer->peer, &json);
}

void speak_undone(struct desk_peer *peer, int64_t tag, bool done, const char *sentence)
{
    struct json json;

    begin(peer->desk, &json, "undone");
    json_number(&json, "tag", (uint64_t)tag);
    json_text(&json, "status", done ? "ok" : "refused");
    json_text(&json, "sentence", sentence);
    send_alone(peer, &json);
}

void speak_error(struct desk_peer *peer, int64_t tag, const char *sentence)
{
    struct json json;

    begin(peer->desk, &json, "error");
    if (tag != 0)
        json_number(&json, "tag", (uint64_t)tag);
    json_text(&json, "sentence", sentence);
    send_alone(peer, &json);
}

/* --- Connections, to those who watch ------------------------------------------------------------ */

bool desk_is_watched(const struct desk *desk)
{
    for (const struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next) {
        if (peer->watches)
            return true;
    }
    return false;
}

void desk_tell_connection(struct desk *desk, const char *members)
{
    struct json json;

    begin(desk, &json, "connection");
    text_add(json.text, ",");
    text_add(json.text, members);
    finish(desk, &json);
    if (desk->line.used > DESK_LINE_MAX)
        return;
    for (struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next) {
        if (peer->watches)
            send_to(peer);
    }
}
