/* SPDX-License-Identifier: MIT */
/*
 * page.c - see page.h: wires desk, server and work to one loop.
 */
#include "page/page.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "agent/stop.h"
#include "agent/stop_unix.h"
#include "page/browser.h"
#include "page/calls.h"
#include "page/relay.h"
#include "page/server.h"
#include "page/work.h"

struct page {
    struct server *server;
    struct work *work;
    struct relay relay;
};

static void refuse(struct page *page, uint64_t number, unsigned status, const char *sentence)
{
    struct text text = {0};

    (void)work_refuse(&text, status, sentence);
    server_reply(page->server, number, status, text_string(&text), text.used);
    text_free(&text);
}

static void on_call(void *context, uint64_t number, const char *name, const json_t *body)
{
    struct page *page = context;
    work_call *call;

    if (relay_call(&page->relay, number, name, body))
        return;
    call = calls_find(name);
    if (call == NULL)
        refuse(page, number, 404, "there is no such call.");
    else if (!work_put(page->work, number, call, body))
        refuse(page, number, 503, "too many calls wait.");
}

static void on_opened(void *context, uint64_t stream)
{
    struct page *page = context;

    relay_greet(&page->relay, stream);
}

static void take_work(struct page *page)
{
    struct text output = {0};
    uint64_t number;
    unsigned status;

    while (work_take(page->work, &number, &status, &output))
        server_reply(page->server, number, status, text_string(&output), output.used);
    text_free(&output);
}

/* Answers may come back before anything waits again. */
static enum agent_result run(struct page *page, struct problem *problem)
{
    struct desk_join *join = page->relay.join;
    enum agent_result result = AGENT_OK;

    while (!stop_requested() && result == AGENT_OK) {
        struct pollfd list[3 + SERVER_DESCRIPTORS] = {{.fd = stop_descriptor(), .events = POLLIN},
                                                      {.fd = desk_join_descriptor(join), .events = POLLIN},
                                                      {.fd = work_descriptor(page->work), .events = POLLIN}};
        int server[SERVER_DESCRIPTORS];
        unsigned count = server_descriptors(page->server, server);

        for (unsigned i = 0; i < count; i++)
            list[3 + i] = (struct pollfd){.fd = server[i], .events = POLLIN};
        (void)poll(list, 3 + count, server_patience(page->server));
        work_lock(page->work);
        desk_join_turn(join);
        work_unlock(page->work);
        take_work(page);
        server_work(page->server);
        result = desk_join_ended(join, problem);
    }
    return stop_requested() ? AGENT_STOPPED : result;
}

static enum agent_result show_link(const struct page_settings *settings, const struct guard *guard,
                                   struct problem *problem)
{
    char line[128];

    snprintf(line, sizeof(line), "http://127.0.0.1:%u/#%s", guard->port, guard->token);
    if (!settings->show(line))
        return problem_set(problem, AGENT_FAILED, "cannot write the link.");
    if (settings->open && browser_is_there()) {
        snprintf(line, sizeof(line), "http://127.0.0.1:%u/#open=%s", guard->port, guard->code);
        browser_open(line);
    }
    return AGENT_OK;
}

enum agent_result page_run(const struct page_settings *settings, struct problem *problem)
{
    struct work_places places = {settings->device, settings->history};
    struct desk_join_settings desk = {.desk = settings->desk, .socket = settings->device};
    struct page page = {0};
    struct server_events events = {.context = &page, .call = on_call, .opened = on_opened};
    struct peer_handlers handlers = relay_handlers;
    enum agent_result result = work_new(&places, &page.work, problem);

    handlers.context = &page.relay;
    if (result == AGENT_OK)
        result = server_new(settings->port, &events, &page.server, problem);
    page.relay.server = page.server;
    if (result == AGENT_OK)
        result = desk_join(&desk, &handlers, &page.relay.join, problem);
    if (result == AGENT_OK) {
        peer_watch(desk_join_peer(page.relay.join), true);
        result = show_link(settings, server_guard(page.server), problem);
    }
    if (result == AGENT_OK)
        result = run(&page, problem);
    desk_leave(page.relay.join);
    server_free(page.server);
    work_free(page.work);
    return result;
}
