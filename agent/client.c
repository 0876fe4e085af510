/* SPDX-License-Identifier: MIT */
/*
 * client.c - see client.h.
 */
#include "agent/client.h"

#include <string.h>

#include <gatehouse/status.h>

#include "agent/status_text.h"
#include "words.h"

#define CLIENT_CALL_OUTPUT_MAX 4096u

enum agent_result client_explain(uint32_t status, struct problem *problem)
{
    const char *text = status_text(status);
    enum agent_result result = AGENT_REFUSED;

    if (status == GATEHOUSE_E_STOPPING || status == STATUS_TEXT_CANCELLED)
        result = AGENT_LOST;
    if (text == NULL)
        return problem_set(problem, result, WORDS_PEER " refuses with status 0x%08X.", (unsigned)status);
    return problem_set(problem, result, WORDS_PEER " says: %s.", text);
}

static struct client_pending *find_pending(struct client *client, uint32_t tag)
{
    for (unsigned i = 0; i < GATEHOUSE_CALLS_MAX; i++) {
        if (client->pending[i].tag == tag)
            return &client->pending[i];
    }
    return NULL;
}

enum agent_result client_send(struct client *client, struct transport_call *calls, unsigned count,
                              struct problem *problem)
{
    for (unsigned i = 0; i < count; i++) {
        struct client_pending *slot = find_pending(client, 0);

        if (slot == NULL)
            return problem_set(problem, AGENT_FAILED, "too many calls are under way.");
        do {
            client->last_tag++;
        } while (client->last_tag == 0 || find_pending(client, client->last_tag) != NULL);
        calls[i].tag = client->last_tag;
        *slot = (struct client_pending){calls[i].tag, calls[i].code, calls[i].output_size};
    }
    return transport_send(client->transport, calls, count, problem);
}

enum agent_result client_receive(struct client *client, void *buffer, size_t capacity, int timeout_ms,
                                 struct client_answer *answer, struct problem *problem)
{
    struct transport_answer got;
    struct client_pending *slot;
    enum agent_result result = transport_receive(client->transport, buffer, capacity, timeout_ms, &got, problem);

    if (result != AGENT_OK)
        return result;
    if (got.tag == 0 && got.status != STATUS_TEXT_SUCCESS)
        return client_explain(got.status, problem);
    slot = got.tag == 0 ? NULL : find_pending(client, got.tag);
    if (slot == NULL)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent an answer to no call.");
    if (got.size > slot->output_size)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent an answer that is longer than asked for.");
    *answer = (struct client_answer){slot->code, got.tag, got.status, got.output, got.size};
    slot->tag = 0;
    return AGENT_OK;
}

enum agent_result client_exchange(struct client *client, const struct transport_call *call, void *buffer,
                                  size_t capacity, int timeout_ms, struct client_answer *answer,
                                  struct problem *problem)
{
    struct transport_call sent = *call;
    enum agent_result result = client_send(client, &sent, 1, problem);

    /* A peer that refuses us may be gone before the call; its reason waits in the socket. */
    if (result != AGENT_OK && result != AGENT_LOST)
        return result;
    result = client_receive(client, buffer, capacity, timeout_ms, answer, problem);
    if (result == AGENT_TIMEOUT)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " gives no answer for %d seconds: " WORDS_LOOK ".",
                           timeout_ms / 1000);
    return result;
}

enum agent_result client_call(struct client *client, const struct transport_call *call, void *output, size_t *size,
                              uint32_t *status, struct problem *problem)
{
    _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(CLIENT_CALL_OUTPUT_MAX)];
    struct client_answer answer = {0};
    enum agent_result result;

    if (call->output_size > CLIENT_CALL_OUTPUT_MAX)
        return problem_set(problem, AGENT_FAILED, "the call asks for too much output.");
    result = client_exchange(client, call, buffer, sizeof(buffer), TRANSPORT_DEADLINE_MS, &answer, problem);
    if (result != AGENT_OK)
        return result;
    if (status != NULL)
        *status = answer.status;
    if (answer.status != STATUS_TEXT_SUCCESS)
        return client_explain(answer.status, problem);
    if (answer.size > 0)
        memcpy(output, answer.output, answer.size);
    *size = answer.size;
    return AGENT_OK;
}

static enum agent_result say_hello(struct client *client, uint32_t role, uint32_t *status, struct problem *problem)
{
    struct gatehouse_hello hello = {.version = GATEHOUSE_PROTOCOL_VERSION, .role = role};
    struct transport_call call = {GATEHOUSE_IOCTL_HELLO, 0, &hello, sizeof(hello), sizeof(hello)};
    struct gatehouse_hello back = {0};
    size_t size = 0;
    enum agent_result result = client_call(client, &call, &back, &size, status, problem);

    if (result != AGENT_OK)
        return result;
    if (size != sizeof(back))
        return problem_set(problem, AGENT_LOST, WORDS_PEER " answers HELLO with a wrong size.");
    if (back.version != GATEHOUSE_PROTOCOL_VERSION)
        return problem_set(problem, AGENT_REFUSED,
                           WORDS_PEER " speaks protocol version %u and this program %u: install both programs from one "
                                      "release.",
                           (unsigned)back.version, GATEHOUSE_PROTOCOL_VERSION);
    return AGENT_OK;
}

enum agent_result client_open_status(struct client *client, const char *path, uint32_t role, uint32_t *status,
                                     struct problem *problem)
{
    enum agent_result result;

    *client = (struct client){0};
    result = transport_open(&client->transport, path, problem);
    if (result == AGENT_OK)
        result = say_hello(client, role, status, problem);
    if (result != AGENT_OK)
        client_close(client);
    return result;
}

enum agent_result client_open(struct client *client, const char *path, uint32_t role, struct problem *problem)
{
    return client_open_status(client, path, role, NULL, problem);
}

void client_close(struct client *client)
{
    transport_close(client->transport);
    *client = (struct client){0};
}
