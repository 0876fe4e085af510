/* SPDX-License-Identifier: MIT */
/*
 * rule_calls.c - see rule_calls.h.
 */
#include "agent/rule_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/status.h>

#include "agent/clock.h"
#include "agent/status_text.h"
#include "agent/stop.h"
#include "agent/wait.h"
#include "core/rule_image.h"
#include "words.h"

#define OUTPUT_SIZE  (GATEHOUSE_MESSAGE_MAX - 16u)
#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 500
#define RESTARTS_MAX 100u /* the policy may change while it is read, but not for ever */
#define HITS_MAX     (4u * (GATEHOUSE_RULES_MAX + GATEHOUSE_ADDED_RULES_MAX))

struct exchange {
    struct client *client;
    struct client_answer answer;
    _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(OUTPUT_SIZE)];
};

static struct exchange *exchange_new(struct client *client, struct problem *problem)
{
    struct exchange *exchange = malloc(sizeof(*exchange));

    if (exchange == NULL) {
        problem_set(problem, AGENT_FAILED, "out of memory.");
        return NULL;
    }
    exchange->client = client;
    exchange->answer = (struct client_answer){0};
    return exchange;
}

static enum agent_result call_once(struct exchange *exchange, uint32_t code, const void *input, uint32_t input_size,
                                   uint32_t output_size, struct problem *problem)
{
    struct transport_call call = {code, 0, input, input_size, output_size};
    int limit = code == GATEHOUSE_IOCTL_RULES_COMMIT || code == GATEHOUSE_IOCTL_RULES_ADD ||
                        code == GATEHOUSE_IOCTL_RULES_REMOVE
                    ? RULE_CALLS_COMMIT_MS
                    : TRANSPORT_DEADLINE_MS;

    return client_exchange(exchange->client, &call, exchange->buffer, sizeof(exchange->buffer), limit,
                           &exchange->answer, problem);
}

/* Sleeps a growing while; false once patience is at its end. */
static bool pause_while_busy(int *pause_ms, uint64_t began)
{
    struct wait wait = {0};

    if (stop_requested() || clock_boot() - began > RULE_CALLS_PATIENCE_MS * CLOCK_MILLISECOND)
        return false;
    wait_any(&wait, *pause_ms);
    *pause_ms = *pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : *pause_ms * 2;
    return true;
}

/* A call that says something or is refused; waits for whoever changes the rules now. */
static enum agent_result call(struct exchange *exchange, uint32_t code, const void *input, uint32_t input_size,
                              uint32_t output_size, struct problem *problem)
{
    uint64_t began = clock_boot();
    int pause_ms = PAUSE_MIN_MS;
    enum agent_result result;

    do {
        result = call_once(exchange, code, input, input_size, output_size, problem);
        if (result != AGENT_OK)
            return result;
    } while (exchange->answer.status == GATEHOUSE_E_LOAD_BUSY && pause_while_busy(&pause_ms, began));
    if (exchange->answer.status == STATUS_TEXT_SUCCESS)
        return AGENT_OK;
    return client_explain(exchange->answer.status, problem);
}

/* --- Getting ------------------------------------------------------------------------------------ */

static enum agent_result get_piece(struct exchange *exchange, uint64_t generation, uint64_t offset,
                                   uint32_t output_size, struct gatehouse_rules_piece *piece, struct problem *problem)
{
    struct gatehouse_rules_get get = {generation, offset};
    enum agent_result result = call(exchange, GATEHOUSE_IOCTL_RULES_GET, &get, sizeof(get), output_size, problem);

    if (result != AGENT_OK)
        return result;
    if (exchange->answer.size < sizeof(*piece))
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent a piece of the rules that is cut short.");
    memcpy(piece, exchange->answer.output, sizeof(*piece));
    if (piece->size != exchange->answer.size - sizeof(*piece) || piece->total > GATEHOUSE_IMAGE_MAX_SIZE)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent a piece of the rules of a wrong size.");
    return AGENT_OK;
}

/* One try; *changed: the policy changed meanwhile. */
static enum agent_result get_image(struct exchange *exchange, struct rule_policy *policy, bool *changed,
                                   struct problem *problem)
{
    struct gatehouse_rules_piece piece = {0};
    enum agent_result result = get_piece(exchange, 0, 0, OUTPUT_SIZE, &piece, problem);
    size_t at = 0;

    *changed = false;
    if (result != AGENT_OK)
        return result;
    *policy = (struct rule_policy){.size = piece.total,
                                   .generation = piece.generation,
                                   .file_rules = piece.file_rules,
                                   .added_rules = piece.added_rules};
    policy->image = malloc(piece.total + 1u);
    if (policy->image == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    while (true) {
        if (piece.total != policy->size || piece.size > policy->size - at || (piece.size == 0 && at < policy->size))
            return problem_set(problem, AGENT_LOST, WORDS_PEER " sent pieces of the rules that do not fit.");
        memcpy((uint8_t *)policy->image + at, exchange->answer.output + sizeof(piece), piece.size);
        at += piece.size;
        if (at == policy->size)
            return AGENT_OK;
        result = get_piece(exchange, policy->generation, at, OUTPUT_SIZE, &piece, problem);
        if (result != AGENT_OK)
            return result;
        *changed = piece.generation != policy->generation;
        if (*changed)
            return AGENT_OK;
    }
}

enum agent_result rule_calls_get(struct client *client, struct rule_policy *policy, struct problem *problem)
{
    struct exchange *exchange = exchange_new(client, problem);
    struct rule_policy found = {0};
    struct rule_image_fault fault;
    enum agent_result result = exchange == NULL ? AGENT_FAILED : AGENT_OK;
    bool changed = true;

    for (unsigned i = 0; result == AGENT_OK && changed; i++) {
        rule_policy_free(&found);
        result = i == RESTARTS_MAX
                     ? problem_set(problem, AGENT_REFUSED, "the rules change faster than they can be read: try again.")
                     : get_image(exchange, &found, &changed, problem);
    }
    if (result == AGENT_OK && !rule_image_check(found.image, found.size, true, &fault))
        result = problem_set(problem, AGENT_LOST, WORDS_PEER " sent rules that cannot be read: %s.", fault.reason);
    found.lost = result == AGENT_REFUSED && exchange->answer.status == GATEHOUSE_E_RULES_LOST;
    free(exchange);
    if (result != AGENT_OK) {
        policy->lost = found.lost;
        rule_policy_free(&found);
        return result;
    }
    *policy = found;
    return AGENT_OK;
}

void rule_policy_free(struct rule_policy *policy)
{
    free(policy->image);
    *policy = (struct rule_policy){0};
}

enum agent_result rule_calls_count(struct client *client, struct rule_policy *policy, struct problem *problem)
{
    struct exchange *exchange = exchange_new(client, problem);
    struct gatehouse_rules_piece piece = {0};
    enum agent_result result = AGENT_FAILED;

    if (exchange != NULL)
        result = get_piece(exchange, 0, 0, 4096, &piece, problem);
    free(exchange);
    if (result != AGENT_OK)
        return result;
    *policy = (struct rule_policy){.size = piece.total,
                                   .generation = piece.generation,
                                   .file_rules = piece.file_rules,
                                   .added_rules = piece.added_rules};
    return AGENT_OK;
}

/* --- Changing ----------------------------------------------------------------------------------- */

static enum agent_result send_image(struct exchange *exchange, const void *image, uint32_t size,
                                    const struct rule_progress *progress, struct problem *problem)
{
    struct gatehouse_rules_begin begin = {.version = GATEHOUSE_PROTOCOL_VERSION, .size = size};
    enum agent_result result = call(exchange, GATEHOUSE_IOCTL_RULES_BEGIN, &begin, sizeof(begin), 0, problem);

    for (uint32_t at = 0; result == AGENT_OK && at < size;) {
        uint32_t count = size - at < GATEHOUSE_RULES_PUT_MAX ? size - at : GATEHOUSE_RULES_PUT_MAX;

        if (stop_requested())
            return AGENT_STOPPED;
        result = call(exchange, GATEHOUSE_IOCTL_RULES_PUT, (const uint8_t *)image + at, count, 0, problem);
        at += count;
        if (result == AGENT_OK && progress != NULL && progress->show != NULL)
            progress->show(progress->context, at, size);
    }
    return result;
}

/* Says what stands after a load that was not done. */
static enum agent_result add_outcome(enum agent_result result, bool committing, struct problem *problem)
{
    size_t used = problem == NULL ? 0 : strlen(problem->sentence);
    bool known = !committing || result == AGENT_REFUSED;

    if (result != AGENT_OK && result != AGENT_STOPPED && problem != NULL)
        snprintf(problem->sentence + used, sizeof(problem->sentence) - used, "%s",
                 known ? " The old policy stands." : " 'gatehouse rules diff' tells which policy stands.");
    return result;
}

enum agent_result rule_calls_load(struct client *client, const void *image, uint32_t size,
                                  const struct rule_progress *progress, struct problem *problem)
{
    struct exchange *exchange = exchange_new(client, problem);
    enum agent_result result = AGENT_FAILED;

    if (exchange != NULL)
        result = add_outcome(send_image(exchange, image, size, progress, problem), false, problem);
    if (result == AGENT_OK)
        result = add_outcome(call(exchange, GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, 0, problem), true, problem);
    free(exchange);
    return result;
}

enum agent_result rule_calls_add(struct client *client, const void *image, uint32_t size, struct problem *problem)
{
    struct exchange *exchange = exchange_new(client, problem);
    enum agent_result result = AGENT_FAILED;

    if (size > GATEHOUSE_RULES_PUT_MAX)
        result =
            problem_set(problem, AGENT_USAGE, "the rule is too long to be added: write it into the file of rules.");
    else if (exchange != NULL)
        result = call(exchange, GATEHOUSE_IOCTL_RULES_ADD, image, size, 0, problem);
    free(exchange);
    return result;
}

enum agent_result rule_calls_remove(struct client *client, uint64_t id, struct problem *problem)
{
    struct exchange *exchange = exchange_new(client, problem);
    enum agent_result result = AGENT_FAILED;

    if (exchange != NULL)
        result = call(exchange, GATEHOUSE_IOCTL_RULES_REMOVE, &id, sizeof(id), 0, problem);
    free(exchange);
    return result;
}

/* --- Counting ----------------------------------------------------------------------------------- */

uint64_t rule_id_of_key(const uint8_t key[16])
{
    uint32_t data1;
    uint16_t data2, data3;
    uint64_t id = 0;

    memcpy(&data1, key, sizeof(data1));
    memcpy(&data2, key + 4, sizeof(data2));
    memcpy(&data3, key + 6, sizeof(data3));
    if (data1 != GATEHOUSE_RULE_KEY_DATA1 || data2 != GATEHOUSE_RULE_KEY_DATA2 || data3 < GATEHOUSE_RULE_KEY_DATA3 ||
        data3 > (GATEHOUSE_RULE_KEY_DATA3 | GATEHOUSE_RULE_ACCEPT_V6))
        return 0;
    for (unsigned i = 8; i < 16; i++)
        id = id << 8 | key[i];
    return id;
}

static int compare_hits(const void *one, const void *other)
{
    uint64_t a = ((const struct rule_hit *)one)->id, b = ((const struct rule_hit *)other)->id;

    return (a > b) - (a < b);
}

/* Takes one answer's entries; false when memory ends. */
static bool keep_hits(struct rule_hits *hits, const uint8_t *entries, size_t count)
{
    struct rule_hit *grown = realloc(hits->list, (hits->count + count + 1) * sizeof(*grown));

    if (grown == NULL)
        return false;
    hits->list = grown;
    for (size_t i = 0; i < count; i++) {
        struct gatehouse_hit hit;
        uint64_t id;

        memcpy(&hit, entries + i * sizeof(hit), sizeof(hit));
        id = rule_id_of_key(hit.filter_key);
        if (id != 0)
            hits->list[hits->count++] = (struct rule_hit){id, hit.hits, hit.last};
    }
    return true;
}

static enum agent_result read_hits(struct exchange *exchange, struct rule_hits *hits, struct problem *problem)
{
    struct gatehouse_hits head = {0};
    uint64_t first = 0;

    do {
        enum agent_result result =
            call_once(exchange, GATEHOUSE_CALL_HITS, &first, sizeof(first), OUTPUT_SIZE, problem);

        if (result != AGENT_OK)
            return result;
        hits->counted = exchange->answer.status == STATUS_TEXT_SUCCESS;
        if (!hits->counted)
            return AGENT_OK;
        if (exchange->answer.size >= sizeof(head))
            memcpy(&head, exchange->answer.output, sizeof(head));
        if (exchange->answer.size < sizeof(head) ||
            exchange->answer.size - sizeof(head) != head.count * sizeof(struct gatehouse_hit) ||
            (head.next != 0 && head.next <= first) || hits->count > HITS_MAX)
            return problem_set(problem, AGENT_LOST, WORDS_PEER " sent counts that cannot be read.");
        if (!keep_hits(hits, exchange->answer.output + sizeof(head), head.count))
            return problem_set(problem, AGENT_FAILED, "out of memory.");
        first = head.next;
    } while (first != 0);
    return AGENT_OK;
}

enum agent_result rule_calls_hits(struct client *client, struct rule_hits *hits, struct problem *problem)
{
    struct exchange *exchange = exchange_new(client, problem);
    struct rule_hits found = {0};
    enum agent_result result = AGENT_FAILED;
    size_t kept = 0;

    if (exchange != NULL)
        result = read_hits(exchange, &found, problem);
    free(exchange);
    if (result != AGENT_OK) {
        rule_hits_free(&found);
        return result;
    }
    if (found.count > 0)
        qsort(found.list, found.count, sizeof(*found.list), compare_hits);
    for (size_t i = 1; i < found.count; i++) {
        struct rule_hit *same = &found.list[kept];

        if (same->id != found.list[i].id) {
            found.list[++kept] = found.list[i];
            continue;
        }
        same->hits += found.list[i].hits;
        if (found.list[i].last > same->last)
            same->last = found.list[i].last;
    }
    found.count = found.count > 0 ? kept + 1 : 0;
    *hits = found;
    return AGENT_OK;
}

void rule_hits_free(struct rule_hits *hits)
{
    free(hits->list);
    *hits = (struct rule_hits){0};
}

const struct rule_hit *rule_hits_find(const struct rule_hits *hits, uint64_t id)
{
    struct rule_hit key = {.id = id};

    return hits->count == 0 ? NULL : bsearch(&key, hits->list, hits->count, sizeof(key), compare_hits);
}
