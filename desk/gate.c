/* SPDX-License-Identifier: MIT */
/*
 * gate.c - see gate.h.
 *
 * One submission is under way at a time: it carries everything that was answered meanwhile, in order.
 */
#include "desk/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <gatehouse/rules.h>
#include <gatehouse/status.h>

#include "agent/client.h"
#include "agent/clock.h"
#include "agent/status_text.h"
#include "agent/transport_unix.h"
#include "words.h"

#define OUTPUT_SIZE ((uint32_t)GATEHOUSE_REQUEST_MAX_SIZE)
/* Most requests that one answer can hold; there must be room for them before a read. */
#define READ_MAX       (OUTPUT_SIZE / sizeof(struct gatehouse_request))
#define SUBMIT_MAX     256u
#define PAUSE_FIRST_MS 50u
#define PAUSE_LAST_MS  1000u
/* A connection that lived this long was a good one: the next pause is short again. */
#define GOOD_AFTER (5 * CLOCK_SECOND)
/* gatehoused may have a disk to wait for, and changes of rules by others. */
#define SUBMIT_LIMIT (60 * CLOCK_SECOND)
#define TURNS_MAX    64

struct gate {
    struct gate_settings settings;
    char *socket;
    struct client decider, observer;
    struct loop_watch *decider_watch, *observer_watch;
    struct loop_timer retry, work, due;
    bool reading;          /* a GET_REQUESTS is under way */
    unsigned submitted;    /* decisions under way */
    uint64_t submitted_at; /* boot time */
    uint32_t change_tag;   /* of the rules; 0: none is under way */
    uint64_t next_flow;    /* GATEHOUSE_FLOWS_CHANGES */
    bool was_away;         /* and it was said */
    uint64_t connected_at;
    unsigned pause_ms;
    enum agent_result ended; /* AGENT_OK: it goes on */
    struct problem why;
    _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(OUTPUT_SIZE)];
};

static void on_decider(void *context, uint32_t events);
static void on_observer(void *context, uint32_t events);

static void say(struct gate *gate, const char *sentence)
{
    gate->settings.say(gate->settings.context, sentence);
}

static enum agent_result unreadable(const char *why, struct problem *problem)
{
    return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", why);
}

/* --- Going away and coming back ------------------------------------------------------------------ */

static void close_decider(struct gate *gate)
{
    loop_unwatch(gate->decider_watch);
    gate->decider_watch = NULL;
    client_close(&gate->decider);
    gate->reading = false;
    gate->submitted = 0;
}

static void close_all(struct gate *gate)
{
    close_decider(gate);
    loop_unwatch(gate->observer_watch);
    gate->observer_watch = NULL;
    client_close(&gate->observer);
    gate->change_tag = 0;
}

static void try_later(struct gate *gate)
{
    loop_timer_set(gate->settings.loop, &gate->retry, clock_boot() + gate->pause_ms * CLOCK_MILLISECOND);
    gate->pause_ms = gate->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : gate->pause_ms * 2;
}

/* The connection ended, or what it carried cannot be used. */
static void lose(struct gate *gate, const struct problem *problem)
{
    char sentence[sizeof(problem->sentence) + 64];
    uint64_t now = clock_boot();

    if (gate->connected_at != 0 && now - gate->connected_at > GOOD_AFTER)
        gate->pause_ms = PAUSE_FIRST_MS;
    gate->connected_at = 0;
    close_all(gate);
    desk_changes_lost(gate->settings.desk, now);
    snprintf(sentence, sizeof(sentence), "%s%s", problem->sentence,
             gate->settings.once ? "" : " Trying again until it is back.");
    desk_set_decider(gate->settings.desk, false, sentence, now);
    if (gate->settings.once) {
        gate->ended = problem->result;
        gate->why = *problem;
        return;
    }
    if (!gate->was_away)
        say(gate, sentence);
    gate->was_away = true;
    try_later(gate);
}

static enum agent_result read_on(struct client *client, uint32_t code, struct problem *problem)
{
    struct transport_call call = {.code = code, .output_size = OUTPUT_SIZE};

    return client_send(client, &call, 1, problem);
}

static enum agent_result wait_for_flows(struct gate *gate, struct problem *problem)
{
    struct gatehouse_flows_get get = {gate->next_flow, GATEHOUSE_FLOWS_CHANGES | GATEHOUSE_FLOWS_WAIT, 0};
    struct transport_call call = {GATEHOUSE_CALL_FLOWS, 0, &get, sizeof(get), OUTPUT_SIZE};

    return gate->settings.flow == NULL ? AGENT_OK : client_send(&gate->observer, &call, 1, problem);
}

static enum agent_result tell_connected(struct gate *gate, struct problem *problem)
{
    struct transport_call call = {.code = GATEHOUSE_IOCTL_GET_STATUS, .output_size = 4096};
    struct gatehouse_status status;
    uint8_t bytes[4096];
    size_t size = 0;
    enum agent_result result;

    gate->next_flow = 0;
    if (gate->settings.connected == NULL)
        return AGENT_OK;
    result = client_call(&gate->observer, &call, bytes, &size, NULL, problem);
    if (result != AGENT_OK)
        return result;
    if (wire_read_status(bytes, size, &status) != NULL)
        return unreadable("its status", problem);
    gate->settings.connected(gate->settings.context, status.loaded_at);
    return AGENT_OK;
}

static enum agent_result open_observer(struct gate *gate, struct problem *problem)
{
    enum agent_result result;

    if (gate->observer.transport != NULL)
        return AGENT_OK;
    result = client_open(&gate->observer, gate->socket, GATEHOUSE_ROLE_OBSERVER, problem);
    if (result == AGENT_OK)
        result = tell_connected(gate, problem);
    if (result == AGENT_OK)
        result = read_on(&gate->observer, GATEHOUSE_IOCTL_READ_EVENTS, problem);
    if (result == AGENT_OK)
        result = wait_for_flows(gate, problem);
    if (result == AGENT_OK)
        result = loop_watch(gate->settings.loop, transport_descriptor(gate->observer.transport), EPOLLIN, on_observer,
                            gate, &gate->observer_watch, problem);
    return result;
}

static enum agent_result open_decider(struct gate *gate, uint32_t *status, struct problem *problem)
{
    enum agent_result result =
        client_open_status(&gate->decider, gate->socket, GATEHOUSE_ROLE_DECIDER, status, problem);

    if (result == AGENT_OK)
        result = loop_watch(gate->settings.loop, transport_descriptor(gate->decider.transport), EPOLLIN, on_decider,
                            gate, &gate->decider_watch, problem);
    return result;
}

static void connected(struct gate *gate)
{
    if (gate->was_away)
        say(gate, WORDS_PEER " is back: questions are asked here again.");
    gate->was_away = false;
    gate->connected_at = clock_boot();
    desk_set_decider(gate->settings.desk, true, "", gate->connected_at);
    loop_timer_set(gate->settings.loop, &gate->work, 1);
}

/* Opens what is not open. *taken: somebody else decides. */
static enum agent_result try_to_open(struct gate *gate, bool *taken, struct problem *problem)
{
    uint32_t status = STATUS_TEXT_SUCCESS;
    enum agent_result result = open_observer(gate, problem);

    *taken = false;
    if (result == AGENT_OK)
        result = open_decider(gate, &status, problem);
    if (result == AGENT_OK)
        connected(gate);
    *taken = result == AGENT_REFUSED && status == GATEHOUSE_E_DECIDER_PRESENT;
    return result;
}

static void wait_for_role(struct gate *gate, const struct problem *problem)
{
    desk_set_decider(gate->settings.desk, false, problem->sentence, clock_boot());
    if (!gate->was_away)
        say(gate, "another program decides now: questions are asked here as soon as it ends.");
    gate->was_away = true;
    close_decider(gate);
    try_later(gate);
}

static void on_retry(void *context)
{
    struct gate *gate = context;
    struct problem problem = {0};
    bool taken;
    enum agent_result result = try_to_open(gate, &taken, &problem);

    if (result == AGENT_OK)
        return;
    if (taken) {
        wait_for_role(gate, &problem);
    } else if (result == AGENT_LOST || result == AGENT_UNREACHABLE || gate->settings.patient) {
        lose(gate, &problem);
    } else {
        close_all(gate);
        gate->ended = result;
        gate->why = problem;
        desk_set_decider(gate->settings.desk, false, problem.sentence, clock_boot());
    }
}

/* --- Handing over -------------------------------------------------------------------------------- */

static enum agent_result submit(struct gate *gate, struct problem *problem)
{
    struct {
        struct gatehouse_decisions head;
        struct gatehouse_decision list[SUBMIT_MAX];
    } input = {{GATEHOUSE_PROTOCOL_VERSION, 0}, {{0}}};
    struct transport_call call = {.code = GATEHOUSE_IOCTL_SUBMIT_DECISIONS, .input = &input};

    if (gate->submitted > 0)
        return AGENT_OK;
    input.head.count = desk_take_decisions(gate->settings.desk, input.list, SUBMIT_MAX);
    if (input.head.count == 0)
        return AGENT_OK;
    call.input_size = (uint32_t)(sizeof(input.head) + input.head.count * sizeof(input.list[0]));
    call.output_size = (uint32_t)(input.head.count * sizeof(uint32_t));
    gate->submitted = input.head.count;
    gate->submitted_at = clock_boot();
    return client_send(&gate->decider, &call, 1, problem);
}

static enum agent_result change(struct gate *gate, struct problem *problem)
{
    struct desk_change wanted;
    struct transport_call call = {0};
    enum agent_result result;

    if (gate->change_tag != 0 || !desk_next_change(gate->settings.desk, &wanted))
        return AGENT_OK;
    call = (struct transport_call){wanted.code, 0, wanted.input, wanted.input_size, 0};
    result = client_send(&gate->observer, &call, 1, problem);
    gate->change_tag = call.tag;
    return result;
}

static uint64_t next_due(const struct gate *gate)
{
    uint64_t due = desk_due(gate->settings.desk);

    if (gate->submitted > 0 && (due == 0 || gate->submitted_at + SUBMIT_LIMIT < due))
        due = gate->submitted_at + SUBMIT_LIMIT;
    return due;
}

static void on_work(void *context)
{
    struct gate *gate = context;
    struct problem problem = {0};
    enum agent_result result = AGENT_OK;

    if (gate->decider.transport != NULL) {
        result = submit(gate, &problem);
        if (result == AGENT_OK && !gate->reading && desk_room(gate->settings.desk) >= READ_MAX) {
            gate->reading = true;
            result = read_on(&gate->decider, GATEHOUSE_IOCTL_GET_REQUESTS, &problem);
        }
    }
    if (result == AGENT_OK && gate->observer.transport != NULL)
        result = change(gate, &problem);
    if (result != AGENT_OK)
        lose(gate, &problem);
    loop_timer_set(gate->settings.loop, &gate->due, next_due(gate));
}

static void work_soon(void *context)
{
    struct gate *gate = context;

    loop_timer_set(gate->settings.loop, &gate->work, 1);
}

static void on_due(void *context)
{
    struct gate *gate = context;
    struct problem problem = {0};
    uint64_t now = clock_boot();

    desk_tick(gate->settings.desk, now);
    if (gate->submitted > 0 && now >= gate->submitted_at + SUBMIT_LIMIT) {
        problem_set(&problem, AGENT_LOST, WORDS_PEER " does not take decisions for %u seconds: " WORDS_LOOK ".",
                    (unsigned)(SUBMIT_LIMIT / CLOCK_SECOND));
        lose(gate, &problem);
    }
    work_soon(gate);
}

/* --- What comes ---------------------------------------------------------------------------------- */

static enum agent_result take_requests(struct gate *gate, const struct client_answer *answer, struct problem *problem)
{
    struct wire_cursor cursor = {answer->output, answer->size};
    const char *why = NULL;
    struct request request;
    enum wire_step step;

    gate->reading = false;
    while ((step = wire_next_request(&cursor, &request, &why)) == WIRE_RECORD) {
        if (!desk_offer(gate->settings.desk, &request, clock_boot()))
            return problem_set(problem, AGENT_LOST, "out of memory for one more question.");
    }
    return step == WIRE_BAD ? unreadable(why, problem) : AGENT_OK;
}

static enum agent_result take_statuses(struct gate *gate, const struct client_answer *answer, struct problem *problem)
{
    uint32_t statuses[SUBMIT_MAX];
    unsigned count = gate->submitted;

    if (answer->size != count * sizeof(statuses[0]))
        return problem_set(problem, AGENT_LOST, WORDS_PEER " answers decisions with a wrong size.");
    memcpy(statuses, answer->output, answer->size);
    gate->submitted = 0;
    desk_decided(gate->settings.desk, statuses, count, clock_boot());
    return AGENT_OK;
}

static enum agent_result take_events(struct gate *gate, const struct client_answer *answer, struct problem *problem)
{
    struct wire_cursor cursor = {answer->output, answer->size};
    const char *why = NULL;
    struct event event;
    enum wire_step step;

    while ((step = wire_next_event(&cursor, &event, &why)) == WIRE_RECORD) {
        if (event.fixed.type == GATEHOUSE_EVENT_LOST && gate->settings.lost_events != NULL)
            gate->settings.lost_events(gate->settings.context, event.fixed.count);
        desk_event(gate->settings.desk, &event, clock_boot());
    }
    return step == WIRE_BAD ? unreadable(why, problem) : read_on(&gate->observer, GATEHOUSE_IOCTL_READ_EVENTS, problem);
}

static enum agent_result take_flows(struct gate *gate, const struct client_answer *answer, struct problem *problem)
{
    struct gatehouse_flows head = {0};
    struct wire_cursor cursor = {0};
    const char *why = NULL;
    struct flow flow;
    enum wire_step step;

    if (answer->status != STATUS_TEXT_SUCCESS)
        return AGENT_OK; /* this platform tells no flows */
    if (answer->size >= sizeof(head))
        memcpy(&head, answer->output, sizeof(head));
    if (answer->size < sizeof(head) || head.next < gate->next_flow)
        return unreadable("its flows", problem);
    gate->next_flow = head.next;
    cursor = (struct wire_cursor){answer->output + sizeof(head), answer->size - sizeof(head)};
    while ((step = wire_next_flow(&cursor, &flow, &why)) == WIRE_RECORD)
        gate->settings.flow(gate->settings.context, &flow);
    return step == WIRE_BAD ? unreadable(why, problem) : wait_for_flows(gate, problem);
}

static enum agent_result take_answer(struct gate *gate, const struct client_answer *answer, struct problem *problem)
{
    if (answer->code == GATEHOUSE_CALL_FLOWS)
        return take_flows(gate, answer, problem);
    if (gate->change_tag != 0 && answer->tag == gate->change_tag &&
        (answer->code == GATEHOUSE_IOCTL_RULES_ADD || answer->code == GATEHOUSE_IOCTL_RULES_REMOVE)) {
        gate->change_tag = 0;
        desk_changed(gate->settings.desk, answer->status, clock_boot());
        return AGENT_OK;
    }
    if (answer->status != STATUS_TEXT_SUCCESS)
        return client_explain(answer->status, problem);
    switch (answer->code) {
    case GATEHOUSE_IOCTL_GET_REQUESTS:
        return take_requests(gate, answer, problem);
    case GATEHOUSE_IOCTL_SUBMIT_DECISIONS:
        return take_statuses(gate, answer, problem);
    default:
        return take_events(gate, answer, problem);
    }
}

static void take_all(struct gate *gate, struct client *client)
{
    struct problem problem = {0};
    enum agent_result result = AGENT_OK;

    for (unsigned i = 0; i < TURNS_MAX && result == AGENT_OK; i++) {
        struct client_answer answer;

        result = client_receive(client, gate->buffer, sizeof(gate->buffer), 0, &answer, &problem);
        if (result == AGENT_OK)
            result = take_answer(gate, &answer, &problem);
    }
    if (result != AGENT_OK && result != AGENT_TIMEOUT)
        lose(gate, &problem);
    work_soon(gate);
}

static void on_decider(void *context, uint32_t events)
{
    struct gate *gate = context;

    (void)events;
    take_all(gate, &gate->decider);
}

static void on_observer(void *context, uint32_t events)
{
    struct gate *gate = context;

    (void)events;
    take_all(gate, &gate->observer);
}

/* --- Beginning and end --------------------------------------------------------------------------- */

enum agent_result gate_open(const struct gate_settings *settings, struct gate **gate, struct problem *problem)
{
    struct gate *made = calloc(1, sizeof(*made));
    enum agent_result result;
    bool taken;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->settings = *settings;
    made->socket = strdup(settings->socket);
    made->pause_ms = PAUSE_FIRST_MS;
    made->retry = (struct loop_timer){.due = on_retry, .context = made};
    made->work = (struct loop_timer){.due = on_work, .context = made};
    made->due = (struct loop_timer){.due = on_due, .context = made};
    desk_set_wake(settings->desk, work_soon, made);
    if (made->socket == NULL)
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    else
        result = try_to_open(made, &taken, problem);
    if (result != AGENT_OK && settings->patient && made->socket != NULL) {
        if (taken)
            wait_for_role(made, problem);
        else
            lose(made, problem);
        result = AGENT_OK;
    }
    if (result != AGENT_OK) {
        gate_close(made);
        return result;
    }
    *gate = made;
    return AGENT_OK;
}

static void nothing(void *context)
{
    (void)context;
}

void gate_close(struct gate *gate)
{
    if (gate == NULL)
        return;
    desk_set_wake(gate->settings.desk, nothing, NULL);
    close_all(gate);
    desk_changes_lost(gate->settings.desk, clock_boot());
    desk_set_decider(gate->settings.desk, false, "the desk ends.", clock_boot());
    loop_timer_clear(gate->settings.loop, &gate->retry);
    loop_timer_clear(gate->settings.loop, &gate->work);
    loop_timer_clear(gate->settings.loop, &gate->due);
    free(gate->socket);
    free(gate);
}

enum agent_result gate_ended(const struct gate *gate, struct problem *problem)
{
    if (gate->ended != AGENT_OK)
        *problem = gate->why;
    return gate->ended;
}
