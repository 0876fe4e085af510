/* SPDX-License-Identifier: MIT */
/*
 * answers.c - the queue of answers. See desk.h and desk_state.h.
 *
 * The driver decides which answer was first, for it alone knows whether a connection is still held: the queue only
 * keeps the order. Each answer leaves the queue at its head, so everybody is told in the order of answering.
 */
#include "desk/desk_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/status.h>

#include "agent/clock.h"
#include "agent/status_text.h"

/* How long events may lag behind answers. */
#define LAG CLOCK_SECOND

struct answer *answers_add(struct desk *desk, struct desk_peer *peer, int64_t tag, uint64_t id)
{
    struct answer *answer = calloc(1, sizeof(*answer));
    const struct recent *recent;

    if (answer == NULL)
        return NULL;
    answer->peer = peer;
    peer->under_way++;
    memcpy(answer->who, peer->user, sizeof(answer->who));
    answer->tag = tag;
    answer->question_id = id;
    answer->question = desk_find(desk, id);
    if (answer->question != NULL) {
        answer->question->references++;
    } else {
        answer->stage = ANSWER_DONE;
        answer->outcome = OUTCOME_LATE;
        recent = desk_find_recent(desk, id);
        if (recent != NULL)
            answer->ending = recent->ending;
    }
    *desk->last_answer = answer;
    desk->last_answer = &answer->next;
    desk->answer_count++;
    return answer;
}

bool answers_has(const struct desk *desk, const struct question *question)
{
    for (const struct answer *answer = desk->answers; answer != NULL; answer = answer->next) {
        if (answer->question == question && (answer->stage == ANSWER_WAITING || answer->stage == ANSWER_SUBMITTED))
            return true;
    }
    return false;
}

static bool reaches(const struct answer *answer, const struct request *request)
{
    return answer->choice.scope != GATEHOUSE_SCOPE_CONNECTION && answer->question != NULL &&
           question_covers(&answer->question->request, answer->choice.scope, request);
}

void answers_attribute(struct desk *desk, const struct request *request, struct ending *ending)
{
    struct answer *answer = desk->answers;

    for (; answer != NULL; answer = answer->next) {
        bool lives =
            answer->stage == ANSWER_SUBMITTED || (answer->stage == ANSWER_SETTLING && answer->outcome == OUTCOME_OK);

        if (lives && answer->choice.permit == (ending->verdict == GATEHOUSE_VERDICT_PERMIT) && reaches(answer, request))
            break;
    }
    if (answer == NULL) {
        undo_attribute(desk, request, ending);
        return;
    }
    answer->covered++;
    ending->has_scope = true;
    ending->scope = answer->choice.scope;
    ending->rule_id = undo_rule_id(&answer->question->request, &answer->choice);
    ending->peer = answer->peer;
    memcpy(ending->who, answer->who, sizeof(ending->who));
}

void answers_ended(struct desk *desk, const struct question *question)
{
    for (struct answer *answer = desk->answers; answer != NULL; answer = answer->next) {
        if (answer->stage != ANSWER_SETTLING)
            continue;
        if (answer->outcome == OUTCOME_LATE && answer->question == question) {
            answer->ending = question->ending;
            answer->stage = ANSWER_DONE;
        } else if (answer->outcome == OUTCOME_OK && question->id <= answer->watermark && answer->expected > 0 &&
                   reaches(answer, &question->request)) {
            if (--answer->expected == 0)
                answer->stage = ANSWER_DONE;
        }
    }
}

/* --- To the driver and back --------------------------------------------------------------------- */

unsigned desk_take_decisions(struct desk *desk, struct gatehouse_decision *decisions, unsigned max)
{
    unsigned count = 0;

    if (desk->submitted > 0)
        return 0;
    for (struct answer *answer = desk->answers; answer != NULL && count < max; answer = answer->next) {
        if (answer->stage != ANSWER_WAITING)
            continue;
        if (!answer->question->waits) {
            answer->outcome = OUTCOME_LATE;
            answer->ending = answer->question->ending;
            answer->stage = ANSWER_DONE;
            continue;
        }
        answer->stage = ANSWER_SUBMITTED;
        decisions[count++] = choice_decision(&answer->choice, answer->question->request.fixed.id);
    }
    desk->submitted = count;
    answers_tell(desk);
    return count;
}

static unsigned count_reached(const struct desk *desk, const struct answer *answer)
{
    unsigned count = 0;

    if (answer->choice.scope == GATEHOUSE_SCOPE_CONNECTION)
        return 0;
    for (unsigned i = 0; i < desk->count; i++)
        count += reaches(answer, &desk->questions[i]->request);
    return count;
}

static void taken(struct desk *desk, struct answer *answer, uint64_t now)
{
    struct question *question = answer->question;
    struct ending ending = {.verdict = answer->choice.permit ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK,
                            .by = GATEHOUSE_BY_DECIDER,
                            .has_scope = true,
                            .scope = answer->choice.scope,
                            .peer = answer->peer};

    memcpy(ending.who, answer->who, sizeof(ending.who));
    ending.rule_id = undo_rule_id(&question->request, &answer->choice);
    answer->outcome = OUTCOME_OK;
    if (question->waits)
        question_end(desk, question, &ending);
    question_tell_event(desk, question);
    undo_remember(desk, answer, ending.rule_id);
    answer->watermark = desk->last_id;
    answer->expected = count_reached(desk, answer);
    answer->settle_until = now + LAG;
    answer->stage = answer->expected > 0 ? ANSWER_SETTLING : ANSWER_DONE;
}

static void too_late(struct answer *answer, uint64_t now)
{
    answer->outcome = OUTCOME_LATE;
    answer->settle_until = now + LAG;
    answer->stage = answer->question->waits ? ANSWER_SETTLING : ANSWER_DONE;
    if (!answer->question->waits)
        answer->ending = answer->question->ending;
}

/* The connection is still held: it can be answered in another way. */
static void refused(struct answer *answer, uint32_t status)
{
    const char *text = status_text(status);

    answer->outcome = OUTCOME_REFUSED;
    answer->stage = ANSWER_DONE;
    if (text != NULL)
        snprintf(answer->sentence, sizeof(answer->sentence), "The answer did not count: %s.", text);
    else
        snprintf(answer->sentence, sizeof(answer->sentence), "The answer did not count: status 0x%08X.",
                 (unsigned)status);
}

static void resolve(struct desk *desk, struct answer *answer, uint32_t status, uint64_t now)
{
    if (status == STATUS_TEXT_SUCCESS)
        taken(desk, answer, now);
    else if (status == GATEHOUSE_E_UNKNOWN_ID || status == GATEHOUSE_E_ALREADY_DECIDED ||
             status == GATEHOUSE_E_NOT_YOURS)
        too_late(answer, now);
    else
        refused(answer, status);
}

void desk_decided(struct desk *desk, const uint32_t *statuses, unsigned count, uint64_t now)
{
    struct answer *answer = desk->answers;

    desk->submitted = 0;
    for (unsigned i = 0; i < count && answer != NULL; answer = answer->next) {
        if (answer->stage == ANSWER_SUBMITTED)
            resolve(desk, answer, statuses[i++], now);
    }
    answers_tell(desk);
    for (answer = desk->answers; answer != NULL; answer = answer->next) {
        if (answer->stage == ANSWER_WAITING) {
            desk_wake(desk);
            break;
        }
    }
}

/* --- Ends --------------------------------------------------------------------------------------- */

static void answer_free(struct desk *desk, struct answer *answer)
{
    if (answer->peer != NULL)
        answer->peer->under_way--;
    question_put(answer->question);
    free(answer);
    desk->answer_count--;
}

void answers_tell(struct desk *desk)
{
    while (desk->answers != NULL && desk->answers->stage == ANSWER_DONE) {
        struct answer *answer = desk->answers;

        desk->answers = answer->next;
        if (desk->answers == NULL)
            desk->last_answer = &desk->answers;
        speak_answered(desk, answer);
        answer_free(desk, answer);
    }
}

uint64_t answers_due(const struct desk *desk)
{
    uint64_t due = 0;

    for (const struct answer *answer = desk->answers; answer != NULL; answer = answer->next) {
        if (answer->stage == ANSWER_SETTLING && (due == 0 || answer->settle_until < due))
            due = answer->settle_until;
    }
    return due;
}

void answers_settle(struct desk *desk, uint64_t now)
{
    static const struct ending unknown = {.verdict = GATEHOUSE_VERDICT_NONE, .by = GATEHOUSE_BY_NONE};

    for (struct answer *answer = desk->answers; answer != NULL; answer = answer->next) {
        if (answer->stage != ANSWER_SETTLING || answer->settle_until > now)
            continue;
        if (answer->outcome == OUTCOME_LATE && answer->question->waits)
            question_end(desk, answer->question, &unknown);
        answer->stage = ANSWER_DONE;
    }
}

/* The event of its question said that it was taken, only the driver's answer never came. */
static bool was_taken(const struct answer *answer)
{
    const struct question *question = answer->question;

    return answer->stage == ANSWER_SUBMITTED && question->waits && question->held_back &&
           answer->choice.permit == (question->event.verdict == GATEHOUSE_VERDICT_PERMIT);
}

void answers_fail_all(struct desk *desk, const char *sentence)
{
    desk->submitted = 0;
    for (struct answer *answer = desk->answers; answer != NULL; answer = answer->next) {
        if (was_taken(answer)) {
            taken(desk, answer, 0);
        } else if (answer->stage == ANSWER_WAITING || answer->stage == ANSWER_SUBMITTED) {
            answer->outcome = OUTCOME_FAILED;
            snprintf(answer->sentence, sizeof(answer->sentence), "%s", sentence);
        }
        answer->stage = ANSWER_DONE;
    }
    answers_tell(desk);
}

void answers_peer_gone(struct desk_peer *peer)
{
    for (struct answer *answer = peer->desk->answers; answer != NULL; answer = answer->next) {
        if (answer->peer == peer)
            answer->peer = NULL;
    }
}
