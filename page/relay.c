/* SPDX-License-Identifier: MIT */
/*
 * relay.c - see relay.h. Times go out as milliseconds from now: the browser's clock may be another.
 */
#include "page/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"

#define EVERYBODY 0u /* no stream has this number */

static void tell(struct relay *relay, uint64_t stream, json_t *event)
{
    char *line = event == NULL ? NULL : json_dumps(event, JSON_COMPACT);

    if (line != NULL && stream == EVERYBODY)
        server_stream_send_all(relay->server, line, strlen(line));
    else if (line != NULL)
        server_stream_send(relay->server, stream, line, strlen(line));
    free(line);
    json_decref(event);
}

static uint64_t milliseconds(uint64_t from, uint64_t to)
{
    return to > from ? (to - from) / CLOCK_MILLISECOND : 0;
}

static void tell_question(struct relay *relay, uint64_t stream, const struct peer_question *question)
{
    json_t *event = json_copy((json_t *)question->json);
    uint64_t now = clock_boot();

    json_object_set_new(event, "held_ms", json_integer((json_int_t)milliseconds(question->held_at, now)));
    json_object_set_new(event, "left_ms", json_integer((json_int_t)milliseconds(now, question->deadline)));
    tell(relay, stream, event);
}

static void tell_desk(struct relay *relay, uint64_t stream)
{
    const struct peer_hello *hello = relay->join == NULL ? NULL : peer_hello(desk_join_peer(relay->join));
    json_t *event = json_pack("{s:s, s:b}", "type", "desk", "connected", !relay->lost && hello != NULL);

    if (relay->lost)
        json_object_set_new(event, "sentence", json_string(relay->sentence));
    if (hello != NULL && !relay->lost) {
        json_object_set_new(event, "you", json_string(hello->you));
        json_object_set_new(event, "decider", json_boolean(hello->decider));
        if (hello->sentence != NULL)
            json_object_set_new(event, "sentence", json_string(hello->sentence));
    }
    tell(relay, stream, event);
}

void relay_greet(struct relay *relay, uint64_t stream)
{
    const struct peer_question *question = relay->join == NULL ? NULL : peer_first(desk_join_peer(relay->join));

    tell_desk(relay, stream);
    for (; question != NULL; question = peer_next(question))
        tell_question(relay, stream, question);
    tell(relay, stream, json_pack("{s:s}", "type", "ready"));
}

/* --- from the desk ------------------------------------------------------------------------------ */

static void on_hello(void *context, const struct peer_hello *hello)
{
    struct relay *relay = context;

    (void)hello;
    relay->lost = false;
    tell_desk(relay, EVERYBODY);
}

static void on_question(void *context, struct peer_question *question)
{
    tell_question(context, EVERYBODY, question);
}

static void on_gone(void *context, struct peer_question *question, const struct peer_gone *gone)
{
    char id[24];

    snprintf(id, sizeof(id), "%llu", (unsigned long long)question->id);
    tell(context, EVERYBODY,
         json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:b}", "type", "gone", "id", id, "verdict",
                   choice_verdict_name(gone->verdict), "by", choice_by_name(gone->by), "who", gone->who, "scope",
                   gone->scope, "mine", gone->mine));
}

static void on_connection(void *context, const json_t *connection)
{
    json_t *event = json_copy((json_t *)connection);

    json_object_set_new(event, "type", json_string("connection"));
    tell(context, EVERYBODY, event);
}

static void reply(struct relay *relay, uint64_t number, unsigned status, json_t *body)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    server_reply(relay->server, number, text == NULL ? 500 : status, text == NULL ? "{}" : text,
                 text == NULL ? 2 : strlen(text));
    free(text);
    json_decref(body);
}

static void refuse(struct relay *relay, uint64_t number, unsigned status, const char *sentence)
{
    reply(relay, number, status, json_pack("{s:s?}", "sentence", sentence));
}

/* Frees the place. */
static bool take_call(struct relay *relay, uint32_t tag, struct relay_call *found)
{
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++) {
        if (relay->calls[i].tag != tag)
            continue;
        *found = relay->calls[i];
        relay->calls[i].tag = 0;
        return true;
    }
    return false;
}

static void on_answered(void *context, const struct peer_answered *answered)
{
    static const char *const names[] = {
        [PEER_OK] = "ok", [PEER_LATE] = "late", [PEER_REFUSED] = "refused", [PEER_FAILED] = "failed"};
    struct relay *relay = context;
    struct relay_call call;

    if (answered->tag != 0 && take_call(relay, answered->tag, &call))
        reply(relay, call.number, answered->outcome == PEER_OK ? 200 : 409,
              json_pack("{s:s, s:I, s:s?, s:s?}", "status", names[answered->outcome], "covered",
                        (json_int_t)answered->covered, "undo", answered->undo, "sentence", answered->sentence));
}

static void on_undone(void *context, uint32_t tag, bool done, const char *sentence)
{
    struct relay *relay = context;
    struct relay_call call;

    if (tag != 0 && take_call(relay, tag, &call))
        refuse(relay, call.number, done ? 200 : 409, sentence);
}

static void on_error(void *context, uint32_t tag, const char *sentence)
{
    struct relay *relay = context;
    struct relay_call call;

    if (tag != 0 && take_call(relay, tag, &call))
        refuse(relay, call.number, 409, sentence);
}

static void on_lost(void *context, const char *sentence)
{
    struct relay *relay = context;

    relay->lost = true;
    snprintf(relay->sentence, sizeof(relay->sentence), "%s", sentence);
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++) {
        if (relay->calls[i].tag == 0)
            continue;
        relay->calls[i].tag = 0;
        refuse(relay, relay->calls[i].number, 503, "the desk went away; look again whether the answer counted.");
    }
    tell_desk(relay, EVERYBODY);
}

const struct peer_handlers relay_handlers = {.hello = on_hello,
                                             .question = on_question,
                                             .gone = on_gone,
                                             .answered = on_answered,
                                             .undone = on_undone,
                                             .connection = on_connection,
                                             .error = on_error,
                                             .lost = on_lost};

/* --- from a page -------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the words. */
static const char *read_choice(const json_t *body, struct choice *choice)
{
    const char *verdict = json_string_value(json_object_get(body, "verdict"));
    const char *scope = json_string_value(json_object_get(body, "scope"));
    const char *until = json_string_value(json_object_get(body, "until"));
    json_int_t minutes = json_integer_value(json_object_get(body, "minutes"));
    unsigned number;

    if (verdict == NULL || !choice_verdict_read(verdict, &number) ||
        (number != GATEHOUSE_VERDICT_PERMIT && number != GATEHOUSE_VERDICT_BLOCK))
        return "an answer permits or blocks.";
    if (scope == NULL || !choice_scope_read(scope, &choice->scope))
        return "the answer does not say how far it reaches.";
    if (until == NULL || !choice_until_read(until, &choice->until))
        return "the answer does not say how long it holds.";
    if (minutes < 0 || minutes > (json_int_t)CHOICE_MINUTES_MAX)
        return "an answer holds for 1 to 71582 minutes.";
    choice->permit = number == GATEHOUSE_VERDICT_PERMIT;
    choice->minutes = choice->until == CHOICE_MINUTES ? (uint32_t)minutes : 0;
    return choice_wrong(choice);
}

static bool read_id(const json_t *body, uint64_t *id)
{
    const char *text = json_string_value(json_object_get(body, "id"));
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9' || strlen(text) > 20)
        return false;
    *id = strtoull(text, &end, 10);
    return *end == '\0';
}

static void keep(struct relay *relay, uint64_t number, uint32_t tag)
{
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++) {
        if (relay->calls[i].tag == 0) {
            relay->calls[i].tag = tag;
            relay->calls[i].number = number;
            return;
        }
    }
}

static bool has_room(const struct relay *relay)
{
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++)
        if (relay->calls[i].tag == 0)
            return true;
    return false;
}

static void send_answer(struct relay *relay, uint64_t number, const json_t *body)
{
    struct choice choice = {0};
    const char *wrong = read_choice(body, &choice);
    uint64_t id = 0;
    uint32_t tag;

    if (wrong == NULL && !read_id(body, &id))
        wrong = "the answer does not say to which question.";
    if (wrong != NULL) {
        refuse(relay, number, 422, wrong);
        return;
    }
    tag = peer_answer(desk_join_peer(relay->join), id, &choice);
    if (tag == 0)
        refuse(relay, number, 503, "the answer could not be sent; the question may be gone.");
    else
        keep(relay, number, tag);
}

static void send_undo(struct relay *relay, uint64_t number, const json_t *body)
{
    const char *undo = json_string_value(json_object_get(body, "undo"));
    uint32_t tag = undo == NULL ? 0 : peer_undo(desk_join_peer(relay->join), undo);

    if (undo == NULL)
        refuse(relay, number, 422, "it is not said what to undo.");
    else if (tag == 0)
        refuse(relay, number, 503, "it could not be sent: the desk is not there.");
    else
        keep(relay, number, tag);
}

bool relay_call(struct relay *relay, uint64_t number, const char *name, const json_t *body)
{
    bool answer = strcmp(name, "answer") == 0;

    if (!answer && strcmp(name, "undo") != 0)
        return false;
    if (relay->join == NULL || relay->lost)
        refuse(relay, number, 503, "the desk is not there: is 'gatehouse run' running?");
    else if (!has_room(relay))
        refuse(relay, number, 503, "too many answers are under way.");
    else if (answer)
        send_answer(relay, number, body);
    else
        send_undo(relay, number, body);
    return true;
}
