/* SPDX-License-Identifier: MIT */
/*
 * notify.c - see notify.h.
 */
#include "notify/notify.h"

#include <stdlib.h>
#include <string.h>

#include "agent/stop.h"
#include "agent/text.h"
#include "desk/join.h"
#include "notify/bus.h"

/* What waits for one program to one destination. */
struct group {
    struct group *next;
    struct peer_question *first; /* the oldest that waits; their mark is the group */
    unsigned count;
    struct bus_note *note; /* NULL: not shown */
    bool dismissed;        /* closed without an answer */
    bool answered;         /* a button was clicked: their ends are under way */
    char *trouble;         /* why the last answer did not count */
};

struct notify {
    struct desk_join *join;
    struct peer *peer;
    struct bus *bus;
    void (*say)(const char *sentence);
    struct group *groups; /* in the order of coming */
    struct bus_note *summary;
    bool bus_ended;
    struct text title, body;
};

/* --- Text ---------------------------------------------------------------------------------------- */

/* What others wrote may not be taken for marks. */
static void add_escaped(struct notify *notify, const char *text)
{
    if (!bus_has_markup(notify->bus)) {
        text_add(&notify->body, text);
        return;
    }
    for (; *text != '\0'; text++) {
        if (*text == '&')
            text_add(&notify->body, "&amp;");
        else if (*text == '<')
            text_add(&notify->body, "&lt;");
        else if (*text == '>')
            text_add(&notify->body, "&gt;");
        else
            text_add_bytes(&notify->body, text, 1);
    }
}

static void add_line(struct notify *notify, const char *name, const char *value)
{
    if (value == NULL)
        return;
    text_add(&notify->body, "\n");
    text_add(&notify->body, name);
    add_escaped(notify, value);
}

static const char *short_name(const char *program)
{
    const char *slash = program == NULL ? NULL : strrchr(program, '/');

    if (program == NULL)
        return "An unknown program";
    return slash == NULL || slash[1] == '\0' ? program : slash + 1;
}

static void write_destination(struct notify *notify, const struct peer_question *question)
{
    struct text *body = &notify->body;

    text_add(body, question->inbound ? "from " : "to ");
    if (question->look_alike != NULL)
        add_escaped(notify, question->look_alike);
    else if (question->name != NULL)
        add_escaped(notify, question->name);
    if (question->name != NULL || question->look_alike != NULL)
        text_add(body, " (");
    add_escaped(notify, question->address == NULL ? "?" : question->address);
    if (question->name != NULL || question->look_alike != NULL)
        text_add(body, ")");
    if (question->port != 0)
        text_add_format(body, question->inbound ? ", to port %u" : " port %u", question->port);
    if (question->service != NULL) {
        text_add(body, " ");
        add_escaped(notify, question->service);
    }
    if (question->protocol != NULL) {
        text_add(body, ", ");
        add_escaped(notify, question->protocol);
    }
}

static void write_group(struct notify *notify, const struct group *group)
{
    const struct peer_question *question = group->first;

    text_clear(&notify->title);
    text_clear(&notify->body);
    text_add_format(&notify->title, question->inbound ? "%.100s is asked to accept" : "%.100s wants to connect",
                    short_name(question->program));
    if (group->count > 1)
        text_add_format(&notify->title, " (%u connections)", group->count);
    write_destination(notify, question);
    add_line(notify, question->deleted ? "program, its file is gone: " : "program: ", question->program);
    add_line(notify, "user: ", question->user);
    add_line(notify, "package: ", question->package);
    add_line(notify, "unit: ", question->unit);
    if (question->parent_count > 0)
        add_line(notify, "started by: ", question->parents[0].name);
    add_line(notify, "", group->trouble);
    if (!bus_has_buttons(notify->bus))
        text_add(&notify->body, "\nAnswer with 'gatehouse ask'.");
}

/* --- What is shown ------------------------------------------------------------------------------- */

static void show_group(struct notify *notify, struct group *group)
{
    if (group->note == NULL)
        group->note = bus_note_new(notify->bus, group);
    if (group->note == NULL)
        return;
    write_group(notify, group);
    bus_note_show(group->note, text_string(&notify->title), text_string(&notify->body), bus_has_buttons(notify->bus));
}

static void show_summary(struct notify *notify, unsigned groups, unsigned connections)
{
    if (groups == 0) {
        bus_note_free(notify->summary);
        notify->summary = NULL;
        return;
    }
    if (notify->summary == NULL)
        notify->summary = bus_note_new(notify->bus, NULL);
    if (notify->summary == NULL)
        return;
    text_clear(&notify->title);
    text_clear(&notify->body);
    text_add_format(&notify->title, "%u more connection%s to be decided", connections,
                    connections == 1 ? " waits" : "s wait");
    text_add(&notify->body, "They are shown when these are answered. 'gatehouse ask' shows all.");
    bus_note_show(notify->summary, text_string(&notify->title), text_string(&notify->body), false);
}

/* The oldest few, and one for the rest. */
static void show_all(struct notify *notify)
{
    unsigned shown = 0, groups = 0, connections = 0;

    if (!bus_is_ready(notify->bus))
        return;
    for (struct group *group = notify->groups; group != NULL; group = group->next) {
        if (group->dismissed || group->answered)
            continue;
        if (shown < NOTIFY_SHOWN_MAX) {
            shown++;
            show_group(notify, group);
            continue;
        }
        groups++;
        connections += group->count;
    }
    show_summary(notify, groups, connections);
}

/* --- Groups --------------------------------------------------------------------------------------- */

static bool same(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static bool fits(const struct group *group, const struct peer_question *question)
{
    const struct peer_question *first = group->first;

    return same(first->program, question->program) && same(first->address, question->address) &&
           same(first->protocol, question->protocol) && first->port == question->port &&
           first->inbound == question->inbound;
}

static void group_free(struct notify *notify, struct group *group)
{
    struct group **at = &notify->groups;

    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    bus_note_free(group->note);
    free(group->trouble);
    free(group);
}

static void on_question(void *context, struct peer_question *question)
{
    struct notify *notify = context;
    struct group **at = &notify->groups;

    while (*at != NULL && !fits(*at, question))
        at = &(*at)->next;
    if (*at == NULL) {
        *at = calloc(1, sizeof(**at));
        if (*at == NULL)
            return;
        (*at)->first = question;
    }
    (*at)->count++;
    (*at)->answered = false;
    question->mark = *at;
    show_all(notify);
}

static struct peer_question *next_of(const struct group *group, const struct peer_question *question)
{
    struct peer_question *next = peer_next(question);

    while (next != NULL && next->mark != group)
        next = peer_next(next);
    return next;
}

static void on_gone(void *context, struct peer_question *question, const struct peer_gone *gone)
{
    struct notify *notify = context;
    struct group *group = question->mark;

    (void)gone;
    if (group == NULL)
        return;
    group->count--;
    if (group->count == 0) {
        group_free(notify, group);
    } else if (group->first == question) {
        group->first = peer_first(notify->peer);
        if (group->first->mark != group)
            group->first = next_of(group, group->first);
    }
    show_all(notify);
}

/* --- Answers -------------------------------------------------------------------------------------- */

static void on_clicked(void *context, void *mark, enum bus_action action)
{
    struct notify *notify = context;
    struct group *group = mark;
    struct choice choice = {.permit = action != BUS_BLOCK};

    if (group == NULL)
        return;
    if (action == BUS_PERMIT_ALWAYS) {
        choice.scope = GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
        choice.until = CHOICE_ALWAYS;
    }
    group->answered = true;
    free(group->trouble);
    group->trouble = NULL;
    /* Its ends take it away; should the answer not count, it is shown again. */
    bus_note_free(group->note);
    group->note = NULL;
    for (struct peer_question *question = group->first; question != NULL; question = next_of(group, question)) {
        (void)peer_answer(notify->peer, question->id, &choice);
        if (action == BUS_PERMIT_ALWAYS)
            break; /* it covers the others */
    }
    show_all(notify);
}

static void on_closed(void *context, void *mark)
{
    struct notify *notify = context;
    struct group *group = mark;

    if (group == NULL) {
        bus_note_free(notify->summary); /* shown again when more come */
        notify->summary = NULL;
        return;
    }
    group->dismissed = true;
    bus_note_free(group->note);
    group->note = NULL;
    show_all(notify);
}

static void on_answered(void *context, const struct peer_answered *answered)
{
    struct notify *notify = context;
    struct peer_question *question = peer_find(notify->peer, answered->id);
    struct group *group = question == NULL ? NULL : question->mark;

    if (answered->outcome == PEER_OK || group == NULL || !group->answered)
        return;
    group->answered = false;
    free(group->trouble);
    group->trouble = answered->sentence == NULL ? NULL : strdup(answered->sentence);
    show_all(notify);
}

/* --- The rest -------------------------------------------------------------------------------------- */

static void on_bus_ready(void *context)
{
    show_all(context);
}

static void on_bus_ended(void *context)
{
    struct notify *notify = context;

    notify->bus_ended = true;
    loop_end(desk_join_loop(notify->join));
}

static void on_error(void *context, uint32_t tag, const char *sentence)
{
    struct notify *notify = context;

    (void)tag;
    notify->say(sentence);
}

static void on_lost(void *context, const char *sentence)
{
    on_error(context, 0, sentence);
}

static void on_back(void *context)
{
    on_error(context, 0, "the desk is back.");
}

static enum agent_result begin(struct notify *notify, const char *desk, struct problem *problem)
{
    struct desk_join_settings settings = {.desk = desk, .remote = true, .patient = true};
    struct peer_handlers peer = {.context = notify,
                                 .question = on_question,
                                 .gone = on_gone,
                                 .answered = on_answered,
                                 .error = on_error,
                                 .lost = on_lost,
                                 .back = on_back};
    struct bus_handlers bus = {.context = notify,
                               .clicked = on_clicked,
                               .closed = on_closed,
                               .ready = on_bus_ready,
                               .ended = on_bus_ended,
                               .say = notify->say};
    enum agent_result result = desk_join(&settings, &peer, &notify->join, problem);

    if (result != AGENT_OK)
        return result;
    notify->peer = desk_join_peer(notify->join);
    return bus_open(desk_join_loop(notify->join), &bus, &notify->bus, problem);
}

enum agent_result notify_run(const char *desk, void (*say)(const char *sentence), struct problem *problem)
{
    struct notify notify = {.say = say};
    enum agent_result result = begin(&notify, desk, problem);

    if (result == AGENT_OK) {
        loop_run(desk_join_loop(notify.join));
        result = notify.bus_ended && !stop_requested()
                     ? problem_set(problem, AGENT_LOST, "the session's bus ended, and so do notifications.")
                     : AGENT_STOPPED;
    }
    while (notify.groups != NULL)
        group_free(&notify, notify.groups);
    if (notify.bus != NULL)
        bus_note_free(notify.summary);
    bus_close(notify.bus);
    desk_leave(notify.join);
    text_free(&notify.title);
    text_free(&notify.body);
    return result;
}
