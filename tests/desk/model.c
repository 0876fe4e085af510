/* SPDX-License-Identifier: MIT */
/*
 * model.c - see model.h.
 */
#include "tests/desk/model.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <gatehouse/status.h>

#include "agent/clock.h"

static uint8_t paths[MODEL_PATHS_MAX][32];

static void make_path(unsigned program, uint8_t *path, uint16_t *size)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "/bin/p%u", program);

    for (int i = 0; i < length; i++) {
        path[2 * i] = (uint8_t)text[i];
        path[2 * i + 1] = 0;
    }
    *size = (uint16_t)(2 * length);
}

struct model_connection *model_hold(struct model *model, unsigned program, unsigned port)
{
    struct model_connection *connection = &model->list[model->count++];

    assert(model->count <= MODEL_MAX && program < MODEL_PATHS_MAX);
    *connection = (struct model_connection){.id = ++model->last_id, .program = program, .port = port, .held = true};
    return connection;
}

struct model_connection *model_find(struct model *model, uint64_t id)
{
    for (unsigned i = model->count; i-- > 0;) {
        if (model->list[i].id == id)
            return &model->list[i];
    }
    return NULL;
}

struct request model_request(const struct model_connection *connection)
{
    struct request request = {.fixed = {.ip_version = 4,
                                        .protocol = 6,
                                        .id = connection->id,
                                        .process_id = 1000 + connection->program,
                                        .deadline = clock_boot() + 3600 * CLOCK_SECOND,
                                        .remote_address = {192, 0, 2, 1},
                                        .local_address = {192, 0, 2, 2},
                                        .local_port = 40000,
                                        .remote_port = (uint16_t)connection->port,
                                        .layer = 48}};

    make_path(connection->program, paths[connection->program], &request.fixed.path_size);
    request.path = paths[connection->program];
    return request;
}

static void end(struct model *model, struct model_connection *connection, uint8_t verdict, uint8_t by)
{
    struct event *event = &model->events[model->event_count++];

    assert(model->event_count <= MODEL_EVENTS_MAX && connection->held);
    connection->held = false;
    connection->verdict = verdict;
    connection->by = by;
    connection->decision = model->decisions;
    *event = (struct event){.fixed = {.type = GATEHOUSE_EVENT_DECIDED, .verdict = verdict, .by = by},
                            .request = model_request(connection)};
}

void model_end(struct model *model, struct model_connection *connection, uint8_t by)
{
    end(model, connection, by == GATEHOUSE_BY_DEADLINE ? GATEHOUSE_VERDICT_BLOCK : GATEHOUSE_VERDICT_NONE, by);
}

static bool covered(const struct model_connection *like, uint32_t scope, const struct model_connection *other)
{
    if (!other->held || other->program != like->program)
        return false;
    return scope == GATEHOUSE_SCOPE_PROGRAM || other->port == like->port;
}

uint32_t model_decide(struct model *model, const struct gatehouse_decision *decision)
{
    struct model_connection *connection = model_find(model, decision->id);
    uint8_t verdict = (uint8_t)decision->verdict;

    if (connection == NULL || !connection->held)
        return connection == NULL ? GATEHOUSE_E_UNKNOWN_ID : GATEHOUSE_E_ALREADY_DECIDED;
    if (!connection->offered)
        return GATEHOUSE_E_NOT_YOURS;
    if (decision->scope != GATEHOUSE_SCOPE_CONNECTION && model->answers_full)
        return GATEHOUSE_E_ANSWERS_FULL;
    model->decisions++;
    end(model, connection, verdict, GATEHOUSE_BY_DECIDER);
    if (decision->scope == GATEHOUSE_SCOPE_CONNECTION)
        return 0;
    for (unsigned i = 0; i < model->count; i++) {
        if (covered(connection, decision->scope, &model->list[i]))
            end(model, &model->list[i], verdict, GATEHOUSE_BY_ANSWER);
    }
    return 0;
}

void model_restart(struct model *model)
{
    unsigned count = model->count;

    model->event_told = model->event_count = 0;
    model->last_id += 100000; /* a test tells its connections by id, so they differ here */
    for (unsigned i = 0; i < count; i++) {
        struct model_connection *old = &model->list[i];

        if (!old->held)
            continue;
        old->held = false;
        old->by = GATEHOUSE_BY_UNLOAD;
        (void)model_hold(model, old->program, old->port);
    }
}
