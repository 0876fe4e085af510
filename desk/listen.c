/* SPDX-License-Identifier: MIT */
/*
 * listen.c - peers, and what they say. See desk.h; the lines are in docs/desk.md. Every byte is untrusted.
 */
#include "desk/desk_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Answers of one peer under way. */
#define UNDER_WAY_MAX 2048u

struct desk_peer *desk_peer_new(struct desk *desk, const char *user, const struct desk_sender *sender, uint64_t now)
{
    struct desk_peer *peer = calloc(1, sizeof(*peer));

    if (peer == NULL)
        return NULL;
    peer->desk = desk;
    peer->sender = *sender;
    snprintf(peer->user, sizeof(peer->user), "%s", user);
    peer->next = desk->peers;
    desk->peers = peer;
    speak_hello(peer);
    desk_peer_pump(peer, now);
    return peer;
}

void desk_peer_free(struct desk_peer *peer)
{
    struct desk_peer **at;

    if (peer == NULL)
        return;
    answers_peer_gone(peer);
    undo_peer_gone(peer);
    for (at = &peer->desk->peers; *at != peer; at = &(*at)->next)
        ;
    *at = peer->next;
    free(peer);
}

void desk_peer_pump(struct desk_peer *peer, uint64_t now)
{
    struct desk *desk = peer->desk;
    unsigned place = desk_place_after(desk, peer->told);

    while (place < desk->count && desk->questions[place]->show_at == 0 &&
           (peer->sender.has_room == NULL || peer->sender.has_room(peer->sender.context))) {
        const struct question *question = desk->questions[place++];

        peer->told = question->id;
        speak_question(peer, question, now);
    }
    if (place < desk->count || peer->ready)
        return;
    peer->ready = true;
    speak_ready(peer);
}

/* --- Lines -------------------------------------------------------------------------------------- */

/* A decimal number of 1 to 20 digits; 0 for anything else. */
static uint64_t read_identifier(const json_t *value)
{
    const char *text = json_string_value(value);
    uint64_t number = 0;

    if (text == NULL || *text == '\0' || strlen(text) > 20)
        return 0;
    for (; *text != '\0'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');

        if (*text < '0' || *text > '9' || number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return number;
}

/* Tags are the peer's own: 0 to 2^53. */
static int64_t read_tag(const json_t *line)
{
    json_int_t tag = json_integer_value(json_object_get(line, "tag"));

    return tag < 0 || tag > (json_int_t)1 << 53 ? 0 : (int64_t)tag;
}

/* NULL, or what is wrong. */
static const char *read_choice(const json_t *line, struct choice *choice)
{
    const char *verdict = json_string_value(json_object_get(line, "verdict"));
    const char *scope = json_string_value(json_object_get(line, "scope"));
    const char *until = json_string_value(json_object_get(line, "until"));
    json_int_t minutes = json_integer_value(json_object_get(line, "minutes"));

    *choice = (struct choice){0};
    if (verdict == NULL || (strcmp(verdict, "permit") != 0 && strcmp(verdict, "block") != 0))
        return "An answer's verdict is permit or block.";
    choice->permit = strcmp(verdict, "permit") == 0;
    if (scope != NULL && !choice_scope_read(scope, &choice->scope))
        return "An answer's scope is connection, destination, name, port or program.";
    if (until != NULL && !choice_until_read(until, &choice->until))
        return "An answer holds until once, minutes, exit, reboot or always.";
    if (choice->until == CHOICE_MINUTES)
        choice->minutes = minutes < 0 || minutes > CHOICE_MINUTES_MAX ? 0 : (uint32_t)minutes;
    return choice_wrong(choice);
}

static bool has_program(const struct question *question)
{
    const struct gatehouse_request *fixed = &question->request.fixed;

    return fixed->path_size > 0 && (fixed->flags & GATEHOUSE_REQUEST_NO_PROGRAM) == 0;
}

/* A refusal takes its turn in the queue too. */
static void refuse(struct answer *answer, const char *sentence)
{
    answer->stage = ANSWER_DONE;
    answer->outcome = OUTCOME_REFUSED;
    snprintf(answer->sentence, sizeof(answer->sentence), "%s", sentence);
}

static void hear_answer(struct desk_peer *peer, const json_t *line)
{
    uint64_t id = read_identifier(json_object_get(line, "id"));
    int64_t tag = read_tag(line);
    struct desk *desk = peer->desk;
    struct answer *answer;
    struct choice choice;
    const char *wrong = read_choice(line, &choice);

    if (id == 0)
        wrong = "An answer names its question by id, a number as a string.";
    if (wrong == NULL && (peer->under_way >= UNDER_WAY_MAX || desk->answer_count >= DESK_ANSWERS_MAX))
        wrong = "Too many answers are under way: wait for some.";
    if (wrong != NULL) {
        speak_error(peer, tag, wrong);
        return;
    }
    answer = answers_add(desk, peer, tag, id);
    if (answer == NULL) {
        speak_error(peer, tag, "The desk is out of memory: the answer did not count.");
        return;
    }
    answer->choice = choice;
    if (answer->stage == ANSWER_WAITING && choice.scope != GATEHOUSE_SCOPE_CONNECTION && !has_program(answer->question))
        refuse(answer, "There is no program's name to remember: answer for this connection only.");
    if (answer->stage == ANSWER_DONE)
        answers_tell(desk);
    else
        desk_wake(desk);
}

static void hear_watch(struct desk_peer *peer, const json_t *line)
{
    peer->watches = json_is_true(json_object_get(line, "connections"));
}

static void hear(struct desk_peer *peer, const json_t *line)
{
    const char *type = json_string_value(json_object_get(line, "type"));

    if (type == NULL)
        speak_error(peer, 0, "A line is one JSON object with a type.");
    else if (strcmp(type, "answer") == 0)
        hear_answer(peer, line);
    else if (strcmp(type, "undo") == 0)
        undo_ask(peer, read_tag(line), read_identifier(json_object_get(line, "undo")));
    else if (strcmp(type, "watch") == 0)
        hear_watch(peer, line);
}

void desk_peer_line(struct desk_peer *peer, const char *line, size_t size, uint64_t now)
{
    json_t *read = size >= DESK_LINE_MAX ? NULL : json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);

    (void)now;
    if (json_is_object(read))
        hear(peer, read);
    else
        speak_error(peer, 0, "A line is one JSON object of at most 64 KiB.");
    json_decref(read);
}
