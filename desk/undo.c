/* SPDX-License-Identifier: MIT */
/*
 * undo.c - takes back what an answer did. See desk_state.h.
 *
 * An answer that is remembered is a rule, whose id says what it means: the same code as the driver's makes it here, so
 * nobody has to ask which one it was. To undo a block is to remove that rule. To undo a permit is to end what it let
 * through as well: a rule that blocks the same comes first, the engine looks at what lives and ends it, the answer's
 * rule goes, and then the block. It also ends by itself, should this process end in between.
 */
#include "desk/desk_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/rules.h>
#include <gatehouse/status.h>

#include "agent/show.h"
#include "agent/status_text.h"
#include "core/rule_image.h"
#include "core/rule_writer.h"

#define BLOCK_MS     15000u
#define NOT_TRIED    UINT32_MAX
#define REQUESTS_MAX 64u

static void *take(void *context, size_t size)
{
    (void)context;
    return calloc(1, size);
}

static void give_back(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static const struct core_memory memory = {take, give_back, NULL};

/* --- Rules of answers --------------------------------------------------------------------------- */

static struct destination destination_of(const struct gatehouse_request *fixed)
{
    struct destination to = {fixed->ip_version, fixed->protocol, fixed->remote_port, {0}};

    memcpy(to.address, fixed->remote_address, sizeof(to.address));
    return to;
}

/* As the driver makes it (driver/answers.c). The caller frees. NULL: out of memory, or none is made. */
static struct gatehouse_rules_image *image_of(const struct request *request, const struct gatehouse_decision *decision)
{
    struct destination to = destination_of(&request->fixed);
    struct rule_answer answer = {.path = request->path,
                                 .path_size = request->fixed.path_size,
                                 .action = GATEHOUSE_RULE_PERMIT,
                                 .until = (uint8_t)decision->until,
                                 .lifetime_ms = decision->lifetime_ms,
                                 .any_address = decision->scope == GATEHOUSE_SCOPE_PROGRAM_PORT};

    if (decision->scope == GATEHOUSE_SCOPE_CONNECTION)
        return NULL;
    if (decision->scope == GATEHOUSE_SCOPE_PROGRAM_DESTINATION || answer.any_address)
        answer.to = &to;
    if (decision->scope == GATEHOUSE_SCOPE_PROGRAM_NAME) {
        answer.name = request->name;
        answer.name_size = request->fixed.name_size;
    }
    if (decision->verdict == GATEHOUSE_VERDICT_BLOCK)
        answer.action = GATEHOUSE_RULE_BLOCK;
    if (decision->until == 0 && decision->lifetime_ms != GATEHOUSE_LIFETIME_FOREVER)
        answer.until = GATEHOUSE_UNTIL_TIME;
    return rule_image_of_answer(&memory, &answer);
}

static uint64_t id_of(const struct gatehouse_rules_image *image)
{
    return image == NULL ? 0 : rule_image_first_rule(image)->id;
}

uint64_t undo_rule_id(const struct request *request, const struct choice *choice)
{
    struct gatehouse_decision decision = choice_decision(choice, 0);
    struct gatehouse_rules_image *image = image_of(request, &decision);
    uint64_t id = id_of(image);

    free(image);
    return id;
}

/* Blocks the same as the answer permits, for a moment. */
static struct gatehouse_rules_image *block_like(const struct undo *undo)
{
    struct gatehouse_decision decision = choice_decision(&undo->choice, 0);

    decision.verdict = GATEHOUSE_VERDICT_BLOCK;
    decision.until = 0;
    decision.lifetime_ms = BLOCK_MS;
    return image_of(&undo->question->request, &decision);
}

/* --- A block of one connection ------------------------------------------------------------------ */

#define EXACT_ROOM 640u

struct exact {
    struct gatehouse_rules_image *image;
    uint8_t *end;
    struct gatehouse_rule *rule;
};

static void put_set(struct exact *exact, uint16_t kind, const void *range, uint32_t size)
{
    struct gatehouse_set *set = (void *)exact->end;

    set->kind = kind;
    set->count = 1;
    set->size = ((uint32_t)sizeof(*set) + size + 7u) & ~7u;
    memcpy(set + 1, range, size);
    exact->end += set->size;
    exact->image->set_count++;
}

static void put_address_set(struct exact *exact, unsigned ip_version, const uint8_t address[16])
{
    if (ip_version == 6) {
        struct gatehouse_range_v6 range;

        memcpy(range.low, address, sizeof(range.low));
        memcpy(range.high, address, sizeof(range.high));
        put_set(exact, GATEHOUSE_SET_V6, &range, sizeof(range));
    } else {
        uint32_t number =
            (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
        struct gatehouse_range_v4 range = {number, number};

        put_set(exact, GATEHOUSE_SET_V4, &range, sizeof(range));
    }
}

static void put_port_set(struct exact *exact, uint16_t port)
{
    struct gatehouse_range_port range = {port, port};

    put_set(exact, GATEHOUSE_SET_PORT, &range, sizeof(range));
}

static void put_part(struct exact *exact, uint16_t type, const void *data, uint16_t size)
{
    struct gatehouse_rule_part *part = (void *)exact->end;

    part->type = type;
    part->data_size = size;
    part->size = ((uint32_t)sizeof(*part) + size + 7u) & ~7u;
    memcpy(part + 1, data, size);
    exact->end += part->size;
    exact->rule->size += part->size;
    exact->rule->part_count++;
}

static void put_set_part(struct exact *exact, uint16_t type, uint32_t set)
{
    const uint32_t data[2] = {set, 0};

    put_part(exact, type, data, sizeof(data));
}

static void put_rule(struct exact *exact, const struct request *request)
{
    const struct gatehouse_request *fixed = &request->fixed;

    exact->rule = (void *)exact->end;
    exact->rule->size = sizeof(*exact->rule);
    exact->end += exact->rule->size;
    exact->rule->action = GATEHOUSE_RULE_BLOCK;
    exact->rule->direction = show_is_inbound(fixed) ? GATEHOUSE_RULE_IN : GATEHOUSE_RULE_OUT;
    exact->rule->family = fixed->ip_version;
    exact->rule->until = GATEHOUSE_UNTIL_TIME;
    exact->rule->lifetime_ms = BLOCK_MS;
    exact->rule->place = GATEHOUSE_PLACE_TOP;
    if (fixed->path_size > 0)
        put_part(exact, GATEHOUSE_PART_PROGRAM, request->path, fixed->path_size);
    put_part(exact, GATEHOUSE_PART_PROTOCOL, &fixed->protocol, 1);
    put_set_part(exact, GATEHOUSE_PART_REMOTE, 0);
    put_set_part(exact, GATEHOUSE_PART_LOCAL, 1);
    put_set_part(exact, GATEHOUSE_PART_REMOTE_PORT, 2);
    put_set_part(exact, GATEHOUSE_PART_LOCAL_PORT, 3);
}

static bool is_exact(const struct gatehouse_request *fixed)
{
    return (fixed->protocol == 6 || fixed->protocol == 17) && fixed->local_port != 0 && fixed->remote_port != 0;
}

static struct gatehouse_rules_image *block_connection(const struct request *request)
{
    const struct gatehouse_request *fixed = &request->fixed;
    struct exact exact = {.image = calloc(1, EXACT_ROOM + fixed->path_size)};

    if (exact.image == NULL)
        return NULL;
    exact.image->magic = GATEHOUSE_RULES_MAGIC;
    exact.image->version = GATEHOUSE_RULES_VERSION;
    exact.image->rule_count = 1;
    exact.end = (uint8_t *)(exact.image + 1);
    put_address_set(&exact, fixed->ip_version, fixed->remote_address);
    put_address_set(&exact, fixed->ip_version, fixed->local_address);
    put_port_set(&exact, fixed->remote_port);
    put_port_set(&exact, fixed->local_port);
    put_rule(&exact, request);
    exact.image->size = (uint32_t)(exact.end - (uint8_t *)exact.image);
    exact.rule->id = rule_image_id(exact.image, exact.rule, 0);
    exact.image->check = rule_image_sum(exact.image, exact.image->size);
    return exact.image;
}

/* --- What can be undone ------------------------------------------------------------------------- */

static void forget(struct undo *undo)
{
    question_put(undo->question);
    *undo = (struct undo){0};
}

void undo_remember(struct desk *desk, struct answer *answer, uint64_t rule_id)
{
    struct undo *undo = &desk->undo[(desk->last_undo + 1) % DESK_UNDO_MAX];

    if (rule_id == 0 && (!answer->choice.permit || !is_exact(&answer->question->request.fixed)))
        return;
    if (undo->asked && !undo->over)
        return; /* as old as can be, and under way just now: this one is not remembered */
    forget(undo);
    undo->number = ++desk->last_undo;
    memcpy(undo->who, answer->who, sizeof(undo->who));
    undo->question = answer->question;
    undo->question->references++;
    undo->choice = answer->choice;
    undo->rule_id = rule_id;
    answer->undo = undo->number;
}

void undo_attribute(const struct desk *desk, const struct request *request, struct ending *ending)
{
    for (uint64_t i = 0; i < DESK_UNDO_MAX && i < desk->last_undo; i++) {
        const struct undo *undo = &desk->undo[(desk->last_undo - i) % DESK_UNDO_MAX];

        if (undo->number == 0 || undo->choice.permit != (ending->verdict == GATEHOUSE_VERDICT_PERMIT) ||
            !question_covers(&undo->question->request, undo->choice.scope, request))
            continue;
        memcpy(ending->who, undo->who, sizeof(ending->who));
        ending->has_scope = true;
        ending->scope = undo->choice.scope;
        ending->rule_id = undo->rule_id;
        return;
    }
}

/* --- Undoing ------------------------------------------------------------------------------------ */

static void finish(struct desk *desk);

/* NULL, or why not. */
static const char *refusal(const struct desk_peer *peer, const struct undo *undo, unsigned waiting)
{
    if (undo == NULL)
        return "There is no such answer to undo, or it was too long ago: 'gatehouse rules list' shows what is in "
               "force.";
    if (strcmp(undo->who, peer->user) != 0 && strcmp(peer->user, "root") != 0)
        return "That answer was somebody else's: 'gatehouse rules remove' takes back its rule.";
    if (undo->asked)
        return "That answer was taken back already.";
    if (!peer->desk->decider)
        return "gatehoused is away: 'gatehouse rules remove' takes the rule back when it is there again.";
    if (waiting >= REQUESTS_MAX)
        return "Too much is being undone already: wait a moment.";
    return NULL;
}

void undo_ask(struct desk_peer *peer, int64_t tag, uint64_t number)
{
    struct desk *desk = peer->desk;
    struct undo *undo = number == 0 ? NULL : &desk->undo[number % DESK_UNDO_MAX];
    struct undo_request *request;
    unsigned waiting = 0;
    const char *wrong;

    if (undo != NULL && undo->number != number)
        undo = NULL;
    for (request = desk->work.first; request != NULL; request = request->next)
        waiting++;
    wrong = refusal(peer, undo, waiting);
    request = wrong == NULL ? calloc(1, sizeof(*request)) : NULL;
    if (request == NULL) {
        speak_undone(peer, tag, false, wrong == NULL ? "The desk is out of memory." : wrong);
        return;
    }
    undo->asked = true;
    *request = (struct undo_request){NULL, peer, tag, undo};
    *desk->work.last = request;
    desk->work.last = &request->next;
    desk_wake(desk);
}

static bool begin(struct desk *desk)
{
    struct undo_work *work = &desk->work;
    const struct undo *undo = work->first->undo;

    if (undo->choice.permit)
        work->image = undo->rule_id == 0 ? block_connection(&undo->question->request) : block_like(undo);
    work->block_id = id_of(work->image);
    work->begun = true;
    work->step = work->image != NULL ? UNDO_BLOCK : UNDO_REMOVE;
    for (unsigned i = 0; i < UNDO_STEPS; i++)
        work->statuses[i] = NOT_TRIED;
    return !undo->choice.permit || work->image != NULL;
}

bool desk_next_change(struct desk *desk, struct desk_change *change)
{
    struct undo_work *work = &desk->work;

    if (work->first == NULL || work->calling)
        return false;
    if (!work->begun && !begin(desk)) {
        work->statuses[UNDO_BLOCK] = GATEHOUSE_E_RULES_FULL;
        finish(desk);
        return desk_next_change(desk, change);
    }
    work->calling = true;
    if (work->step == UNDO_BLOCK)
        *change = (struct desk_change){GATEHOUSE_IOCTL_RULES_ADD, work->image, work->image->size};
    else if (work->step == UNDO_REMOVE)
        *change = (struct desk_change){GATEHOUSE_IOCTL_RULES_REMOVE, &work->first->undo->rule_id, sizeof(uint64_t)};
    else
        *change = (struct desk_change){GATEHOUSE_IOCTL_RULES_REMOVE, &work->block_id, sizeof(uint64_t)};
    return true;
}

/* The next step, or UNDO_STEPS. Whatever failed, the block is not left behind. */
static enum undo_step next_step(const struct undo_work *work)
{
    bool blocked = work->statuses[UNDO_BLOCK] == STATUS_TEXT_SUCCESS;

    if (work->step == UNDO_BLOCK && work->first->undo->rule_id != 0)
        return UNDO_REMOVE;
    if (work->step != UNDO_UNBLOCK && blocked)
        return UNDO_UNBLOCK;
    return UNDO_STEPS;
}

void desk_changed(struct desk *desk, uint32_t status, uint64_t now)
{
    struct undo_work *work = &desk->work;

    (void)now;
    if (!work->calling)
        return;
    work->calling = false;
    work->statuses[work->step] = status;
    work->step = next_step(work);
    if (work->step == UNDO_STEPS)
        finish(desk);
    if (work->first != NULL)
        desk_wake(desk);
}

void desk_changes_lost(struct desk *desk, uint64_t now)
{
    (void)now;
    while (desk->work.begun)
        finish(desk);
    desk->work.calling = false;
}

/* --- What is said of it ------------------------------------------------------------------------- */

static void show_failure(struct text *text, uint32_t status)
{
    const char *why = status_text(status);

    if (status == NOT_TRIED)
        text_add(text, "gatehoused went away meanwhile");
    else if (why != NULL)
        text_add(text, why);
    else
        text_add_format(text, "status 0x%08X", (unsigned)status);
}

static void show_subject(struct text *text, const struct undo *undo)
{
    const struct request *request = &undo->question->request;

    show_program(text, request);
    if (undo->choice.scope == GATEHOUSE_SCOPE_PROGRAM)
        return;
    text_add(text, " to ");
    show_destination(text, request);
}

static void say_connection(struct text *text, const struct undo *undo, const struct undo_work *work, bool *done)
{
    *done = work->statuses[UNDO_BLOCK] == STATUS_TEXT_SUCCESS;
    if (*done) {
        text_add(text, "Ended the connection of ");
        show_subject(text, undo);
        text_add(text, ".");
        return;
    }
    text_add(text, "The connection was not ended: ");
    show_failure(text, work->statuses[UNDO_BLOCK]);
    text_add(text, ".");
}

static void say_rule(struct text *text, const struct undo *undo, const struct undo_work *work, bool *done)
{
    uint32_t removed = work->statuses[UNDO_REMOVE];

    *done = removed == STATUS_TEXT_SUCCESS || removed == GATEHOUSE_E_UNKNOWN_RULE;
    if (!*done) {
        text_add(text, "The answer still holds: ");
        show_failure(text, removed);
        text_add(text, ".");
        return;
    }
    show_subject(text, undo);
    text_add(text, removed == STATUS_TEXT_SUCCESS ? " is asked about again" : ": the rule was gone already");
    if (!undo->choice.permit)
        text_add(text, "; what was refused stays refused until it tries again.");
    else if (work->statuses[UNDO_BLOCK] == STATUS_TEXT_SUCCESS)
        text_add(text, "; what was open has ended.");
    else
        text_add(text, "; what is open goes on, it could not be ended.");
}

/* The first is over. */
static void finish(struct desk *desk)
{
    struct undo_work *work = &desk->work;
    struct undo_request *request = work->first;
    struct undo *undo = request->undo;
    struct text text = {0};
    bool done = false;

    if (undo->rule_id == 0)
        say_connection(&text, undo, work, &done);
    else
        say_rule(&text, undo, work, &done);
    undo->over = done;
    undo->asked = done; /* else it may be tried again */
    if (request->peer != NULL)
        speak_undone(request->peer, request->tag, done, text_string(&text));
    text_free(&text);
    free(work->image);
    work->image = NULL;
    work->begun = work->calling = false;
    work->first = request->next;
    if (work->first == NULL)
        work->last = &work->first;
    free(request);
}

void undo_peer_gone(struct desk_peer *peer)
{
    for (struct undo_request *request = peer->desk->work.first; request != NULL; request = request->next) {
        if (request->peer == peer)
            request->peer = NULL;
    }
}

void undo_cleanup(struct desk *desk)
{
    while (desk->work.first != NULL)
        finish(desk);
    for (unsigned i = 0; i < DESK_UNDO_MAX; i++)
        forget(&desk->undo[i]);
}
