/* SPDX-License-Identifier: MIT */
/*
 * watch.c - see watch.h.
 */
#include "agent/watch.h"

#include <string.h>

#include <gatehouse/status.h>

#include "agent/clock.h"
#include "agent/rule_calls.h"
#include "agent/show.h"
#include "agent/status_text.h"
#include "agent/stop.h"
#include "agent/wire.h"
#include "words.h"

#define OUTPUT_SIZE ((uint32_t)(GATEHOUSE_REQUEST_MAX_SIZE + sizeof(struct gatehouse_event)))
#define CALL_SIZE   4096u

/* An event's time counts from boot; people think in wall time. */
static uint64_t to_wall(uint64_t boot)
{
    return clock_wall() - clock_boot() + boot;
}

static enum agent_result take_events(const struct client_answer *answer, bool json,
                                     bool (*take)(const char *line, size_t size), struct text *line, bool *more,
                                     struct problem *problem)
{
    struct wire_cursor cursor = {answer->output, answer->size};
    const char *why = NULL;
    struct event event;
    enum wire_step step = WIRE_END;

    while (*more && (step = wire_next_event(&cursor, &event, &why)) == WIRE_RECORD) {
        text_clear(line);
        if (json)
            show_event_json(line, to_wall(event.fixed.time), &event);
        else
            show_event(line, to_wall(event.fixed.time), &event);
        if (line->failed)
            return problem_set(problem, AGENT_FAILED, "out of memory.");
        *more = take(text_string(line), line->used);
    }
    if (step == WIRE_BAD)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", why);
    return AGENT_OK;
}

enum agent_result watch_run(const char *path, bool json, bool (*take)(const char *line, size_t size),
                            struct problem *problem)
{
    static _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(OUTPUT_SIZE)];
    struct client client;
    struct text line = {0};
    bool more = true;
    enum agent_result result = client_open(&client, path, GATEHOUSE_ROLE_OBSERVER, problem);

    if (result != AGENT_OK)
        return result;
    stop_attach(client.transport);
    while (result == AGENT_OK && more) {
        struct transport_call call = {.code = GATEHOUSE_IOCTL_READ_EVENTS, .output_size = OUTPUT_SIZE};
        struct client_answer answer;

        result = client_send(&client, &call, 1, problem);
        while (result == AGENT_OK &&
               (result = client_receive(&client, buffer, sizeof(buffer), -1, &answer, problem)) == AGENT_TIMEOUT)
            result = stop_requested() ? AGENT_STOPPED : AGENT_OK;
        if (result == AGENT_OK && answer.status != STATUS_TEXT_SUCCESS)
            result = client_explain(answer.status, problem);
        if (result == AGENT_OK)
            result = take_events(&answer, json, take, &line, &more, problem);
    }
    stop_attach(NULL);
    client_close(&client);
    text_free(&line);
    return stop_requested() ? AGENT_STOPPED : result;
}

static enum agent_result get_status(struct client *client, struct gatehouse_status *status, struct problem *problem)
{
    struct transport_call call = {.code = GATEHOUSE_IOCTL_GET_STATUS, .output_size = CALL_SIZE};
    uint8_t output[CALL_SIZE];
    const char *wrong;
    size_t size = 0;
    enum agent_result result = client_call(client, &call, output, &size, NULL, problem);

    if (result != AGENT_OK)
        return result;
    wrong = wire_read_status(output, size, status);
    if (wrong != NULL)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", wrong);
    return AGENT_OK;
}

static enum agent_result get_platform(struct client *client, struct gatehouse_platform_status *platform, bool *has,
                                      struct problem *problem)
{
    struct transport_call call = {.code = GATEHOUSE_CALL_PLATFORM_STATUS, .output_size = CALL_SIZE};
    uint8_t output[CALL_SIZE];
    const char *wrong;
    size_t size = 0;
    uint32_t status = 0;
    enum agent_result result = client_call(client, &call, output, &size, &status, problem);

    *has = false;
    /* A platform without counters of its own does not know the call, and that is no fault. */
    if (result == AGENT_REFUSED && status != STATUS_TEXT_SUCCESS)
        return AGENT_OK;
    if (result != AGENT_OK)
        return result;
    wrong = wire_read_platform(output, size, platform);
    if (wrong != NULL)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", wrong);
    *has = true;
    return AGENT_OK;
}

/* The rules' counts; a driver from before there were rules does not know the call, and that is no fault. */
static enum agent_result get_rules(struct client *client, struct show_state *state, struct problem *problem)
{
    struct rule_policy policy;
    enum agent_result result = rule_calls_count(client, &policy, problem);

    state->has_rules = result == AGENT_OK;
    if (result != AGENT_OK)
        return result == AGENT_REFUSED ? AGENT_OK : result;
    state->generation = policy.generation;
    state->file_rules = policy.file_rules;
    state->added_rules = policy.added_rules;
    return AGENT_OK;
}

enum agent_result watch_status(const char *path, struct show_state *state, struct problem *problem)
{
    struct client client;
    enum agent_result result = client_open(&client, path, GATEHOUSE_ROLE_OBSERVER, problem);

    *state = (struct show_state){0};
    if (result != AGENT_OK)
        return result;
    result = get_status(&client, &state->driver, problem);
    if (result == AGENT_OK)
        result = get_platform(&client, &state->platform, &state->has_platform, problem);
    if (result == AGENT_OK)
        result = get_rules(&client, state, problem);
    client_close(&client);
    return result;
}

static enum agent_result set_policy(struct client *client, const struct watch_change *change,
                                    const struct gatehouse_policy *now, struct problem *problem)
{
    struct gatehouse_policy wanted = {.version = GATEHOUSE_PROTOCOL_VERSION,
                                      .deadline_ms = change->set_deadline ? change->deadline_ms : now->deadline_ms,
                                      .undecided = change->set_undecided ? change->undecided : now->undecided,
                                      .no_decider = change->set_no_decider ? change->no_decider : now->no_decider};
    struct transport_call call = {
        .code = GATEHOUSE_IOCTL_SET_POLICY, .input = &wanted, .input_size = sizeof(wanted), .output_size = 0};
    size_t size = 0;

    return client_call(client, &call, NULL, &size, NULL, problem);
}

enum agent_result watch_policy(const char *path, const struct watch_change *change, struct gatehouse_policy *policy,
                               struct problem *problem)
{
    bool any = change->set_deadline || change->set_undecided || change->set_no_decider;
    struct gatehouse_status status;
    struct client client;
    enum agent_result result = client_open(&client, path, GATEHOUSE_ROLE_OBSERVER, problem);

    if (result != AGENT_OK)
        return result;
    result = get_status(&client, &status, problem);
    if (result == AGENT_OK && any)
        result = set_policy(&client, change, &status.policy, problem);
    if (result == AGENT_OK && any)
        result = get_status(&client, &status, problem);
    client_close(&client);
    if (result == AGENT_OK)
        *policy = status.policy;
    return result;
}
