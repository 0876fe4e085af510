/* SPDX-License-Identifier: MIT */
/*
 * scenario_run.c - see scenario_run.h: the platform's steps, waiting, comparing, recording.
 */
#include "tests/scenario/scenario_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/scenario_messages.h"

#define STEP_MS          10u /* how finely until turns the clock */
#define UNTIL_VIRTUAL_MS 300000u
#define UNTIL_REAL_MS    30000u
#define QUIET_MS         100u /* with a real clock: nothing more comes */

bool run_wrong(struct run *run, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(run->error.text, sizeof(run->error.text), format, arguments);
    va_end(arguments);
    return false;
}

static const char *connection_name(const struct run *run, uint32_t connection)
{
    return run->scenario->connections.text[connection];
}

static struct run_connection *connection_of(struct run *run)
{
    return &run->connections[run->step->subject];
}

static const char *outcome_name(enum world_outcome outcome)
{
    return outcome == WORLD_PERMIT ? "permit" : outcome == WORLD_BLOCK ? "block" : "pended";
}

/* --- What happened --- */

static void dones_collect(struct run *run)
{
    struct world_decision decision;
    uint64_t number;

    while (world_next_done(&number, &decision)) {
        struct run_connection *connection;

        if (number >= run->scenario->connections.count) {
            trace_add(&run->trace, TRACE_DONE, SCENARIO_NOBODY, "done ? %s", outcome_name(decision.outcome));
            continue;
        }
        connection = &run->connections[number];
        trace_add(&run->trace, TRACE_DONE, (uint32_t)number, "done %s %s%s", connection_name(run, (uint32_t)number),
                  outcome_name(decision.outcome), connection->ended ? " twice" : "");
        connection->ended = true;
        connection->flow = decision.flow;
    }
}

static bool collect(struct run *run)
{
    char text[200];
    bool good = clients_collect(run);

    dones_collect(run);
    while (world_next_violation(text, sizeof(text)))
        trace_add(&run->trace, TRACE_RULE, 0, "broken %s", text);
    return good;
}

/* With a real clock: until as many events came as are expected; without an expectation: until it is quiet. */
static bool settle(struct run *run, bool record)
{
    uint32_t limit = record ? QUIET_MS : RUN_WAIT_MS;

    if (!collect(run))
        return false;
    if (world_clock() == WORLD_CLOCK_VIRTUAL)
        return true;
    for (uint32_t waited = 0; waited < limit && (record || run->trace.count < run->step->expected.count); waited++) {
        world_advance(1);
        if (!collect(run))
            return false;
    }
    return true;
}

/* --- Steps --- */

static bool step_load(struct run *run)
{
    static const char *const names[SETTINGS] = {"DeadlineMs", "Undecided", "NoDecider", "Capacity", "HoldLoopback"};
    const struct scenario_settings *given = &run->step->settings;
    struct world_setting settings[SETTINGS];
    char room[16];
    size_t count = 0;
    uint32_t status;

    if (run->loaded)
        return run_wrong(run, "the driver is loaded already");
    for (size_t i = 0; i < SETTINGS; i++)
        if (given->given[i])
            settings[count++] = (struct world_setting){names[i], given->value[i]};
    if (!world_load(settings, count, &status, &run->error))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "load %s", status_name(status, room));
    run->loaded = status == 0;
    return !run->loaded || clients_begin(run);
}

static bool step_unload(struct run *run)
{
    char left[300];

    if (!run->loaded)
        return run_wrong(run, "no driver is loaded");
    if (!clients_end(run) || !world_unload(left, sizeof(left), &run->error))
        return false;
    run->loaded = false;
    for (size_t i = 0; i < run->scenario->connections.count; i++)
        run->connections[i].id = 0;
    trace_add(&run->trace, TRACE_STEP, 0, *left == 0 ? "unloaded" : "unloaded, left: %s", left);
    return true;
}

static bool step_connect(struct run *run)
{
    static const char *const by[] = {"callout", "filter", "default"};
    struct run_connection *connection = connection_of(run), *other = &run->connections[run->step->socket_of];
    struct world_decision decision;
    struct world_connect connect = *run->step->connect;

    if (connection != other && other->closed)
        return run_wrong(run, "the socket of %s is closed", connection_name(run, run->step->socket_of));
    connection->endpoint = connection == other ? world_endpoint() : other->endpoint;
    connection->connect = run->step->connect;
    connect.endpoint = connection->endpoint;
    if (!world_connect(&connect, run->step->subject, &decision, &run->error))
        return false;
    if (decision.outcome == WORLD_PENDED) {
        connection->pended = true;
        trace_add(&run->trace, TRACE_STEP, 0, "pended %s", connection_name(run, run->step->subject));
        return true;
    }
    connection->ended = true;
    connection->flow = decision.flow;
    trace_add(&run->trace, TRACE_STEP, 0, "at once %s %s by %s", connection_name(run, run->step->subject),
              outcome_name(decision.outcome), by[decision.by]);
    return true;
}

static bool step_establish(struct run *run)
{
    return world_flow_established(connection_of(run)->flow, &run->error);
}

static bool step_packet(struct run *run)
{
    struct world_decision decision;
    bool reauthorized;

    if (!world_flow_packet(connection_of(run)->flow, run->step->inbound, &decision, &reauthorized, &run->error))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "%s %s %s", reauthorized ? "reauthorized" : "packet",
              connection_name(run, run->step->subject), outcome_name(decision.outcome));
    return true;
}

/* Every connection of the socket. */
static bool step_close(struct run *run)
{
    uint64_t endpoint = connection_of(run)->endpoint;

    if (endpoint == 0)
        return run_wrong(run, "%s never connected", connection_name(run, run->step->subject));
    for (size_t i = 0; i < run->scenario->connections.count; i++)
        run->connections[i].closed |= run->connections[i].endpoint == endpoint;
    return world_endpoint_closed(endpoint, &run->error);
}

/* Somebody adds a filter that nothing meets to both layers, and deletes it. */
static bool step_change_filters(struct run *run)
{
    for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2)) {
        uint64_t id;

        if (!world_filter_add(&(struct world_filter){version, false, true, 0}, &id, &run->error) ||
            !world_filter_delete(id, &run->error))
            return false;
    }
    return true;
}

static bool step_filter(struct run *run)
{
    run->filter_there[run->step->subject] =
        world_filter_add(&run->step->filter, &run->filters[run->step->subject], &run->error);
    return run->filter_there[run->step->subject];
}

static bool step_remove(struct run *run)
{
    if (!run->filter_there[run->step->subject])
        return run_wrong(run, "%s is removed already", run->scenario->filters.text[run->step->subject]);
    run->filter_there[run->step->subject] = false;
    return world_filter_delete(run->filters[run->step->subject], &run->error);
}

static bool step_sleep(struct run *run)
{
    world_advance(run->step->value);
    return true;
}

static bool until_reached(struct run *run, bool *reached)
{
    struct gatehouse_status status;

    *reached = true;
    if (!collect(run))
        return false;
    if (run->step->kind == STEP_UNTIL_ANSWERS) {
        if (!clients_status(run, &status))
            return false;
        *reached = status.answers == run->step->value;
        return true;
    }
    for (size_t i = 0; i < run->step->decision_count; i++) {
        const struct run_connection *connection = &run->connections[run->step->decisions[i].connection];

        *reached &= !connection->pended || connection->ended;
    }
    return true;
}

static bool step_until(struct run *run)
{
    uint32_t limit = world_clock() == WORLD_CLOCK_VIRTUAL ? UNTIL_VIRTUAL_MS : UNTIL_REAL_MS;
    bool reached;

    for (uint32_t waited = 0;; waited += STEP_MS) {
        if (!until_reached(run, &reached))
            return false;
        if (reached)
            return true;
        if (waited >= limit)
            return run_wrong(run, "waited %u s in vain", (unsigned)(limit / 1000));
        world_advance(STEP_MS);
    }
}

static bool step_nothing(struct run *run)
{
    (void)run;
    return true;
}

static bool (*const steps[])(struct run *run) = {
    [STEP_LOAD] = step_load,
    [STEP_UNLOAD] = step_unload,
    [STEP_CONNECT] = step_connect,
    [STEP_ESTABLISH] = step_establish,
    [STEP_PACKET] = step_packet,
    [STEP_CLOSE_CONNECTION] = step_close,
    [STEP_DECIDER] = step_client,
    [STEP_OBSERVER] = step_client,
    [STEP_SEED] = step_client,
    [STEP_READ] = step_read,
    [STEP_CANCEL] = step_cancel,
    [STEP_ANSWER] = step_answer,
    [STEP_POLICY] = step_policy,
    [STEP_STATUS] = step_status,
    [STEP_CLOSE_CLIENT] = step_leave,
    [STEP_KILL] = step_leave,
    [STEP_CHANGE_FILTERS] = step_change_filters,
    [STEP_FILTER] = step_filter,
    [STEP_REMOVE] = step_remove,
    [STEP_SLEEP] = step_sleep,
    [STEP_UNTIL_DECIDED] = step_until,
    [STEP_UNTIL_ANSWERS] = step_until,
    [STEP_NEEDS_VIRTUAL_CLOCK] = step_nothing,
};

/* --- Comparing and recording --- */

static const char *source_of(const struct run *run)
{
    return run->scenario->source.text[run->step->expected_at - 1];
}

static bool as_expected(const struct run *run, size_t i)
{
    return i < run->trace.count && i < run->step->expected.count &&
           strcmp(run->trace.events[i].text, run->step->expected.text[i]) == 0;
}

/* Both lists from the top; where they part. */
static enum run_result compare(const struct run *run)
{
    const struct scenario_lines *expected = &run->step->expected;
    size_t same = 0;

    while (as_expected(run, same))
        same++;
    if (same == expected->count && same == run->trace.count)
        return RUN_SAME;
    fprintf(stderr, "%s:%u: %s\n", run->scenario->file, run->step->line, source_of(run));
    for (size_t i = 0; i < same; i++)
        fprintf(stderr, "    > %s\n", expected->text[i]);
    for (size_t i = same; i < expected->count; i++)
        fprintf(stderr, "  - > %s\n", expected->text[i]);
    for (size_t i = same; i < run->trace.count; i++)
        fprintf(stderr, "  + > %s\n", run->trace.events[i].text);
    fprintf(stderr, "  (-: expected and did not come in this place; +: came)\n");
    return RUN_DIFFERS;
}

static void keep_events(struct scenario_step *step, const struct trace *trace)
{
    scenario_lines_free(&step->expected);
    for (size_t i = 0; i < trace->count; i++)
        scenario_lines_add(&step->expected, trace->events[i].text, strlen(trace->events[i].text));
}

static enum run_result run_step(struct run *run, struct scenario_step *step, bool record)
{
    run->step = step;
    if (step->kind == STEP_NEEDS_VIRTUAL_CLOCK && world_clock() != WORLD_CLOCK_VIRTUAL) {
        printf("%s: skipped: it needs a virtual clock\n", run->scenario->file);
        return RUN_SKIPPED;
    }
    if (!steps[step->kind](run) || !settle(run, record)) {
        fprintf(stderr, "%s:%u: %s: %s\n", run->scenario->file, step->line, source_of(run), run->error.text);
        return RUN_BROKEN;
    }
    trace_sort(&run->trace);
    if (record)
        keep_events(step, &run->trace);
    return record ? RUN_SAME : compare(run);
}

enum run_result scenario_run(struct scenario *scenario, bool record)
{
    struct run *run = calloc(1, sizeof(*run));
    enum run_result result = RUN_SAME;

    if (run == NULL || (run->connections = calloc(scenario->connections.count + 1, sizeof(*run->connections))) == NULL)
        abort();
    run->scenario = scenario;
    if (!world_start(&run->error)) {
        fprintf(stderr, "%s: the world does not start: %s\n", scenario->file, run->error.text);
        result = RUN_BROKEN;
    }
    for (size_t i = 0; i < scenario->count && result == RUN_SAME; i++) {
        result = run_step(run, &scenario->steps[i], record);
        trace_clear(&run->trace);
    }
    clients_abandon(run);
    world_end();
    trace_free(&run->trace);
    free(run->connections);
    free(run);
    return result;
}

static size_t put(char *text, size_t at, const char *begin, const char *line)
{
    size_t size = strlen(begin) + strlen(line) + 1;

    if (text != NULL)
        (void)snprintf(text + at, size + 1, "%s%s\n", begin, line);
    return at + size;
}

static size_t write_text(const struct scenario *scenario, char *text)
{
    size_t at = 0, step = 0;

    for (size_t line = 0; line < scenario->source.count; line++) {
        at = put(text, at, "", scenario->source.text[line]);
        for (; step < scenario->count && scenario->steps[step].expected_at == line + 1; step++)
            for (size_t i = 0; i < scenario->steps[step].expected.count; i++)
                at = put(text, at, "> ", scenario->steps[step].expected.text[i]);
    }
    return at;
}

char *scenario_text(const struct scenario *scenario)
{
    char *text = malloc(write_text(scenario, NULL) + 1);

    if (text == NULL)
        abort();
    text[write_text(scenario, text)] = 0;
    return text;
}
