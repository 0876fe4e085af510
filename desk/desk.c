/* SPDX-License-Identifier: MIT */
/*
 * desk.c - see desk.h: the questions that wait.
 *
 * Offers and events come over two connections and may overtake each other, so ends that come early are kept for a
 * while. Answers come back over the first and their events over the second: a question that somebody's answer is under
 * way for keeps the event until the driver has said whose answer it took.
 */
#include "desk/desk_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/show.h"

/* How long events may lag behind answers. */
#define LAG CLOCK_SECOND

static void nothing(void *context)
{
    (void)context;
}

struct desk *desk_new(const struct desk_settings *settings)
{
    struct desk *desk = calloc(1, sizeof(*desk));

    if (desk == NULL)
        return NULL;
    desk->settings = *settings;
    desk->wake = nothing;
    desk->last_answer = &desk->answers;
    desk->work.last = &desk->work.first;
    snprintf(desk->why_not, sizeof(desk->why_not), "gatehoused has not answered yet.");
    return desk;
}

void desk_set_wake(struct desk *desk, void (*wake)(void *context), void *context)
{
    desk->wake = wake;
    desk->wake_context = context;
}

void desk_wake(struct desk *desk)
{
    desk->wake(desk->wake_context);
}

void desk_free(struct desk *desk)
{
    if (desk == NULL)
        return;
    answers_fail_all(desk, "");
    undo_cleanup(desk);
    for (unsigned i = 0; i < desk->count; i++)
        question_put(desk->questions[i]);
    text_free(&desk->line);
    free(desk);
}

unsigned desk_questions(const struct desk *desk)
{
    return desk->count;
}

unsigned desk_peers(const struct desk *desk)
{
    unsigned count = 0;

    for (const struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next)
        count++;
    return count;
}

unsigned desk_room(const struct desk *desk)
{
    return DESK_QUESTIONS_MAX - desk->count;
}

/* --- Finding ------------------------------------------------------------------------------------ */

/* The place of id, or where it would be. */
static unsigned place_of(const struct desk *desk, uint64_t id)
{
    unsigned low = 0, high = desk->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (desk->questions[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct question *desk_find(const struct desk *desk, uint64_t id)
{
    unsigned place = place_of(desk, id);

    return place < desk->count && desk->questions[place]->id == id ? desk->questions[place] : NULL;
}

unsigned desk_place_after(const struct desk *desk, uint64_t id)
{
    return place_of(desk, id + 1);
}

static struct question **bucket_of(struct desk *desk, uint64_t driver_id)
{
    return &desk->buckets[(driver_id ^ driver_id >> 12) & (BUCKETS - 1)];
}

static struct question *find_held(struct desk *desk, uint64_t driver_id)
{
    struct question *question = *bucket_of(desk, driver_id);

    while (question != NULL && question->request.fixed.id != driver_id)
        question = question->same_bucket;
    return question;
}

/* From the newest; by the desk's id or, if that is 0, by the driver's. */
static const struct recent *find_recent(const struct desk *desk, uint64_t id, uint64_t driver_id)
{
    uint64_t oldest = desk->recent_count < RECENT_MAX ? 0 : desk->recent_count - RECENT_MAX;

    for (uint64_t i = desk->recent_count; i-- > oldest;) {
        const struct recent *recent = &desk->recent[i % RECENT_MAX];

        if (id != 0 ? recent->id == id : recent->driver_id == driver_id)
            return recent;
    }
    return NULL;
}

const struct recent *desk_find_recent(const struct desk *desk, uint64_t id)
{
    return id == 0 ? NULL : find_recent(desk, id, 0);
}

static bool ended_early(const struct desk *desk, uint64_t driver_id)
{
    uint64_t oldest = desk->early_count < EARLY_MAX ? 0 : desk->early_count - EARLY_MAX;

    for (uint64_t i = desk->early_count; i-- > oldest;) {
        if (desk->early[i % EARLY_MAX] == driver_id)
            return true;
    }
    return false;
}

/* --- A question's life -------------------------------------------------------------------------- */

void question_put(struct question *question)
{
    if (question == NULL || --question->references > 0)
        return;
    free(question->facts);
    free(question);
}

static struct question *question_new(const struct request *request)
{
    struct question *question = calloc(1, sizeof(*question) + request->fixed.path_size + request->fixed.name_size);
    uint8_t *path;

    if (question == NULL)
        return NULL;
    path = (uint8_t *)(question + 1);
    memcpy(path, request->path, request->fixed.path_size);
    if (request->fixed.name_size > 0)
        memcpy(path + request->fixed.path_size, request->name, request->fixed.name_size);
    question->request = *request;
    question->request.path = path;
    question->request.name = path + request->fixed.path_size;
    question->references = 1;
    question->waits = true;
    return question;
}

static void pump_all(struct desk *desk, uint64_t now)
{
    for (struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next)
        desk_peer_pump(peer, now);
}

bool desk_offer(struct desk *desk, const struct request *request, uint64_t now)
{
    struct question **bucket = bucket_of(desk, request->fixed.id);
    struct question *question;

    if (ended_early(desk, request->fixed.id) || find_held(desk, request->fixed.id) != NULL)
        return true;
    if (desk->count == DESK_QUESTIONS_MAX)
        return false;
    question = question_new(request);
    if (question == NULL)
        return false;
    if (!speak_facts(question)) {
        question_put(question);
        return false;
    }
    question->id = ++desk->last_id;
    question->show_at = desk->settings.describe == NULL ? 0 : now + DESK_PATIENCE;
    question->same_bucket = *bucket;
    *bucket = question;
    desk->questions[desk->count++] = question;
    if (desk->settings.describe != NULL)
        desk->settings.describe(desk->settings.describe_context, question->id, &question->request);
    pump_all(desk, now);
    return true;
}

void desk_described(struct desk *desk, uint64_t id, const char *members, bool whole, uint64_t now)
{
    struct question *question = desk_find(desk, id);

    if (question == NULL || question->show_at == 0)
        return; /* it is gone, or was shown without */
    speak_more_facts(question, members);
    if (!whole)
        return;
    question->show_at = 0;
    pump_all(desk, now);
}

static void forget(struct desk *desk, struct question *question)
{
    struct question **at = bucket_of(desk, question->request.fixed.id);
    unsigned place = place_of(desk, question->id);

    while (*at != question)
        at = &(*at)->same_bucket;
    *at = question->same_bucket;
    desk->count--;
    memmove(&desk->questions[place], &desk->questions[place + 1], (desk->count - place) * sizeof(desk->questions[0]));
}

void question_end(struct desk *desk, struct question *question, const struct ending *ending)
{
    struct recent *recent = &desk->recent[desk->recent_count++ % RECENT_MAX];

    forget(desk, question);
    question->waits = false;
    question->ending = *ending;
    *recent = (struct recent){question->id, question->request.fixed.id, *ending};
    speak_gone(desk, question);
    answers_ended(desk, question);
    question_put(question);
}

bool question_covers(const struct request *like, enum gatehouse_scope scope, const struct request *other)
{
    const struct gatehouse_request *a = &like->fixed, *b = &other->fixed;

    if (a->path_size == 0 || a->path_size != b->path_size || memcmp(like->path, other->path, a->path_size) != 0)
        return false;
    switch (scope) {
    case GATEHOUSE_SCOPE_PROGRAM:
        return true;
    case GATEHOUSE_SCOPE_PROGRAM_NAME:
        return a->name_size > 0 && a->name_size == b->name_size && memcmp(like->name, other->name, a->name_size) == 0;
    case GATEHOUSE_SCOPE_PROGRAM_PORT:
        return !show_is_inbound(b) && a->protocol == b->protocol && a->remote_port == b->remote_port;
    case GATEHOUSE_SCOPE_PROGRAM_DESTINATION:
        return a->ip_version == b->ip_version && a->protocol == b->protocol && a->remote_port == b->remote_port &&
               memcmp(a->remote_address, b->remote_address, sizeof(a->remote_address)) == 0;
    default:
        return false;
    }
}

/* --- Events ------------------------------------------------------------------------------------- */

static void tell_decided(struct desk *desk, const struct event *event, const struct ending *ending)
{
    struct desk_author author = {.rule_id = event->fixed.by == GATEHOUSE_BY_RULE ? event->fixed.count : 0};

    if (desk->settings.decided == NULL)
        return;
    if (ending != NULL && ending->who[0] != '\0') {
        author.who = ending->who;
        author.scope = ending->has_scope ? choice_scope_name(ending->scope) : NULL;
        author.rule_id = ending->rule_id;
    }
    desk->settings.decided(desk->settings.context, event, &author);
}

void question_tell_event(struct desk *desk, struct question *question)
{
    struct event event = {question->event, question->request};

    if (!question->held_back)
        return;
    question->held_back = false;
    tell_decided(desk, &event, &question->ending);
}

/* What the event says, and whose remembered answer it was. */
static struct ending ending_of(struct desk *desk, const struct event *event)
{
    struct ending ending = {.verdict = event->fixed.verdict, .by = event->fixed.by};

    if (event->fixed.by == GATEHOUSE_BY_ANSWER)
        answers_attribute(desk, &event->request, &ending);
    return ending;
}

/* A rule that logs decided it at once. */
static bool never_held(const struct event *event)
{
    return event->fixed.by == GATEHOUSE_BY_RULE && event->request.fixed.id == 0;
}

/* Of a connection that does not wait here: it was answered just now, or ended before it was offered, or a rule of the
 * file decided. */
static void event_elsewhere(struct desk *desk, const struct event *event)
{
    const struct recent *recent = find_recent(desk, 0, event->request.fixed.id);
    struct ending ending;

    if (never_held(event) || recent != NULL) {
        tell_decided(desk, event, recent == NULL ? NULL : &recent->ending);
        return;
    }
    ending = ending_of(desk, event);
    desk->early[desk->early_count++ % EARLY_MAX] = event->request.fixed.id;
    tell_decided(desk, event, &ending);
}

void desk_event(struct desk *desk, const struct event *event, uint64_t now)
{
    struct question *question;
    struct ending ending;

    (void)now;
    if (event->fixed.type != GATEHOUSE_EVENT_DECIDED)
        return;
    question = never_held(event) ? NULL : find_held(desk, event->request.fixed.id);
    if (question == NULL) {
        event_elsewhere(desk, event);
    } else if (event->fixed.by == GATEHOUSE_BY_DECIDER && answers_has(desk, question)) {
        question->held_back = true;
        question->event = event->fixed;
    } else {
        ending = ending_of(desk, event);
        question_end(desk, question, &ending);
        tell_decided(desk, event, &ending);
    }
    answers_tell(desk);
}

void desk_set_decider(struct desk *desk, bool decider, const char *sentence, uint64_t now)
{
    static const struct ending nobody = {.verdict = GATEHOUSE_VERDICT_NONE, .by = GATEHOUSE_BY_UNLOAD};

    (void)now;
    if (!decider) {
        answers_fail_all(desk, "gatehoused went away before it said whether it took the answer: what it still holds is "
                               "asked again.");
        while (desk->count > 0)
            question_end(desk, desk->questions[desk->count - 1], &nobody);
        /* The next gatehoused counts from anew. */
        for (unsigned i = 0; i < RECENT_MAX; i++)
            desk->recent[i].driver_id = 0;
        desk->early_count = 0;
    }
    if (desk->decider == decider && (decider || strcmp(desk->why_not, sentence) == 0))
        return;
    desk->decider = decider;
    snprintf(desk->why_not, sizeof(desk->why_not), "%s", decider ? "" : sentence);
    for (struct desk_peer *peer = desk->peers; peer != NULL; peer = peer->next)
        speak_hello(peer);
}

/* --- Time --------------------------------------------------------------------------------------- */

uint64_t desk_due(const struct desk *desk)
{
    uint64_t due = answers_due(desk);

    for (unsigned i = 0; i < desk->count; i++) {
        const struct question *question = desk->questions[i];
        uint64_t late = question->request.fixed.deadline + LAG;

        if (due == 0 || late < due)
            due = late;
        if (question->show_at != 0 && question->show_at < due)
            due = question->show_at;
    }
    return due;
}

/* Ends what must have ended although no event said so: events can be lost. */
void desk_tick(struct desk *desk, uint64_t now)
{
    static const struct ending late = {.verdict = GATEHOUSE_VERDICT_NONE, .by = GATEHOUSE_BY_DEADLINE};

    for (unsigned i = desk->count; i-- > 0;) {
        struct question *question = desk->questions[i];

        if (question->show_at <= now)
            question->show_at = 0;
        if (question->request.fixed.deadline + LAG > now)
            continue;
        if (answers_has(desk, question))
            question->request.fixed.deadline = now; /* the driver is about to say */
        else
            question_end(desk, question, &late);
    }
    answers_settle(desk, now);
    answers_tell(desk);
    pump_all(desk, now);
}
