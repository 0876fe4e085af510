/* SPDX-License-Identifier: MIT */
/*
 * run.c - see run.h.
 */
#include "desk/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "agent/clock.h"
#include "agent/json.h"
#include "agent/output.h"
#include "agent/show.h"
#include "agent/stop.h"
#include "desk/desk.h"
#include "desk/facts.h"
#include "desk/gate.h"
#include "desk/rules_reader.h"
#include "desk/server.h"
#include "history/collect.h"
#include "history/journal.h"
#include "history/show.h"

struct run {
    const struct run_settings *settings;
    struct loop *loop;
    struct desk *desk;
    struct facts *facts;
    struct gate *gate;
    struct server *server;
    struct history *history;         /* NULL: none */
    struct journal *journal;         /* NULL: none */
    struct history_collect *collect; /* NULL: out of memory, or gatehoused was not there yet */
    struct rules_reader *rules;
    struct output output;
    struct loop_watch *output_watch; /* NULL: it never waits */
    struct text members;
};

static void say(void *context, const char *sentence)
{
    const struct run *run = context;

    run->settings->say(sentence);
}

/* --- Standard output ---------------------------------------------------------------------------- */

static void watch_output(struct run *run)
{
    if (run->output_watch != NULL)
        loop_watch_change(run->output_watch, output_is_waiting(&run->output) ? EPOLLOUT : 0);
}

static void on_output(void *context, uint32_t events)
{
    struct run *run = context;

    output_write(&run->output);
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        run->output.closed = true;
    if (run->output.closed) {
        loop_unwatch(run->output_watch);
        run->output_watch = NULL;
    }
    watch_output(run);
}

static void print(struct run *run, const struct history_record *record, const char *scope)
{
    struct json json = {.text = &run->output.waiting};
    size_t start;

    if (run->settings->quiet)
        return;
    start = output_begin(&run->output);
    if (run->settings->json) {
        json_open(&json, NULL);
        history_json_members(&json, 0, record);
        json_text(&json, "scope", scope);
        json_close(&json);
    } else {
        history_show_line(&run->output.waiting, record);
    }
    output_end(&run->output, start);
    output_write(&run->output);
    watch_output(run);
}

/* --- What is recorded --------------------------------------------------------------------------- */

/* What is not UTF-8 is escaped for reading there, so that every peer can read it. */
static void tell_peers(struct run *run, const struct history_record *record, const char *scope)
{
    struct history_record readable = *record;
    struct json json = {.text = &run->members};
    struct text program = {0}, rule = {0};

    if (record->program != NULL) {
        show_written_path(&program, record->program);
        readable.program = text_string(&program);
    }
    if (record->rule != NULL) {
        show_written(&rule, record->rule, strlen(record->rule));
        readable.rule = text_string(&rule);
    }
    text_clear(&run->members);
    history_json_members(&json, (int64_t)record->endpoint, &readable);
    json_text(&json, "scope", scope);
    if (!run->members.failed)
        desk_tell_connection(run->desk, text_string(&run->members));
    text_free(&program);
    text_free(&rule);
}

static void keep(struct run *run, const struct history_record *record, const char *scope, bool decided)
{
    history_add(run->history, record);
    if (decided || record->verdict == GATEHOUSE_VERDICT_BLOCK)
        journal_tell(run->journal, record);
    if (decided)
        print(run, record, scope);
    if (desk_is_watched(run->desk))
        tell_peers(run, record, scope);
    if (history_collect_wants_rules(run->collect))
        rules_reader_ask(run->rules);
}

static void on_decided(void *context, const struct event *event, const struct desk_author *author)
{
    struct run *run = context;
    struct history_record record;

    if (run->collect == NULL || !history_from_event(run->collect, event, author->who, &record))
        return;
    if (record.rule_id == 0)
        record.rule_id = author->rule_id;
    keep(run, &record, author->scope, true);
}

static void on_flow(void *context, const struct flow *flow)
{
    struct run *run = context;
    struct history_record record;

    if (run->collect != NULL && history_from_flow(run->collect, flow, &record))
        keep(run, &record, NULL, false);
}

static void on_lost_events(void *context, uint64_t count)
{
    char sentence[128];

    snprintf(sentence, sizeof(sentence), "%llu events came faster than they were read: the history lacks them.",
             (unsigned long long)count);
    say(context, sentence);
}

static void on_connected(void *context, uint64_t loaded_at)
{
    struct run *run = context;

    history_collect_free(run->collect);
    run->collect = history_collect_new(loaded_at);
    if (run->collect != NULL && history_collect_wants_rules(run->collect))
        rules_reader_ask(run->rules);
}

static void on_rules(void *context, struct rule_policy *policy)
{
    struct run *run = context;

    if (run->collect != NULL)
        history_collect_rules(run->collect, policy);
    rule_policy_free(policy);
}

static bool how_often(void *context, const struct request *request, struct history_before *before)
{
    struct run *run = context;
    struct event event = {.fixed = {.type = GATEHOUSE_EVENT_DECIDED, .verdict = GATEHOUSE_VERDICT_PERMIT},
                          .request = *request};
    struct history_record like;

    return run->history != NULL && run->collect != NULL && history_from_event(run->collect, &event, NULL, &like) &&
           history_before(run->history, &like, before);
}

/* --- Beginning and end -------------------------------------------------------------------------- */

static enum agent_result begin_desk(struct run *run, struct problem *problem)
{
    struct desk_settings desk = {.context = run, .decided = on_decided, .describe = NULL};
    struct gate_settings gate = {.loop = run->loop,
                                 .socket = run->settings->socket,
                                 .patient = true,
                                 .say = say,
                                 .lost_events = on_lost_events,
                                 .connected = on_connected,
                                 .flow = on_flow,
                                 .context = run};
    enum agent_result result = facts_open(run->loop, &run->facts, problem);

    if (result == AGENT_OK)
        result = rules_reader_new(run->loop, run->settings->socket, on_rules, run, &run->rules, problem);
    if (result != AGENT_OK)
        return result;
    desk.describe = facts_describe;
    desk.describe_context = run->facts;
    run->desk = gate.desk = desk_new(&desk);
    if (run->desk == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    facts_use(run->facts, run->desk, how_often, run);
    /* Peers first: nobody is asked before there is somewhere to answer. */
    result = server_open(run->loop, run->desk, run->settings->desk, &run->server, problem);
    if (result == AGENT_OK)
        result = gate_open(&gate, &run->gate, problem);
    return result;
}

static enum agent_result begin(struct run *run, struct problem *problem)
{
    enum agent_result result = loop_new(&run->loop, problem);

    if (result == AGENT_OK && run->settings->history != NULL)
        result = history_open_writer(run->settings->history, &run->settings->limits, run->settings->say, &run->history,
                                     problem);
    run->journal = journal_open(JOURNAL_PATH);
    if (result == AGENT_OK)
        result = begin_desk(run, problem);
    run->output.json = run->settings->json;
    /* A file is always ready, and cannot be waited for. */
    if (result == AGENT_OK && !run->settings->quiet)
        (void)loop_watch(run->loop, STDOUT_FILENO, 0, on_output, run, &run->output_watch, NULL);
    return result;
}

static void end(struct run *run)
{
    gate_close(run->gate);
    server_close(run->server);
    facts_close(run->facts);
    rules_reader_free(run->rules);
    desk_free(run->desk);
    history_close(run->history);
    journal_close(run->journal);
    history_collect_free(run->collect);
    output_write(&run->output);
    output_free(&run->output);
    text_free(&run->members);
    loop_free(run->loop);
    free(run);
}

enum agent_result run(const struct run_settings *settings, struct problem *problem)
{
    struct run *made = calloc(1, sizeof(*made));
    enum agent_result result;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->settings = settings;
    result = begin(made, problem);
    if (result == AGENT_OK) {
        (void)sd_notify(0, "READY=1");
        loop_run(made->loop);
        (void)sd_notify(0, "STOPPING=1");
        result = AGENT_STOPPED;
    }
    end(made);
    return result;
}
