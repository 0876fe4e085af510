/* SPDX-License-Identifier: MIT */
/*
 * decide.c - see decide.h.
 *
 * A batch is one answer of GET_REQUESTS together with the decisions made from it. It lives until the
 * driver has said which decisions counted, because only then its lines can be printed truthfully.
 * Batches come from a fixed pool; while the pool is short, reads wait until a submit is answered.
 *
 * When no lines are wanted, decisions go out with SUBMIT_AND_GET, which is the next read as well: nobody waits for
 * their statuses. With lines they go out alone, for a line must not wait for the next connection.
 */
#include "agent/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/status.h>

#include "agent/client.h"
#include "agent/clock.h"
#include "agent/show.h"
#include "agent/status_text.h"
#include "agent/stop.h"
#include "agent/wait.h"
#include "words.h"

#define READS_MAX   2u
#define BATCHES     6u
#define OUTPUT_SIZE ((uint32_t)GATEHOUSE_REQUEST_MAX_SIZE)
/* Of a submit that is a read too: enough for dozens of requests. Whoever needs more room is read with OUTPUT_SIZE. */
#define BOTH_SIZE 16384u
/* The smallest request is a bare header. */
#define BATCH_MAX (OUTPUT_SIZE / sizeof(struct gatehouse_request))

struct batch {
    _Alignas(8) uint8_t message[TRANSPORT_BUFFER_SIZE(OUTPUT_SIZE)];
    const uint8_t *requests; /* inside message */
    uint32_t requests_size;
    uint32_t submit_tag; /* 0: free */
    struct {
        struct gatehouse_decisions head;
        struct gatehouse_decision list[BATCH_MAX];
    } submit;
};

struct decide {
    const struct decide_settings *settings;
    struct client client;
    struct output output;
    unsigned reads; /* under way */
    struct batch batches[BATCHES];
};

_Static_assert(BATCH_MAX <= GATEHOUSE_DECISIONS_MAX, "one read's requests fit one submit");
_Static_assert(READS_MAX + BATCHES <= GATEHOUSE_CALLS_MAX, "all calls fit");

struct decide *decide_new(const struct decide_settings *settings)
{
    struct decide *decide = calloc(1, sizeof(*decide));

    if (decide == NULL)
        return NULL;
    decide->settings = settings;
    decide->output.json = settings->json;
    return decide;
}

void decide_free(struct decide *decide)
{
    if (decide == NULL)
        return;
    output_write(&decide->output);
    output_free(&decide->output);
    free(decide);
}

static unsigned count_free(const struct decide *decide)
{
    unsigned count = 0;

    for (unsigned i = 0; i < BATCHES; i++)
        count += decide->batches[i].submit_tag == 0;
    return count;
}

static struct batch *find_batch(struct decide *decide, uint32_t submit_tag)
{
    for (unsigned i = 0; i < BATCHES; i++) {
        if (decide->batches[i].submit_tag == submit_tag)
            return &decide->batches[i];
    }
    return NULL;
}

static struct transport_call read_call(void)
{
    return (struct transport_call){.code = GATEHOUSE_IOCTL_GET_REQUESTS, .output_size = OUTPUT_SIZE};
}

static struct transport_call submit_call(const struct decide *decide, const struct batch *batch)
{
    uint32_t count = batch->submit.head.count;
    uint32_t input_size = (uint32_t)(sizeof(batch->submit.head) + count * sizeof(batch->submit.list[0]));

    if (decide->settings->quiet)
        return (struct transport_call){GATEHOUSE_IOCTL_SUBMIT_AND_GET, 0, &batch->submit, input_size, BOTH_SIZE};
    return (struct transport_call){GATEHOUSE_IOCTL_SUBMIT_DECISIONS, 0, &batch->submit, input_size,
                                   count * (uint32_t)sizeof(uint32_t)};
}

/* Fills in the batch's decisions from its requests. */
static enum agent_result make_decisions(const struct decide *decide, struct batch *batch, struct problem *problem)
{
    struct wire_cursor cursor = {batch->requests, batch->requests_size};
    const char *why = NULL;
    struct request request;
    enum wire_step step;
    uint32_t count = 0;

    while ((step = wire_next_request(&cursor, &request, &why)) == WIRE_RECORD)
        batch->submit.list[count++] = (struct gatehouse_decision){
            .id = request.fixed.id, .verdict = (uint32_t)exceptions_decide(decide->settings->exceptions, &request)};
    if (step == WIRE_BAD)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", why);
    if (count == 0)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent an answer without a request.");
    batch->submit.head = (struct gatehouse_decisions){GATEHOUSE_PROTOCOL_VERSION, count};
    return AGENT_OK;
}

/* Decides the requests that came, and reads on. */
static enum agent_result decide_batch(struct decide *decide, struct batch *batch, const uint8_t *requests,
                                      uint32_t size, struct problem *problem)
{
    struct transport_call calls[2];
    unsigned count = 1;
    enum agent_result result;

    decide->reads--;
    batch->requests = requests;
    batch->requests_size = size;
    result = make_decisions(decide, batch, problem);
    if (result != AGENT_OK)
        return result;
    calls[0] = submit_call(decide, batch);
    /* This batch is taken now; one of the free ones must stay free to receive with. */
    if (calls[0].code == GATEHOUSE_IOCTL_SUBMIT_AND_GET) {
        decide->reads++;
    } else if (count_free(decide) > decide->reads + 2) {
        calls[count++] = read_call();
        decide->reads++;
    }
    result = client_send(&decide->client, calls, count, problem);
    batch->submit_tag = calls[0].tag;
    return result;
}

static enum agent_result on_requests(struct decide *decide, struct batch *batch, const struct client_answer *answer,
                                     struct problem *problem)
{
    if (answer->status != STATUS_TEXT_SUCCESS)
        return client_explain(answer->status, problem);
    return decide_batch(decide, batch, answer->output, answer->size, problem);
}

/* Statuses, and then requests unless a decision came too late or the call could not wait. */
static enum agent_result on_both(struct decide *decide, struct batch *batch, const struct client_answer *answer,
                                 struct problem *problem)
{
    struct batch *before = find_batch(decide, answer->tag);
    struct transport_call call = read_call();
    uint32_t begun;

    if (answer->status != STATUS_TEXT_SUCCESS)
        return client_explain(answer->status, problem);
    begun = before == NULL ? 0 : GATEHOUSE_STATUSES_SIZE(before->submit.head.count);
    if (before == NULL || answer->size < begun)
        return problem_set(problem, AGENT_LOST, "gatehoused answers decisions with a wrong size.");
    before->submit_tag = 0;
    if (answer->size > begun)
        return decide_batch(decide, batch, answer->output + begun, answer->size - begun, problem);
    return client_send(&decide->client, &call, 1, problem);
}

static void print_batch(struct decide *decide, const struct batch *batch, const uint8_t *statuses)
{
    struct wire_cursor cursor = {batch->requests, batch->requests_size};
    uint64_t now = clock_wall();
    struct request request;
    const char *why;

    for (uint32_t i = 0; wire_next_request(&cursor, &request, &why) == WIRE_RECORD; i++) {
        size_t start = output_begin(&decide->output);
        uint32_t status;

        memcpy(&status, statuses + i * sizeof(status), sizeof(status));
        if (decide->settings->json)
            show_decision_json(&decide->output.waiting, now, &request, batch->submit.list[i].verdict, status);
        else
            show_decision(&decide->output.waiting, now, &request, batch->submit.list[i].verdict, status);
        output_end(&decide->output, start);
    }
}

static enum agent_result on_submitted(struct decide *decide, const struct client_answer *answer,
                                      struct problem *problem)
{
    struct batch *batch = find_batch(decide, answer->tag);
    struct transport_call call = read_call();

    if (answer->status != STATUS_TEXT_SUCCESS)
        return client_explain(answer->status, problem);
    if (batch == NULL || answer->size != batch->submit.head.count * sizeof(uint32_t))
        return problem_set(problem, AGENT_LOST, WORDS_PEER " answers decisions with a wrong size.");
    if (!decide->settings->quiet) {
        print_batch(decide, batch, answer->output);
        output_write(&decide->output);
    }
    batch->submit_tag = 0;
    if (decide->reads >= READS_MAX)
        return AGENT_OK;
    decide->reads++;
    return client_send(&decide->client, &call, 1, problem);
}

static enum agent_result on_answer(struct decide *decide, struct batch *batch, const struct client_answer *answer,
                                   struct problem *problem)
{
    if (answer->code == GATEHOUSE_IOCTL_GET_REQUESTS)
        return on_requests(decide, batch, answer, problem);
    if (answer->code == GATEHOUSE_IOCTL_SUBMIT_AND_GET)
        return on_both(decide, batch, answer, problem);
    return on_submitted(decide, answer, problem);
}

/* Waits for the next answer; while lines wait to be read by somebody, for that too. */
static enum agent_result receive(struct decide *decide, struct batch *batch, struct client_answer *answer,
                                 struct problem *problem)
{
    bool submitted = !decide->settings->quiet && count_free(decide) < BATCHES;

    while (output_is_waiting(&decide->output) && !submitted) {
        struct wait wait = {.transports = {decide->client.transport}, .output = true};

        wait_any(&wait, -1);
        if (wait.transport_ready[0] || stop_requested())
            break;
        output_write(&decide->output);
    }
    /* Only a request may take for ever to come. */
    return client_receive(&decide->client, batch->message, sizeof(batch->message),
                          submitted ? TRANSPORT_DEADLINE_MS : -1, answer, problem);
}

static enum agent_result loop(struct decide *decide, struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    while (result == AGENT_OK) {
        struct batch *batch = find_batch(decide, 0);
        struct client_answer answer;

        result = receive(decide, batch, &answer, problem);
        if (stop_requested())
            return AGENT_STOPPED;
        if (result == AGENT_TIMEOUT && !decide->settings->quiet && count_free(decide) < BATCHES)
            return problem_set(problem, AGENT_LOST,
                               WORDS_PEER " does not take decisions for %d seconds: " WORDS_LOOK ".",
                               TRANSPORT_DEADLINE_MS / 1000);
        if (result == AGENT_TIMEOUT)
            result = AGENT_OK;
        else if (result == AGENT_OK)
            result = on_answer(decide, batch, &answer, problem);
    }
    return result;
}

static enum agent_result start_reads(struct decide *decide, struct problem *problem)
{
    struct transport_call calls[READS_MAX];

    for (unsigned i = 0; i < BATCHES; i++)
        decide->batches[i].submit_tag = 0;
    for (unsigned i = 0; i < READS_MAX; i++)
        calls[i] = read_call();
    decide->reads = READS_MAX;
    return client_send(&decide->client, calls, READS_MAX, problem);
}

enum agent_result decide_work(struct session *session, void *context, struct problem *problem)
{
    struct decide *decide = context;
    enum agent_result result = client_open(&decide->client, session->path, GATEHOUSE_ROLE_DECIDER, problem);

    if (result != AGENT_OK)
        return result;
    stop_attach(decide->client.transport);
    session_connected(session);
    result = start_reads(decide, problem);
    if (result == AGENT_OK)
        result = loop(decide, problem);
    stop_attach(NULL);
    client_close(&decide->client);
    return result;
}
