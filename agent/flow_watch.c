/* SPDX-License-Identifier: MIT */
/*
 * flow_watch.c - see flow_watch.h.
 *
 * Who follows asks for what changed behind what it was told last, and the answer comes when there is something.
 */
#include "agent/flow_watch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/client.h"
#include "agent/clock.h"
#include "agent/flow_show.h"
#include "agent/status_text.h"
#include "agent/stop.h"
#include "words.h"

#define OUTPUT_SIZE (GATEHOUSE_MESSAGE_MAX - 16u)
#define PAGES_MAX   100000u

struct watcher {
    struct client client;
    bool json;
    bool (*take)(const char *line, size_t size);
    bool more; /* take wants more */
    struct text line;
    struct table table; /* without follow */
    uint64_t highest;   /* flows up to this number were told */
    uint64_t *live;     /* owned: numbers of those that lived when they were told, rising */
    size_t live_count, live_room;
    bool first; /* the first look */
    _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(OUTPUT_SIZE)];
};

typedef enum agent_result on_flow(struct watcher *watcher, const struct flow *flow, struct problem *problem);

/* The answer to the call that was sent; when it is one that waits, until there is one. */
static enum agent_result receive(struct watcher *watcher, bool waits, struct client_answer *answer,
                                 struct problem *problem)
{
    enum agent_result result;

    if (!waits)
        return client_receive(&watcher->client, watcher->buffer, sizeof(watcher->buffer), TRANSPORT_DEADLINE_MS, answer,
                              problem);
    do {
        result = client_receive(&watcher->client, watcher->buffer, sizeof(watcher->buffer), -1, answer, problem);
    } while (result == AGENT_TIMEOUT && !stop_requested());
    return result == AGENT_TIMEOUT ? AGENT_STOPPED : result;
}

static enum agent_result get_page(struct watcher *watcher, const struct gatehouse_flows_get *get,
                                  struct client_answer *answer, struct gatehouse_flows *head, struct problem *problem)
{
    struct transport_call call = {GATEHOUSE_CALL_FLOWS, 0, get, sizeof(*get), OUTPUT_SIZE};
    enum agent_result result = client_send(&watcher->client, &call, 1, problem);

    if (result == AGENT_OK)
        result = receive(watcher, get->flags & GATEHOUSE_FLOWS_WAIT, answer, problem);
    if (result == AGENT_TIMEOUT)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " gives no answer for %d seconds: " WORDS_LOOK ".",
                           TRANSPORT_DEADLINE_MS / 1000);
    if (result != AGENT_OK)
        return result;
    if (answer->status != STATUS_TEXT_SUCCESS)
        return problem_set(problem, AGENT_REFUSED, "this " WORDS_PEER " tells no flows.");
    if (answer->size < sizeof(*head))
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent flows that are cut short.");
    memcpy(head, answer->output, sizeof(*head));
    if (head->next < get->first)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent flows that cannot be read.");
    return AGENT_OK;
}

/* What there is behind get->first, which moves on; *more: it may not be all. */
static enum agent_result read_page(struct watcher *watcher, struct gatehouse_flows_get *get, on_flow *on, bool *more,
                                   struct problem *problem)
{
    struct gatehouse_flows head = {0};
    struct client_answer answer = {0};
    enum wire_step step = WIRE_END;
    const char *why = NULL;
    struct flow flow;
    enum agent_result result = get_page(watcher, get, &answer, &head, problem);
    struct wire_cursor cursor = {answer.output + sizeof(head), answer.size - sizeof(head)};

    while (result == AGENT_OK && (step = wire_next_flow(&cursor, &flow, &why)) == WIRE_RECORD)
        result = on(watcher, &flow, problem);
    if (result != AGENT_OK)
        return result;
    if (step == WIRE_BAD)
        return problem_set(problem, AGENT_LOST, WORDS_PEER " sent what cannot be read: %s.", why);
    *more = head.next != get->first && watcher->more && !stop_requested();
    get->first = head.next;
    return AGENT_OK;
}

/* All that there are now. */
static enum agent_result read_all(struct watcher *watcher, struct gatehouse_flows_get *get, on_flow *on,
                                  struct problem *problem)
{
    enum agent_result result = AGENT_OK;
    bool more = true;

    for (unsigned page = 0; page < PAGES_MAX && more && result == AGENT_OK; page++)
        result = read_page(watcher, get, on, &more, problem);
    return result;
}

static enum agent_result tell(struct watcher *watcher, struct problem *problem)
{
    if (watcher->line.failed)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    watcher->more = watcher->take(text_string(&watcher->line), watcher->line.used);
    text_clear(&watcher->line);
    return AGENT_OK;
}

static enum agent_result list_flow(struct watcher *watcher, const struct flow *flow, struct problem *problem)
{
    if (watcher->json) {
        flow_show_json(flow, NULL, &watcher->line);
        return tell(watcher, problem);
    }
    if (watcher->first)
        table_begin(&watcher->table, flow_columns, flow_column_count);
    watcher->first = false;
    flow_show_cells(flow, clock_wall(), &watcher->table, &watcher->line);
    return AGENT_OK;
}

static enum agent_result list_all(struct watcher *watcher, struct problem *problem)
{
    struct gatehouse_flows_get get = {0};
    enum agent_result result = read_all(watcher, &get, list_flow, problem);

    if (result != AGENT_OK || watcher->first)
        return result;
    table_show(&watcher->table, &watcher->line);
    if (watcher->line.used > 0)
        watcher->line.used--; /* take adds the last newline */
    return tell(watcher, problem);
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

/* Forgets the flow as one that lives; false when it was not known as such. */
static bool forget(struct watcher *watcher, uint64_t number)
{
    uint64_t *found =
        watcher->live_count == 0 ? NULL : bsearch(&number, watcher->live, watcher->live_count, sizeof(number), compare);

    if (found == NULL)
        return false;
    watcher->live_count--;
    memmove(found, found + 1, (watcher->live_count - (size_t)(found - watcher->live)) * sizeof(*found));
    return true;
}

static bool remember(struct watcher *watcher, uint64_t number)
{
    if (watcher->live_count == watcher->live_room) {
        size_t room = watcher->live_room == 0 ? 256 : 2 * watcher->live_room;
        uint64_t *grown = realloc(watcher->live, room * sizeof(*grown));

        if (grown == NULL)
            return false;
        watcher->live = grown;
        watcher->live_room = room;
    }
    watcher->live[watcher->live_count++] = number;
    return true;
}

static enum agent_result follow_flow(struct watcher *watcher, const struct flow *flow, struct problem *problem)
{
    bool ended = (flow->fixed.flags & GATEHOUSE_FLOW_ENDED) != 0;
    bool is_new = flow->fixed.number > watcher->highest;
    bool blocked = (flow->fixed.flags & GATEHOUSE_FLOW_BLOCKED) != 0;
    const char *what = blocked ? "blocked" : ended ? "ended" : watcher->first ? "lives" : "began";

    if (is_new)
        watcher->highest = flow->fixed.number;
    if (ended ? !forget(watcher, flow->fixed.number) && (!is_new || watcher->first) : !is_new)
        return AGENT_OK;
    if (!ended && !remember(watcher, flow->fixed.number))
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (watcher->json)
        flow_show_json(flow, what, &watcher->line);
    else
        flow_show_line(flow, what, clock_wall(), &watcher->line);
    return tell(watcher, problem);
}

static enum agent_result follow_all(struct watcher *watcher, struct problem *problem)
{
    struct gatehouse_flows_get get = {.flags = GATEHOUSE_FLOWS_CHANGES};
    enum agent_result result = read_all(watcher, &get, follow_flow, problem);
    bool ignored;

    watcher->first = false;
    get.flags |= GATEHOUSE_FLOWS_WAIT;
    stop_attach(watcher->client.transport);
    while (result == AGENT_OK && watcher->more && !stop_requested())
        result = read_page(watcher, &get, follow_flow, &ignored, problem);
    stop_attach(NULL);
    return result;
}

enum agent_result flow_watch_run(const char *path, bool json, bool follow, bool (*take)(const char *line, size_t size),
                                 struct problem *problem)
{
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    enum agent_result result;

    if (watcher == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    watcher->json = json;
    watcher->take = take;
    watcher->more = watcher->first = true;
    result = client_open(&watcher->client, path, GATEHOUSE_ROLE_OBSERVER, problem);
    if (result == AGENT_OK)
        result = follow ? follow_all(watcher, problem) : list_all(watcher, problem);
    client_close(&watcher->client);
    table_free(&watcher->table);
    text_free(&watcher->line);
    free(watcher->live);
    free(watcher);
    return stop_requested() ? AGENT_STOPPED : result;
}
