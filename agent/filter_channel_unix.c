/* SPDX-License-Identifier: MIT */
/*
 * filter_channel_unix.c - filter management over gatehoused's socket. See filter_channel.h.
 */
#include "agent/filter_channel.h"

#include <stdlib.h>
#include <string.h>

#include <fwpuclnt/client.h>
#include <gatehouse/transport.h>

#include "agent/client.h"
#include "agent/transport.h"
#include "agent/wait.h"
#include "words.h"

struct channel {
    struct transport *transport;
    uint32_t tag;
    struct problem problem;
    _Alignas(8) uint8_t buffer[GATEHOUSE_MESSAGE_MAX];
};

static struct channel *channel;

static enum agent_result exchange(const struct transport_call *call, struct transport_answer *answer,
                                  struct problem *problem)
{
    enum agent_result result = transport_send(channel->transport, call, 1, problem);

    /* A peer that refuses us may be gone before the call; its reason waits in the socket. */
    if (result != AGENT_OK && result != AGENT_LOST)
        return result;
    result = transport_receive(channel->transport, channel->buffer, sizeof(channel->buffer), TRANSPORT_DEADLINE_MS,
                               answer, problem);
    if (result == AGENT_TIMEOUT)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " gives no answer for %d seconds: " WORDS_LOOK ".",
                           TRANSPORT_DEADLINE_MS / 1000);
    if (result != AGENT_OK)
        return result;
    if (answer->tag == 0 && answer->status != 0)
        return client_explain(answer->status, problem);
    if (answer->tag != call->tag)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent an answer to no call.");
    if (answer->status != 0)
        return problem_set(problem, AGENT_REFUSED,
                           "this " WORDS_PEER " manages no filters (status 0x%08X): use one of this version.",
                           (unsigned)answer->status);
    return AGENT_OK;
}

static DWORD channel_call(void *context, const void *input, UINT32 input_size, void *output, UINT32 capacity,
                          UINT32 *output_size)
{
    struct transport_call call = {GATEHOUSE_CALL_MANAGE, ++channel->tag, input, input_size, capacity};
    struct transport_answer answer = {0};

    (void)context;
    channel->problem.result = exchange(&call, &answer, &channel->problem);
    if (channel->problem.result != AGENT_OK || answer.size > capacity)
        return RPC_S_CALL_FAILED;
    memcpy(output, answer.output, answer.size);
    *output_size = answer.size;
    return ERROR_SUCCESS;
}

static void channel_pause(void *context, UINT32 milliseconds)
{
    struct wait wait = {0};

    (void)context;
    wait_any(&wait, milliseconds);
}

enum agent_result filter_channel_open(const char *path, struct problem *problem)
{
    struct fwpm_channel calls = {.call = channel_call, .pause = channel_pause};
    enum agent_result result;

    channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    result = transport_open(&channel->transport, path, problem);
    if (result == AGENT_OK)
        fwpm_use_channel(&calls);
    else
        filter_channel_close();
    return result;
}

void filter_channel_close(void)
{
    fwpm_use_channel(NULL);
    if (channel != NULL)
        transport_close(channel->transport);
    free(channel);
    channel = NULL;
}

bool filter_channel_failed(struct problem *problem)
{
    if (channel == NULL || channel->problem.result == AGENT_OK)
        return false;
    *problem = channel->problem;
    return true;
}
