/* SPDX-License-Identifier: MIT */
/*
 * model.c - see model.h. What the desk says, and what is selected. Keys are in model_keys.c.
 */
#include "screen/model_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool model_init(struct model *model, const struct model_desk *desk)
{
    *model = (struct model){.desk = *desk, .minutes = MODEL_MINUTES, .page = 1, .connected = true, .decider = true};
    model->room = 64;
    model->items = calloc(model->room, sizeof(*model->items));
    model->visible = calloc(model->room, sizeof(*model->visible));
    if (model->items != NULL && model->visible != NULL)
        return true;
    model_cleanup(model);
    return false;
}

void model_cleanup(struct model *model)
{
    for (unsigned i = 0; i < model->sent_count; i++)
        text_free(&model->sent[i].what);
    for (unsigned i = 0; i < model->undo_count; i++)
        free(model->undo[i].undo);
    free(model->sent);
    free(model->items);
    free(model->visible);
    text_free(&model->message);
    text_free(&model->you);
    text_free(&model->state);
    *model = (struct model){0};
}

void model_say(struct model *model, enum model_tone tone, const char *format, ...)
{
    char sentence[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    text_clear(&model->message);
    text_add(&model->message, sentence);
    model->tone = tone;
}

static void set_text(struct text *text, const char *string)
{
    text_clear(text);
    text_add(text, string == NULL ? "" : string);
}

/* --- What is selected ------------------------------------------------------------------------- */

static unsigned find_item(const struct model *model, uint64_t id)
{
    for (unsigned i = 0; i < model->count; i++)
        if (model->items[i].question->id == id)
            return i;
    return model->count;
}

const struct model_item *model_selected(const struct model *model)
{
    unsigned place = model->selected == 0 ? model->count : find_item(model, model->selected);

    return place == model->count ? NULL : &model->items[place];
}

unsigned model_place(const struct model *model)
{
    for (unsigned i = 0; i < model->visible_count; i++)
        if (model->items[model->visible[i]].question->id == model->selected)
            return i;
    return 0;
}

static bool has_part(const char *text, const char *part)
{
    size_t length = strlen(part);

    for (; text != NULL && *text != '\0'; text++) {
        size_t i = 0;

        while (i < length && (text[i] | (text[i] >= 'A' && text[i] <= 'Z' ? 0x20 : 0)) ==
                                 (part[i] | (part[i] >= 'A' && part[i] <= 'Z' ? 0x20 : 0)))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

static bool is_let_through(const struct model *model, const struct peer_question *question)
{
    const char *const texts[] = {question->program, question->name,    question->address,
                                 question->user,    question->package, question->unit,
                                 question->service, question->command, question->protocol};

    if (model->filter[0] == '\0')
        return true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (has_part(texts[i], model->filter))
            return true;
    return false;
}

void model_select(struct model *model, uint64_t id)
{
    if (id == model->selected)
        return;
    model->selected = id;
    model->scope = GATEHOUSE_SCOPE_CONNECTION;
    model->until = CHOICE_ONCE;
    model->minutes = MODEL_MINUTES;
    /* What was being written was meant for the question before. */
    if (model->view == MODEL_MINUTE || model->view == MODEL_DETAILS)
        model->view = MODEL_LIST;
}

/* place: where the selected one was in visible, for when it is not there any more. */
void model_select_near(struct model *model, unsigned place)
{
    bool there = false;

    model->visible_count = 0;
    for (unsigned i = 0; i < model->count; i++) {
        if (!is_let_through(model, model->items[i].question))
            continue;
        there = there || model->items[i].question->id == model->selected;
        model->visible[model->visible_count++] = i;
    }
    if (!there) {
        if (place >= model->visible_count && place > 0)
            place = model->visible_count == 0 ? 0 : model->visible_count - 1;
        model_select(model, model->visible_count == 0 ? 0 : model->items[model->visible[place]].question->id);
    }
    model_set_page(model, model->page);
}

void model_set_page(struct model *model, unsigned page)
{
    unsigned place = model_place(model);

    model->page = page == 0 ? 1 : page;
    if (place < model->top)
        model->top = place;
    if (place >= model->top + model->page)
        model->top = place - model->page + 1;
    if (model->top + model->page > model->visible_count)
        model->top = model->visible_count > model->page ? model->visible_count - model->page : 0;
}

void model_shown(struct model *model, bool with_question, uint64_t now)
{
    bool on_screen = with_question && model->view != MODEL_HELP && model->view != MODEL_DETAILS;

    if (!on_screen) {
        /* Behind the help the same question may stay: it was read before. With no room nothing was. */
        if (!with_question)
            model->shown = 0;
        return;
    }
    if (model->shown == model->selected)
        return;
    model->shown = model->selected;
    model->shown_at = now;
}

bool model_is_armed(const struct model *model, uint64_t now)
{
    return model->selected != 0 && model->shown == model->selected && now >= model->shown_at + MODEL_PAUSE;
}

uint64_t model_seconds_left(const struct peer_question *question, uint64_t now)
{
    uint64_t left = question->deadline > now ? question->deadline - now : 0;

    return left / CLOCK_SECOND + (left % CLOCK_SECOND != 0);
}

uint64_t model_due(const struct model *model, uint64_t now)
{
    const struct model_item *item = model_selected(model);
    uint64_t deadline, when;

    if (model->count == 0 || model->items == NULL)
        return 0;
    /* The time left of the selected one, else of the first, changes its number. */
    deadline = item != NULL ? item->question->deadline : model->items[0].question->deadline;
    if (deadline > now) {
        uint64_t rest = (deadline - now) % CLOCK_SECOND;

        when = now + (rest == 0 ? CLOCK_SECOND : rest);
    } else {
        when = now + CLOCK_SECOND;
    }
    if (model->selected != 0 && model->shown == model->selected && now < model->shown_at + MODEL_PAUSE &&
        model->shown_at + MODEL_PAUSE < when)
        when = model->shown_at + MODEL_PAUSE;
    return when;
}

unsigned model_marked(const struct model *model)
{
    unsigned count = 0;

    for (unsigned i = 0; i < model->count; i++)
        count += model->items[i].marked;
    return count;
}

/* --- What the desk says ------------------------------------------------------------------------- */

static bool make_room(struct model *model)
{
    struct model_item *items;
    unsigned *visible;

    if (model->count < model->room)
        return true;
    items = realloc(model->items, 2 * model->room * sizeof(*items));
    if (items == NULL)
        return false;
    model->items = items;
    visible = realloc(model->visible, 2 * model->room * sizeof(*visible));
    if (visible == NULL)
        return false;
    model->visible = visible;
    model->room *= 2;
    return true;
}

void model_question(struct model *model, const struct peer_question *question)
{
    unsigned place = model_place(model);
    unsigned at = find_item(model, question->id);
    struct model_item item = {.question = question};

    if (at < model->count) {
        item = model->items[at];
        item.question = question;
        memmove(model->items + at, model->items + at + 1, (model->count - at - 1) * sizeof(item));
        model->count--;
    } else if (!make_room(model)) {
        model_say(model, MODEL_WARNING, "Out of memory for one more question.");
        return;
    }
    for (at = model->count; at > 0; at--) {
        const struct peer_question *before = model->items[at - 1].question;

        if (before->deadline < question->deadline ||
            (before->deadline == question->deadline && before->id < question->id))
            break;
        model->items[at] = model->items[at - 1];
    }
    model->items[at] = item;
    model->count++;
    model_select_near(model, place);
}

static void say_gone(struct model *model, const struct peer_question *question, const struct peer_gone *gone)
{
    struct text to = {0};
    bool permit = gone->verdict == GATEHOUSE_VERDICT_PERMIT;
    const char *what = permit ? "permitted" : gone->verdict == GATEHOUSE_VERDICT_BLOCK ? "blocked" : "ended";

    model_destination(&to, question, false);
    if (gone->who != NULL)
        model_say(model, permit ? MODEL_PERMITTED : MODEL_BLOCKED, "%s %s it: %s to %s", gone->who, what,
                  model_program_name(question), text_string(&to));
    else if (gone->by == GATEHOUSE_BY_CANCEL)
        model_say(model, MODEL_PLAIN, "%s gave up: nobody has to answer for %s any more", model_program_name(question),
                  text_string(&to));
    else if (gone->by == GATEHOUSE_BY_DEADLINE)
        model_say(model, permit ? MODEL_PERMITTED : MODEL_BLOCKED, "nobody answered in time: %s to %s is %s",
                  model_program_name(question), text_string(&to), what);
    else if (gone->by == GATEHOUSE_BY_RULE)
        model_say(model, permit ? MODEL_PERMITTED : MODEL_BLOCKED, "%s to %s is %s: the rules changed",
                  model_program_name(question), text_string(&to), what);
    else if (gone->by == GATEHOUSE_BY_ANSWER)
        model_say(model, permit ? MODEL_PERMITTED : MODEL_BLOCKED, "%s to %s is %s by an earlier answer",
                  model_program_name(question), text_string(&to), what);
    text_free(&to);
}

/* Whether the last answers' outcome is what stands in the message, or is about to. */
static bool is_awaited(const struct model *model)
{
    for (unsigned i = 0; i < model->sent_count; i++)
        if (model->sent[i].batch == model->batch)
            return true;
    return false;
}

void model_gone(struct model *model, const struct peer_question *question, const struct peer_gone *gone)
{
    unsigned place = model_place(model);
    unsigned at = find_item(model, question->id);

    if (at == model->count)
        return;
    /* The outcome of one's own answer says more. */
    if (!gone->mine && !(gone->by == GATEHOUSE_BY_ANSWER && (is_awaited(model) || model->outcome.covered > 0)))
        say_gone(model, question, gone);
    memmove(model->items + at, model->items + at + 1, (model->count - at - 1) * sizeof(*model->items));
    model->count--;
    model_select_near(model, place);
}

static struct model_sent *find_sent(struct model *model, uint32_t tag)
{
    for (unsigned i = 0; i < model->sent_count; i++)
        if (model->sent[i].tag == tag)
            return &model->sent[i];
    return NULL;
}

static void drop_sent(struct model *model, struct model_sent *sent)
{
    text_free(&sent->what);
    *sent = model->sent[--model->sent_count];
}

static void add_undo(struct model *model, const char *undo, uint32_t batch)
{
    char *copy = strdup(undo);

    if (copy == NULL)
        return;
    if (model->undo_count == MODEL_UNDO_MAX) {
        free(model->undo[0].undo);
        memmove(model->undo, model->undo + 1, (MODEL_UNDO_MAX - 1) * sizeof(*model->undo));
        model->undo_count--;
    }
    model->undo[model->undo_count++] = (struct model_undo){.undo = copy, .batch = batch};
}

static void say_outcome(struct model *model, const struct model_sent *sent)
{
    const char *what = sent->permit ? "permitted" : "blocked";
    struct text line = {0};

    if (model->outcome.taken == 1)
        text_add_format(&line, "%s %s", what, text_string(&sent->what));
    else
        text_add_format(&line, "%s %u connections", what, model->outcome.taken);
    if (model->outcome.covered > 0)
        text_add_format(&line, " and %llu more", (unsigned long long)model->outcome.covered);
    if (model->outcome.failed > 0)
        text_add_format(&line, "; %u came too late", model->outcome.failed);
    if (model->outcome.can_undo)
        text_add(&line, " \xC2\xB7 u undoes");
    model_say(model, sent->permit ? MODEL_PERMITTED : MODEL_BLOCKED, "%s", text_string(&line));
    text_free(&line);
}

void model_answered(struct model *model, const struct peer_answered *answered)
{
    struct model_sent *sent = find_sent(model, answered->tag);
    unsigned at = find_item(model, answered->id);

    if (sent == NULL)
        return;
    if (answered->outcome == PEER_OK && answered->undo != NULL)
        add_undo(model, answered->undo, sent->batch);
    if (answered->outcome != PEER_OK && at < model->count)
        model->items[at].sent = false; /* still held: it can be answered again */
    if (sent->batch == model->batch) {
        model->outcome.taken += answered->outcome == PEER_OK;
        model->outcome.failed += answered->outcome != PEER_OK;
        model->outcome.covered += answered->outcome == PEER_OK ? answered->covered : 0;
        model->outcome.can_undo = model->outcome.can_undo || (answered->outcome == PEER_OK && answered->undo != NULL);
    }
    if (answered->outcome != PEER_OK && (sent->batch != model->batch || model->outcome.taken == 0))
        model_say(model, MODEL_WARNING, "%s",
                  answered->sentence == NULL ? "The answer did not count." : answered->sentence);
    else if (sent->batch == model->batch)
        say_outcome(model, sent);
    drop_sent(model, sent);
}

void model_undone(struct model *model, uint32_t tag, bool done, const char *sentence)
{
    if (tag == model->undoing)
        model->undoing = 0;
    model_say(model, done ? MODEL_PLAIN : MODEL_WARNING, "%s",
              sentence != NULL ? sentence
              : done           ? "The answer is undone."
                               : "The answer could not be undone.");
}

void model_error(struct model *model, uint32_t tag, const char *sentence)
{
    struct model_sent *sent = tag == 0 ? NULL : find_sent(model, tag);

    if (sent != NULL) {
        unsigned at = find_item(model, sent->id);

        if (at < model->count)
            model->items[at].sent = false;
        drop_sent(model, sent);
    }
    if (tag != 0 && tag == model->undoing)
        model->undoing = 0;
    model_say(model, MODEL_WARNING, "%s", sentence);
}

void model_hello(struct model *model, const struct peer_hello *hello)
{
    set_text(&model->you, hello->you);
    model->decider = hello->decider;
    set_text(&model->state, hello->decider ? "" : hello->sentence);
}

void model_lost(struct model *model, const char *sentence)
{
    while (model->sent_count > 0)
        drop_sent(model, &model->sent[model->sent_count - 1]);
    model->undoing = 0;
    model->connected = false;
    set_text(&model->state, sentence);
}

void model_back(struct model *model)
{
    model->connected = true;
    set_text(&model->state, "");
    model_say(model, MODEL_PLAIN, "The desk is back.");
}
