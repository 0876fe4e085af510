/* SPDX-License-Identifier: MIT */
/*
 * scenario_steps.c - see scenario_run.h: the platform's steps, and the table of all.
 */
#include "lab/scenario_messages.h"

#include <stdio.h>
#include <string.h>

#define FOLDERS          2u
#define STEP_MS          10u /* how finely until turns the clock */
#define UNTIL_VIRTUAL_MS 300000u
#define UNTIL_REAL_MS    30000u

static const char *connection_name(const struct run *run, uint32_t connection)
{
    return run->scenario->connections.text[connection];
}

static struct run_connection *connection_of(struct run *run, const struct scenario_step *step)
{
    return &run->connections[step->subject];
}

static const char *outcome_name(enum world_outcome outcome)
{
    return outcome == WORLD_PERMIT ? "permit" : outcome == WORLD_BLOCK ? "block" : "pended";
}

void connection_told(struct run_connection *connection, const struct world_decision *decision)
{
    connection->ended = true;
    connection->told = decision->outcome;
    connection->flow = decision->flow;
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
        connection_told(connection, &decision);
    }
}

static void reauthorized_collect(struct run *run)
{
    struct world_decision decision;

    while (world_next_reauthorized(&decision)) {
        for (uint32_t i = 0; i < run->scenario->connections.count; i++) {
            struct run_connection *connection = &run->connections[i];

            if (connection->flow != decision.flow || connection->flow == 0)
                continue;
            connection->told = decision.outcome;
            trace_add(&run->trace, TRACE_DONE, i, "reauthorized %s %s", connection_name(run, i),
                      outcome_name(decision.outcome));
        }
    }
}

bool run_collect(struct run *run)
{
    char text[200];
    bool good = clients_collect(run);

    dones_collect(run);
    reauthorized_collect(run);
    while (world_next_violation(text, sizeof(text)))
        trace_add(&run->trace, TRACE_RULE, 0, "broken %s", text);
    return good;
}

/* --- Steps --- */

/* Both lists: Gatehouse's settings by their words, and what any driver has, by name. */
static size_t load_settings(const struct scenario_step *step, struct world_setting *settings)
{
    static const char *const names[SETTINGS] = {"DeadlineMs", "Undecided", "NoDecider", "Capacity", "HoldLoopback"};
    static const char *const folders[FOLDERS] = {"RulesFolder", "RulesVolatileFolder"};
    size_t count = 0;

    for (size_t i = 0; i < SETTINGS; i++)
        if (step->settings.given[i])
            settings[count++] = (struct world_setting){names[i], step->settings.value[i]};
    for (size_t i = 0; i < step->parameter_count; i++)
        settings[count++] = (struct world_setting){step->parameters[i].name, step->parameters[i].value};
    for (size_t i = 0; step->keeps && i < sizeof(folders) / sizeof(folders[0]); i++) {
        settings[count] = (struct world_setting){folders[i], 0, world_folder(i == 0)};
        count += settings[count].text != NULL;
    }
    return count;
}

static bool is_meant(const struct scenario_step *step, size_t driver)
{
    return step->driver[0] == 0 || strcmp(step->driver, world_driver_name(driver)) == 0;
}

static bool no_such_driver(struct run *run, const struct scenario_step *step)
{
    return run_wrong(run, "there is no driver \"%s\" here", step->driver);
}

static bool load_one(struct run *run, const struct scenario_step *step, size_t driver)
{
    struct world_setting settings[SETTINGS + SCENARIO_SETTINGS_MAX + FOLDERS];
    bool named = world_driver_count() > 1;
    size_t count = load_settings(step, settings);
    char room[16];
    uint32_t status;

    if (run->loaded[driver])
        return run_wrong(run, "the driver is loaded already");
    if (!world_load(driver, settings, count, &status, &run->error))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "load %s%s%s", named ? world_driver_name(driver) : "", named ? " " : "",
              status_name(status, room));
    run->loaded[driver] = status == 0;
    return !run->loaded[driver] || clients_begin(run);
}

static bool step_load(struct run *run, const struct scenario_step *step)
{
    bool found = false;

    for (size_t i = 0; i < world_driver_count(); i++) {
        if (!is_meant(step, i))
            continue;
        found = true;
        if (!load_one(run, step, i))
            return false;
    }
    return found || no_such_driver(run, step);
}

static bool unload_one(struct run *run, size_t driver)
{
    bool named = world_driver_count() > 1;
    char left[300];

    if (!world_unload(driver, left, sizeof(left), &run->error))
        return false;
    run->loaded[driver] = false;
    trace_add(&run->trace, TRACE_STEP, 0, "unloaded%s%s%s%s", named ? " " : "", named ? world_driver_name(driver) : "",
              *left == 0 ? "" : ", left: ", left);
    return true;
}

/* The last that was loaded goes first. The runner's observer leaves before, and comes back if its driver stays. */
static bool step_unload(struct run *run, const struct scenario_step *step)
{
    bool found = false;

    if (!run_is_loaded(run))
        return run_wrong(run, "no driver is loaded");
    if (!clients_end(run))
        return false;
    for (size_t i = world_driver_count(); i-- > 0;) {
        if (!is_meant(step, i) || !run->loaded[i])
            continue;
        found = true;
        if (!unload_one(run, i))
            return false;
    }
    if (!found)
        return no_such_driver(run, step);
    for (size_t i = 0; i < run->scenario->connections.count; i++)
        run->connections[i].id = 0;
    return !run_is_loaded(run) || clients_begin(run);
}

static bool step_connect(struct run *run, const struct scenario_step *step)
{
    static const char *const by[] = {"callout", "filter", "default"};
    struct run_connection *connection = connection_of(run, step), *other = &run->connections[step->socket_of];
    struct world_decision decision;
    struct world_connect connect = *step->connect;

    if (connection != other && other->closed)
        return run_wrong(run, "the socket of %s is closed", connection_name(run, step->socket_of));
    connection->endpoint = connection == other ? world_endpoint() : other->endpoint;
    connection->connect = step->connect;
    connection->unguarded = !run_is_loaded(run);
    connect.endpoint = connection->endpoint;
    world_name_connection(step->subject, connection_name(run, step->subject));
    if (!world_connect(&connect, step->subject, &decision, &run->error))
        return false;
    if (decision.outcome == WORLD_PENDED) {
        connection->pended = true;
        trace_add(&run->trace, TRACE_STEP, 0, "pended %s", connection_name(run, step->subject));
        return true;
    }
    connection_told(connection, &decision);
    trace_add(&run->trace, TRACE_STEP, 0, "at once %s %s by %s", connection_name(run, step->subject),
              outcome_name(decision.outcome), by[decision.by]);
    return true;
}

static bool step_establish(struct run *run, const struct scenario_step *step)
{
    return world_flow_established(connection_of(run, step)->flow, &run->error);
}

static bool step_packet(struct run *run, const struct scenario_step *step)
{
    struct world_decision decision;
    bool reauthorized;

    if (!world_flow_packet(connection_of(run, step)->flow, step->inbound, &decision, &reauthorized, &run->error))
        return false;
    connection_of(run, step)->told = decision.outcome;
    trace_add(&run->trace, TRACE_STEP, 0, "%s %s %s", reauthorized ? "reauthorized" : "packet",
              connection_name(run, step->subject), outcome_name(decision.outcome));
    return true;
}

/* Every connection of the socket. */
static bool step_close(struct run *run, const struct scenario_step *step)
{
    uint64_t endpoint = connection_of(run, step)->endpoint;

    if (endpoint == 0)
        return run_wrong(run, "%s never connected", connection_name(run, step->subject));
    for (size_t i = 0; i < run->scenario->connections.count; i++)
        run->connections[i].closed |= run->connections[i].endpoint == endpoint;
    return world_endpoint_closed(endpoint, &run->error);
}

/* Somebody adds a filter that nothing meets to both layers, and deletes it. */
static bool step_change_filters(struct run *run, const struct scenario_step *step)
{
    (void)step;
    for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2)) {
        uint64_t id;

        if (!world_filter_add(&(struct world_filter){version, false, true, 0}, &id, &run->error) ||
            !world_filter_delete(id, &run->error))
            return false;
    }
    return true;
}

static bool step_filter(struct run *run, const struct scenario_step *step)
{
    run->filter_there[step->subject] = world_filter_add(&step->filter, &run->filters[step->subject], &run->error);
    return run->filter_there[step->subject];
}

static bool step_remove(struct run *run, const struct scenario_step *step)
{
    if (!run->filter_there[step->subject])
        return run_wrong(run, "%s is removed already", run->scenario->filters.text[step->subject]);
    run->filter_there[step->subject] = false;
    return world_filter_delete(run->filters[step->subject], &run->error);
}

static bool step_sleep(struct run *run, const struct scenario_step *step)
{
    (void)run;
    world_advance(step->value);
    return true;
}

static bool until_reached(struct run *run, const struct scenario_step *step, bool *reached)
{
    struct gatehouse_status status;

    *reached = true;
    if (!run_collect(run))
        return false;
    if (step->kind == STEP_UNTIL_ANSWERS) {
        if (!clients_status(run, &status))
            return false;
        *reached = status.answers == step->value;
        return true;
    }
    for (size_t i = 0; i < step->decision_count; i++) {
        const struct run_connection *connection = &run->connections[step->decisions[i].connection];

        *reached &= !connection->pended || connection->ended;
    }
    return true;
}

static bool step_until(struct run *run, const struct scenario_step *step)
{
    uint32_t limit = world_clock() == WORLD_CLOCK_VIRTUAL ? UNTIL_VIRTUAL_MS : UNTIL_REAL_MS;
    bool reached;

    for (uint32_t waited = 0;; waited += STEP_MS) {
        if (!until_reached(run, step, &reached))
            return false;
        if (reached)
            return true;
        if (waited >= limit)
            return run_wrong(run, "waited %u s in vain", (unsigned)(limit / 1000));
        world_advance(STEP_MS);
    }
}

/* What its program was told by now. */
static bool step_expect(struct run *run, const struct scenario_step *step)
{
    static const char *const words[] = {"nothing", "permit", "block", "nothing: it waits"};
    const struct run_connection *connection = connection_of(run, step);
    const char *name = connection_name(run, step->subject);
    enum world_outcome told = connection->told;
    char text[200];

    if (told == (enum world_outcome)step->value)
        return true;
    if (connection->unguarded) { /* a driver whose load was refused decides nothing */
        trace_add(&run->trace, TRACE_STEP, 0, "expect %s left out: no driver was loaded", name);
        return true;
    }
    if (connection->pended && !connection->ended)
        told = WORLD_PENDED;
    trace_add(&run->trace, TRACE_STEP, 0, "expect %s differs: %s", name, words[told]);
    snprintf(text, sizeof(text), "the program of connection %s was told %s; the decision was %s", name, words[told],
             outcome_name((enum world_outcome)step->value));
    if (run_is_loaded(run))
        world_violate("decision-not-stored", "classifyFn", text);
    return true;
}

static bool step_irql(struct run *run, const struct scenario_step *step)
{
    return world_irql((enum world_irql)step->value, &run->error);
}

static bool step_suspend(struct run *run, const struct scenario_step *step)
{
    return world_suspend(step->value, &run->error);
}

static bool step_resume(struct run *run, const struct scenario_step *step)
{
    (void)step;
    return world_resume(&run->error);
}

static bool step_fault(struct run *run, const struct scenario_step *step)
{
    return world_fault(step->raw->name, step->value, &run->error);
}

static bool step_notify(struct run *run, const struct scenario_step *step)
{
    return world_notify((enum world_notify)step->value, &run->error);
}

static bool step_state(struct run *run, const struct scenario_step *step)
{
    (void)step;
    return run->quiet || world_state(&run->error);
}

static bool step_nothing(struct run *run, const struct scenario_step *step)
{
    (void)run;
    (void)step;
    return true;
}

static run_step *const steps[] = {
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
    [STEP_OPEN] = step_open,
    [STEP_SEND] = step_send,
    [STEP_PORT] = step_port,
    [STEP_MESSAGE] = step_message,
    [STEP_REPLY] = step_reply,
    [STEP_EXPECT] = step_expect,
    [STEP_IRQL] = step_irql,
    [STEP_SUSPEND] = step_suspend,
    [STEP_RESUME] = step_resume,
    [STEP_FAULT] = step_fault,
    [STEP_NOTIFY] = step_notify,
    [STEP_RULES] = step_rules,
    [STEP_RULE_ADD] = step_rule,
    [STEP_RULE_REMOVE] = step_rule,
    [STEP_LIST] = step_list,
    [STEP_NAME] = step_name,
    [STEP_EXIT] = step_exit,
    [STEP_THEN] = step_nothing,
    [STEP_STATE] = step_state,
};

bool run_perform(struct run *run, const struct scenario_step *step)
{
    bool good = steps[step->kind](run, step);

    if (good && step->kind != STEP_SUSPEND) { /* after which nothing runs */
        run_settle(run);
        world_step_ended();
    }
    return good;
}

static bool has_id(const struct run *run, uint32_t connection)
{
    return connection == SCENARIO_NOBODY || run->connections[connection].id != 0 || run->connections[connection].ended;
}

bool run_ready(const struct run *run, const struct scenario_step *step)
{
    if (step->raw != NULL)
        return raw_ready(run, step);
    if (step->kind == STEP_ANSWER)
        for (size_t i = 0; i < step->decision_count; i++)
            if (!has_id(run, step->decisions[i].connection))
                return false;
    return true;
}
