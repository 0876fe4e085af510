/* SPDX-License-Identifier: MIT */
/*
 * ask.c - see ask.h.
 *
 * One loop, one wait. What is said to the person is in ask_screen.c. A question is in one of three
 * places: waiting, shown (one at most), or submitted (one at most, until the driver has answered). Events tell
 * of connections that ended; should one be lost, the question's own deadline and the driver's answer to a late
 * decision still end it.
 */
#include "agent/ask.h"

#include <stdlib.h>
#include <string.h>

#include <gatehouse/rules.h>
#include <gatehouse/status.h>

#include "agent/ask_state.h"
#include "agent/clock.h"
#include "agent/show.h"
#include "agent/status_text.h"
#include "agent/stop.h"
#include "agent/terminal.h"
#include "agent/wait.h"
#include "words.h"

#define DECIDER  0
#define OBSERVER 1
/* Most requests that one answer can hold; there must be room for them before a read. */
#define READ_MAX (ASK_OUTPUT_SIZE / sizeof(struct gatehouse_request))
/* Keys count only so long after their question appeared. */
#define ARMING (300 * CLOCK_MILLISECOND)
/* How long the driver's events may lag behind its answers. */
#define LAG CLOCK_SECOND

struct ask *ask_new(struct problem *problem)
{
    struct ask *ask = calloc(1, sizeof(*ask));

    if (ask == NULL) {
        problem_set(problem, AGENT_FAILED, "out of memory.");
        return NULL;
    }
    ask->person.keys = terminal_has_keys();
    ask->screen = ask->person.keys && terminal_has_screen();
    if (ask->person.keys && terminal_open(problem) != AGENT_OK) {
        free(ask);
        return NULL;
    }
    return ask;
}

void ask_free(struct ask *ask)
{
    if (ask == NULL)
        return;
    if (ask->person.keys)
        terminal_close();
    questions_cleanup(&ask->questions);
    text_free(&ask->line);
    free(ask);
}

/* The answer outlives its connection. */
static bool is_remembered(enum person_answer answer, const struct person_choice *choice)
{
    return answer == PERSON_ALWAYS || answer == PERSON_NEVER || choice->until != GATEHOUSE_UNTIL_REMOVED;
}

static struct gatehouse_decision make_decision(uint64_t id, enum person_answer answer,
                                               const struct person_choice *choice)
{
    bool permit = answer == PERSON_YES || answer == PERSON_ALWAYS;
    struct gatehouse_decision decision = {
        .id = id,
        .verdict = permit ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK,
        .lifetime_ms = GATEHOUSE_LIFETIME_FOREVER,
    };

    if (!is_remembered(answer, choice))
        return decision;
    decision.scope = choice->program ? GATEHOUSE_SCOPE_PROGRAM : GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
    if (choice->until == GATEHOUSE_UNTIL_TIME)
        decision.lifetime_ms = choice->minutes * 60000u;
    else
        decision.until = choice->until;
    return decision;
}

static enum agent_result submit(struct ask *ask, enum person_answer answer, struct problem *problem)
{
    struct {
        struct gatehouse_decisions head;
        struct gatehouse_decision decision;
    } input = {{GATEHOUSE_PROTOCOL_VERSION, 1},
               make_decision(ask->shown->request.fixed.id, answer, &ask->person.choice)};
    struct transport_call call = {.code = GATEHOUSE_IOCTL_SUBMIT_DECISIONS,
                                  .input = &input,
                                  .input_size = sizeof(input),
                                  .output_size = sizeof(uint32_t)};
    enum agent_result result = client_send(&ask->decider, &call, 1, problem);

    ask->submitted = ask->shown;
    ask->submitted_at = clock_boot();
    ask->given = answer;
    ask->choice = ask->person.choice;
    ask->shown = NULL;
    return result;
}

static enum agent_result on_answer(struct ask *ask, enum person_answer answer, struct problem *problem)
{
    bool known = ask->shown->request.fixed.path_size > 0 &&
                 (ask->shown->request.fixed.flags & GATEHOUSE_REQUEST_NO_PROGRAM) == 0;

    if (answer == PERSON_CHOICE) {
        ask_screen_prompt(ask, clock_boot());
        return AGENT_OK;
    }
    ask_screen_echo(ask, answer);
    if (answer >= PERSON_YES && answer <= PERSON_NEVER) {
        if (known || !is_remembered(answer, &ask->person.choice))
            return submit(ask, answer, problem);
        ask_screen_say(ask, "There is no program's name to remember: answer y or n.");
    } else if (answer == PERSON_HOW_LONG) {
        ask_screen_say(ask, "For the whole program, but how long? Say minutes, e, r, or a or d for always.");
    } else {
        ask_screen_help(ask, answer == PERSON_HELP);
    }
    person_begin(&ask->person);
    ask_screen_prompt(ask, clock_boot());
    return AGENT_OK;
}

static void withdraw(struct ask *ask, struct question *question, unsigned by, unsigned verdict)
{
    ask_screen_withdraw(ask, &question->request, by, verdict);
    if (question == ask->shown)
        ask->shown = NULL;
    questions_remove(&ask->questions, question);
}

static enum agent_result on_requests(struct ask *ask, const struct client_answer *answer, struct problem *problem)
{
    struct wire_cursor cursor = {answer->output, answer->size};
    const char *why = NULL;
    struct request request;
    enum wire_step step;

    ask->reading = false;
    while ((step = wire_next_request(&cursor, &request, &why)) == WIRE_RECORD) {
        unsigned by = GATEHOUSE_BY_NONE;

        switch (questions_add(&ask->questions, &request, &by)) {
        case QUESTIONS_ADDED:
            break;
        case QUESTIONS_GONE_ALREADY:
            ask_screen_withdraw(ask, &request, by, GATEHOUSE_VERDICT_NONE);
            break;
        case QUESTIONS_NO_ROOM:
            return problem_set(problem, AGENT_FAILED, "out of memory for one more question.");
        }
    }
    if (step == WIRE_BAD)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", why);
    return AGENT_OK;
}

static enum agent_result on_submitted(struct ask *ask, const struct client_answer *answer, struct problem *problem)
{
    struct question *question = ask->submitted;
    uint32_t status;

    if (question == NULL || answer->size != sizeof(status))
        return problem_set(problem, AGENT_LOST, WORDS_PEER " answers a decision with a wrong size.");
    memcpy(&status, answer->output, sizeof(status));
    ask->submitted = NULL;
    ask_screen_result(ask, status);
    /* Still held: the person is asked again, and may answer for this connection only. */
    if (status == GATEHOUSE_E_ANSWERS_FULL || status == GATEHOUSE_E_RULES_FULL || status == GATEHOUSE_E_RULES_STORE)
        return AGENT_OK;
    if (status == STATUS_TEXT_SUCCESS && is_remembered(ask->given, &ask->choice))
        questions_postpone_covered(&ask->questions, &question->request, ask->choice.program, clock_boot() + LAG);
    questions_remove(&ask->questions, question);
    return AGENT_OK;
}

static enum agent_result on_events(struct ask *ask, const struct client_answer *answer, struct problem *problem)
{
    struct wire_cursor cursor = {answer->output, answer->size};
    const char *why = NULL;
    struct event event;
    enum wire_step step;

    while ((step = wire_next_event(&cursor, &event, &why)) == WIRE_RECORD) {
        struct question *question;

        if (event.fixed.type != GATEHOUSE_EVENT_DECIDED)
            continue;
        question = questions_find(&ask->questions, event.request.fixed.id);
        if (question == NULL)
            questions_note_gone(&ask->questions, event.request.fixed.id, event.fixed.by);
        else if (question != ask->submitted)
            withdraw(ask, question, event.fixed.by, event.fixed.verdict);
    }
    if (step == WIRE_BAD)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", why);
    return AGENT_OK;
}

static enum agent_result read_on(struct client *client, uint32_t code, struct problem *problem)
{
    struct transport_call call = {.code = code, .output_size = ASK_OUTPUT_SIZE};

    return client_send(client, &call, 1, problem);
}

static enum agent_result take_answer(struct ask *ask, struct client *client, struct problem *problem)
{
    struct client_answer answer;
    enum agent_result result = client_receive(client, ask->buffer, sizeof(ask->buffer), 0, &answer, problem);

    if (result != AGENT_OK)
        return result == AGENT_TIMEOUT ? AGENT_OK : result;
    if (answer.status != STATUS_TEXT_SUCCESS)
        return client_explain(answer.status, problem);
    if (answer.code == GATEHOUSE_IOCTL_GET_REQUESTS)
        return on_requests(ask, &answer, problem);
    if (answer.code == GATEHOUSE_IOCTL_SUBMIT_DECISIONS)
        return on_submitted(ask, &answer, problem);
    result = on_events(ask, &answer, problem);
    return result == AGENT_OK ? read_on(client, GATEHOUSE_IOCTL_READ_EVENTS, problem) : result;
}

/* What the person said, if a question is there to take it. */
static enum agent_result take_input(struct ask *ask, struct problem *problem)
{
    while (ask->shown != NULL && ask->armed) {
        enum person_answer answer = person_take(&ask->person);
        enum agent_result result;

        if (answer == PERSON_NONE)
            return AGENT_OK;
        if (answer == PERSON_END)
            ask->person.ended = true;
        result = answer == PERSON_END ? AGENT_OK : on_answer(ask, answer, problem);
        if (result != AGENT_OK || answer == PERSON_END)
            return result;
    }
    return AGENT_OK;
}

static void read_input(struct ask *ask, const struct wait *wait)
{
    char typed[256];
    int count = 0;

    if (wait->input_ready)
        count = terminal_read(typed, sizeof(typed) < PERSON_WAITING_MAX - ask->person.count
                                         ? sizeof(typed)
                                         : PERSON_WAITING_MAX - ask->person.count);
    else if (!wait->input_ended)
        return;
    if (count >= 0)
        person_hear(&ask->person, typed, (size_t)count);
}

/* Shows the next question if none is before the person, and lets keys count once it is time. */
static void show_next(struct ask *ask, uint64_t now)
{
    if (ask->shown == NULL && ask->submitted == NULL && !person_is_gone(&ask->person)) {
        ask->shown = questions_next(&ask->questions, now, NULL);
        if (ask->shown == NULL)
            return;
        ask->shown_at = now;
        ask->armed = !ask->person.keys;
        person_begin(&ask->person);
        ask_screen_question(ask, now);
    }
    if (ask->shown != NULL && !ask->armed && now - ask->shown_at >= ARMING) {
        terminal_discard();
        ask->person.count = 0;
        ask->armed = true;
    }
    if (ask->shown != NULL && ask->screen)
        ask_screen_tick(ask, now);
}

/* Withdraws what must have ended although no event said so. */
static void expire(struct ask *ask, uint64_t now)
{
    for (unsigned i = ask->questions.count; i-- > 0;) {
        struct question *question = ask->questions.list[i];

        if (question != ask->submitted && question->request.fixed.deadline + LAG < now)
            withdraw(ask, question, GATEHOUSE_BY_DEADLINE, GATEHOUSE_VERDICT_NONE);
    }
}

static void sooner(uint64_t *when, uint64_t time)
{
    if (time < *when)
        *when = time;
}

/* Milliseconds until something is due; -1: nothing is. */
static int64_t time_to_wait(const struct ask *ask, uint64_t now)
{
    uint64_t when = UINT64_MAX;
    uint64_t next = 0;

    if (ask->shown != NULL && !ask->armed)
        sooner(&when, ask->shown_at + ARMING);
    if (ask->shown != NULL && ask->screen)
        sooner(&when, ask->next_tick);
    if (ask->submitted != NULL)
        sooner(&when, ask->submitted_at + TRANSPORT_DEADLINE_MS * CLOCK_MILLISECOND);
    else if (ask->shown == NULL && questions_next(&ask->questions, now, &next) == NULL && next != 0)
        sooner(&when, next);
    for (unsigned i = 0; i < ask->questions.count; i++)
        sooner(&when, ask->questions.list[i]->request.fixed.deadline + LAG);
    if (when == UINT64_MAX)
        return -1;
    return when <= now ? 1 : (int64_t)((when - now) / CLOCK_MILLISECOND + 1);
}

static void wait_for_all(struct ask *ask, struct wait *wait)
{
    *wait = (struct wait){.transports = {ask->decider.transport, ask->observer.transport}};
    if (ask->person.keys)
        wait->input = ask->shown != NULL && ask->armed ? WAIT_INPUT_READ : WAIT_INPUT_END;
    else
        wait->input = person_has_room(&ask->person) ? WAIT_INPUT_READ : WAIT_INPUT_NONE;
    wait_any(wait, time_to_wait(ask, clock_boot()));
}

static enum agent_result step(struct ask *ask, struct problem *problem)
{
    enum agent_result result = AGENT_OK;
    struct wait wait;

    if (person_is_gone(&ask->person) && ask->submitted == NULL)
        return problem_set(problem, AGENT_INPUT_ENDED, "the input ended: nobody answers any more.");
    if (!ask->reading && ask->questions.count + READ_MAX <= QUESTIONS_MAX) {
        ask->reading = true;
        result = read_on(&ask->decider, GATEHOUSE_IOCTL_GET_REQUESTS, problem);
    }
    if (result != AGENT_OK)
        return result;
    wait_for_all(ask, &wait);
    if (stop_requested())
        return AGENT_STOPPED;
    /* The decider first: an event then finds the request it is about. */
    if (wait.transport_ready[DECIDER])
        result = take_answer(ask, &ask->decider, problem);
    if (result == AGENT_OK && wait.transport_ready[OBSERVER])
        result = take_answer(ask, &ask->observer, problem);
    if (result != AGENT_OK)
        return result;
    if (ask->submitted != NULL && clock_boot() - ask->submitted_at > TRANSPORT_DEADLINE_MS * CLOCK_MILLISECOND)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " does not take decisions for %d seconds: " WORDS_LOOK ".",
                           TRANSPORT_DEADLINE_MS / 1000);
    expire(ask, clock_boot());
    read_input(ask, &wait);
    show_next(ask, clock_boot());
    return take_input(ask, problem);
}

static void close_both(struct ask *ask, struct session *session)
{
    unsigned count = ask->questions.count;

    ask_screen_wipe(ask);
    client_close(&ask->decider);
    client_close(&ask->observer);
    questions_cleanup(&ask->questions);
    ask->shown = ask->submitted = NULL;
    ask->reading = false;
    text_clear(&ask->line);
    if (count == 0)
        return;
    text_add_format(&ask->line, "%u held connection%s undecided.", count, count == 1 ? " goes back" : "s go back");
    session->say(text_string(&ask->line));
}

enum agent_result ask_work(struct session *session, void *context, struct problem *problem)
{
    struct ask *ask = context;
    enum agent_result result = client_open(&ask->decider, session->path, GATEHOUSE_ROLE_DECIDER, problem);

    if (result == AGENT_OK)
        result = client_open(&ask->observer, session->path, GATEHOUSE_ROLE_OBSERVER, problem);
    if (result == AGENT_OK) {
        session_connected(session);
        result = read_on(&ask->observer, GATEHOUSE_IOCTL_READ_EVENTS, problem);
    }
    while (result == AGENT_OK)
        result = step(ask, problem);
    close_both(ask, session);
    return result;
}
