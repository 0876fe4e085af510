/* SPDX-License-Identifier: MIT */
/*
 * model_keys.c - what keys do. See model.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "screen/model_state.h"

/* --- How far, how long -------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* What an answer about one decides for the other: include/gatehouse/protocol.h, enum gatehouse_scope. */
static bool is_covered(const struct peer_question *one, const struct peer_question *other, enum gatehouse_scope scope)
{
    if (scope == GATEHOUSE_SCOPE_CONNECTION || !same(one->program, other->program) || one->inbound != other->inbound)
        return false;
    switch (scope) {
    case GATEHOUSE_SCOPE_PROGRAM:
        return true;
    case GATEHOUSE_SCOPE_PROGRAM_PORT:
        return same(one->protocol, other->protocol) && one->port == other->port;
    case GATEHOUSE_SCOPE_PROGRAM_NAME:
        return same(one->name, other->name);
    default:
        return same(one->protocol, other->protocol) && one->port == other->port && same(one->address, other->address);
    }
}

static bool is_target(const struct model *model, const struct model_item *item, unsigned marked)
{
    return !item->sent && (marked > 0 ? item->marked : item->question->id == model->selected);
}

/* Whether the scope goes with the question: what it names must be known. */
static bool scope_fits(const struct peer_question *question, enum gatehouse_scope scope)
{
    switch (scope) {
    case GATEHOUSE_SCOPE_CONNECTION:
        return true;
    case GATEHOUSE_SCOPE_PROGRAM_PORT:
        return question->program != NULL && question->port != 0;
    case GATEHOUSE_SCOPE_PROGRAM_NAME:
        return question->program != NULL && question->name != NULL;
    default:
        return question->program != NULL;
    }
}

static bool scope_fits_all(const struct model *model, enum gatehouse_scope scope)
{
    unsigned marked = model_marked(model);

    for (unsigned i = 0; i < model->count; i++)
        if (is_target(model, &model->items[i], marked) && !scope_fits(model->items[i].question, scope))
            return false;
    return true;
}

unsigned model_covers(const struct model *model)
{
    unsigned marked = model_marked(model);
    unsigned covered = 0;

    if (model->scope == GATEHOUSE_SCOPE_CONNECTION)
        return 0;
    for (unsigned i = 0; i < model->count; i++) {
        const struct model_item *item = &model->items[i];
        bool reached = false;

        if (item->sent || is_target(model, item, marked))
            continue;
        for (unsigned j = 0; j < model->count && !reached; j++)
            reached = is_target(model, &model->items[j], marked) &&
                      is_covered(model->items[j].question, item->question, model->scope);
        covered += reached;
    }
    return covered;
}

struct choice model_choice(const struct model *model, bool permit, bool lasting)
{
    struct choice choice = {.permit = permit, .scope = model->scope, .until = model->until};

    if (lasting) {
        choice.until = CHOICE_ALWAYS;
        if (choice.scope == GATEHOUSE_SCOPE_CONNECTION)
            choice.scope = GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
    }
    if (choice.until == CHOICE_MINUTES)
        choice.minutes = model->minutes;
    return choice;
}

static void next_scope(struct model *model)
{
    static const enum gatehouse_scope order[] = {GATEHOUSE_SCOPE_CONNECTION, GATEHOUSE_SCOPE_PROGRAM_DESTINATION,
                                                 GATEHOUSE_SCOPE_PROGRAM_NAME, GATEHOUSE_SCOPE_PROGRAM_PORT,
                                                 GATEHOUSE_SCOPE_PROGRAM};
    const unsigned count = sizeof(order) / sizeof(order[0]);
    unsigned at = 0;

    while (order[at] != model->scope)
        at++;
    do
        at = (at + 1) % count;
    while (!scope_fits_all(model, order[at]));
    model->scope = order[at];
    if (model->scope == GATEHOUSE_SCOPE_CONNECTION)
        model->until = CHOICE_ONCE;
    else if (model->until == CHOICE_ONCE)
        model->until = CHOICE_EXIT;
    if (at == 0 && !scope_fits_all(model, GATEHOUSE_SCOPE_PROGRAM))
        model_say(model, MODEL_WARNING, "The program is not known: an answer can be for this connection only.");
}

static void next_until(struct model *model)
{
    if (!scope_fits_all(model, GATEHOUSE_SCOPE_PROGRAM_DESTINATION)) {
        model_say(model, MODEL_WARNING, "The program is not known: an answer can be for this connection only.");
        return;
    }
    model->until = model->until == CHOICE_ALWAYS ? CHOICE_ONCE : (enum choice_until)(model->until + 1);
    if (model->until == CHOICE_ONCE)
        model->scope = GATEHOUSE_SCOPE_CONNECTION;
    else if (model->scope == GATEHOUSE_SCOPE_CONNECTION)
        model->scope = GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
}

/* --- Answers ------------------------------------------------------------------------------------ */

static struct model_sent *add_sent(struct model *model)
{
    if (model->sent_count == MODEL_SENT_MAX)
        return NULL;
    if (model->sent_count == model->sent_room) {
        unsigned room = model->sent_room == 0 ? 16 : 2 * model->sent_room;
        struct model_sent *sent = realloc(model->sent, room * sizeof(*sent));

        if (sent == NULL)
            return NULL;
        model->sent = sent;
        model->sent_room = room;
    }
    model->sent[model->sent_count] = (struct model_sent){.batch = model->batch};
    return &model->sent[model->sent_count];
}

static void send_answer(struct model *model, struct model_item *item, const struct choice *choice)
{
    const struct peer_question *question = item->question;
    struct model_sent *sent = add_sent(model);
    uint32_t tag;

    if (sent == NULL) {
        model_say(model, MODEL_WARNING, "Too many answers are under way: answer again in a moment.");
        return;
    }
    tag = model->desk.answer(model->desk.context, question->id, choice);
    if (tag == 0)
        return;
    sent->tag = tag;
    sent->id = question->id;
    sent->permit = choice->permit;
    text_add(&sent->what, model_program_name(question));
    model_reach(&sent->what, question, choice);
    model->sent_count++;
    item->sent = true;
    item->marked = false;
}

static bool has_target(const struct model *model, unsigned marked)
{
    for (unsigned i = 0; i < model->count; i++)
        if (is_target(model, &model->items[i], marked))
            return true;
    return false;
}

static void answer(struct model *model, bool permit, bool lasting, uint64_t now)
{
    struct choice choice = model_choice(model, permit, lasting);
    unsigned marked = model_marked(model);
    unsigned place = model_place(model);

    if (!model_is_armed(model, now)) {
        if (model->selected != 0)
            model_say(model, MODEL_PLAIN, "Another question came up: read it first, then answer.");
        return;
    }
    if (!model->connected || !model->decider)
        return;
    if (!scope_fits_all(model, choice.scope)) {
        model_say(model, MODEL_WARNING, "The program is not known, so nothing can be remembered: answer y or n.");
        return;
    }
    if (!has_target(model, marked))
        return;
    model->batch++;
    memset(&model->outcome, 0, sizeof(model->outcome));
    for (unsigned i = 0; i < model->count; i++)
        if (is_target(model, &model->items[i], marked))
            send_answer(model, &model->items[i], &choice);
    /* The next one that still waits for an answer, from here on. */
    for (unsigned i = 0; i < model->visible_count; i++) {
        const struct model_item *item = &model->items[model->visible[(place + i) % model->visible_count]];

        if (!item->sent) {
            model_select(model, item->question->id);
            break;
        }
    }
    model_set_page(model, model->page);
}

static void undo_last(struct model *model)
{
    uint32_t batch;
    uint32_t tag = 0;

    if (model->undo_count == 0) {
        model_say(model, MODEL_PLAIN, "There is nothing to undo: what was answered for one connection alone is done.");
        return;
    }
    batch = model->undo[model->undo_count - 1].batch;
    while (model->undo_count > 0 && model->undo[model->undo_count - 1].batch == batch) {
        struct model_undo *undo = &model->undo[model->undo_count - 1];

        tag = model->desk.undo(model->desk.context, undo->undo);
        if (tag == 0)
            return;
        free(undo->undo);
        model->undo_count--;
    }
    model->undoing = tag;
    model->outcome.can_undo = false;
    model_say(model, MODEL_PLAIN, "Undoing the last answer.");
}

/* --- Keys --------------------------------------------------------------------------------------- */

static void move_to(struct model *model, unsigned place)
{
    if (model->visible_count == 0)
        return;
    if (place >= model->visible_count)
        place = model->visible_count - 1;
    model_select(model, model->items[model->visible[place]].question->id);
    model_set_page(model, model->page);
}

static bool press_move(struct model *model, int key)
{
    unsigned place = model_place(model);

    switch (key) {
    case MODEL_KEY_UP:
    case 'k':
        move_to(model, place == 0 ? 0 : place - 1);
        return true;
    case MODEL_KEY_DOWN:
    case 'j':
        move_to(model, place + 1);
        return true;
    case MODEL_KEY_PAGE_UP:
        move_to(model, place > model->page ? place - model->page : 0);
        return true;
    case MODEL_KEY_PAGE_DOWN:
        move_to(model, place + model->page);
        return true;
    case MODEL_KEY_HOME:
    case 'g':
        move_to(model, 0);
        return true;
    case MODEL_KEY_END:
    case 'G':
        move_to(model, model->visible_count);
        return true;
    default:
        return false;
    }
}

static void mark(struct model *model, uint64_t now)
{
    if (!model_is_armed(model, now))
        return;
    for (unsigned i = 0; i < model->count; i++) {
        struct model_item *item = &model->items[i];

        if (item->question->id == model->selected && !item->sent)
            item->marked = !item->marked;
    }
    if (!scope_fits_all(model, model->scope)) {
        model->scope = GATEHOUSE_SCOPE_CONNECTION;
        model->until = CHOICE_ONCE;
    }
}

static void leave(struct model *model)
{
    if (model->count == 0 || !model->own)
        model->quit = true;
    else
        model->view = MODEL_LEAVING;
}

static void press_escape(struct model *model)
{
    model->filter[0] = '\0';
    for (unsigned i = 0; i < model->count; i++)
        model->items[i].marked = false;
    model->scope = GATEHOUSE_SCOPE_CONNECTION;
    model->until = CHOICE_ONCE;
    model_select_near(model, model_place(model));
}

static void press_in_list(struct model *model, int key, uint64_t now)
{
    if (press_move(model, key))
        return;
    if (key >= '1' && key <= '9' && model->selected != 0 && model_is_armed(model, now)) {
        model->view = MODEL_MINUTE;
        model->typed[0] = (char)key;
        model->typed[1] = '\0';
        return;
    }
    switch (key) {
    case 'y':
    case 'n':
        answer(model, key == 'y', false, now);
        break;
    case 'a':
    case 'v':
        answer(model, key == 'a', true, now);
        break;
    case 's':
    case 't':
        if (model->selected != 0)
            (key == 's' ? next_scope : next_until)(model);
        break;
    case ' ':
        mark(model, now);
        break;
    case 'u':
        undo_last(model);
        break;
    case '/':
        model->view = MODEL_FILTER;
        break;
    case '?':
        model->view = MODEL_HELP;
        model->scroll = 0;
        break;
    case MODEL_KEY_ENTER:
    case MODEL_KEY_TAB:
        if (model->selected != 0)
            model->view = MODEL_DETAILS;
        model->scroll = 0;
        break;
    case MODEL_KEY_ESCAPE:
        press_escape(model);
        break;
    case 'q':
        leave(model);
        break;
    default:
        break;
    }
}

static void press_in_filter(struct model *model, int key)
{
    size_t length = strlen(model->filter);
    unsigned place = model_place(model);

    if (key == MODEL_KEY_ENTER || key == MODEL_KEY_TAB) {
        model->view = MODEL_LIST;
    } else if (key == MODEL_KEY_ESCAPE) {
        model->filter[0] = '\0';
        model->view = MODEL_LIST;
    } else if (key == MODEL_KEY_BACKSPACE) {
        /* A whole character. */
        while (length > 0 && ((unsigned char)model->filter[length - 1] & 0xC0) == 0x80)
            length--;
        model->filter[length == 0 ? 0 : length - 1] = '\0';
    } else if (key >= ' ' && key < 256 && key != 127 && length + 1 < sizeof(model->filter)) {
        model->filter[length] = (char)key;
        model->filter[length + 1] = '\0';
    }
    model_select_near(model, place);
}

static void press_in_minutes(struct model *model, int key)
{
    size_t length = strlen(model->typed);
    unsigned long minutes;

    if (key >= '0' && key <= '9' && length + 1 < sizeof(model->typed)) {
        model->typed[length] = (char)key;
        model->typed[length + 1] = '\0';
    } else if (key == MODEL_KEY_BACKSPACE && length > 0) {
        model->typed[length - 1] = '\0';
    } else if (key == MODEL_KEY_ESCAPE) {
        model->view = MODEL_LIST;
    } else if (key == MODEL_KEY_ENTER) {
        minutes = strtoul(model->typed, NULL, 10);
        model->view = MODEL_LIST;
        if (minutes == 0 || minutes > CHOICE_MINUTES_MAX) {
            model_say(model, MODEL_WARNING, "An answer can hold for 1 to %u minutes.", CHOICE_MINUTES_MAX);
            return;
        }
        if (!scope_fits_all(model, GATEHOUSE_SCOPE_PROGRAM_DESTINATION)) {
            model_say(model, MODEL_WARNING, "The program is not known: an answer can be for this connection only.");
            return;
        }
        model->minutes = (uint32_t)minutes;
        model->until = CHOICE_MINUTES;
        if (model->scope == GATEHOUSE_SCOPE_CONNECTION)
            model->scope = GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
    }
}

static void press_in_text(struct model *model, int key)
{
    switch (key) {
    case MODEL_KEY_UP:
    case 'k':
        model->scroll -= model->scroll > 0;
        break;
    case MODEL_KEY_DOWN:
    case 'j':
        model->scroll++;
        break;
    case MODEL_KEY_PAGE_UP:
        model->scroll = model->scroll > 10 ? model->scroll - 10 : 0;
        break;
    case MODEL_KEY_PAGE_DOWN:
    case ' ':
        model->scroll += 10;
        break;
    case MODEL_KEY_HOME:
        model->scroll = 0;
        break;
    case MODEL_KEY_END:
        model->scroll = 1000000;
        break;
    default:
        model->view = MODEL_LIST;
        break;
    }
}

void model_press(struct model *model, int key, uint64_t now)
{
    if (key == '\r')
        key = MODEL_KEY_ENTER;
    if (key == 8 || key == 127)
        key = MODEL_KEY_BACKSPACE;
    switch (model->view) {
    case MODEL_LIST:
        press_in_list(model, key, now);
        break;
    case MODEL_FILTER:
        press_in_filter(model, key);
        break;
    case MODEL_MINUTE:
        press_in_minutes(model, key);
        break;
    case MODEL_LEAVING:
        model->view = MODEL_LIST;
        model->quit = key == 'q';
        break;
    default:
        press_in_text(model, key);
        break;
    }
}

/* --- Words -------------------------------------------------------------------------------------- */

const char *model_program_name(const struct peer_question *question)
{
    const char *slash;

    if (question->program == NULL || question->program[0] == '\0')
        return "(unknown program)";
    slash = strrchr(question->program, '/');
    return slash == NULL || slash[1] == '\0' ? question->program : slash + 1;
}

void model_destination(struct text *text, const struct peer_question *question, bool with_port)
{
    const char *host = question->name != NULL && !question->inbound ? question->name : question->address;
    bool brackets = host != NULL && strchr(host, ':') != NULL && with_port && question->port != 0;

    if (host == NULL)
        host = "(unknown)";
    if (question->inbound) {
        text_add_format(text, "port %u from %s", question->port, host);
        return;
    }
    text_add_format(text, brackets ? "[%s]" : "%s", host);
    if (with_port && question->port != 0)
        text_add_format(text, ":%u", question->port);
}

void model_reach(struct text *text, const struct peer_question *question, const struct choice *choice)
{
    switch (choice->scope) {
    case GATEHOUSE_SCOPE_PROGRAM:
        text_add(text, question->inbound ? " to accept anything" : " to anything");
        break;
    case GATEHOUSE_SCOPE_PROGRAM_PORT:
        text_add_format(text, " to port %u of any address", question->port);
        break;
    case GATEHOUSE_SCOPE_PROGRAM_NAME:
        text_add_format(text, " to any port of %s", question->name == NULL ? "" : question->name);
        break;
    default:
        text_add(text, question->inbound ? " to accept at " : " to ");
        model_destination(text, question, choice->scope != GATEHOUSE_SCOPE_CONNECTION);
        break;
    }
    choice_show_until(text, choice);
}
