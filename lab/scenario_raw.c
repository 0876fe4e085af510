/* SPDX-License-Identifier: MIT */
/*
 * scenario_raw.c - see scenario_run.h: clients that speak any driver's protocol, as fields of bytes.
 */
#include "lab/scenario_fields.h"
#include "lab/scenario_messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *client_name(const struct run *run, const struct scenario_step *step)
{
    return run->scenario->clients.text[step->subject];
}

bool raw_ready(const struct run *run, const struct scenario_step *step)
{
    for (size_t i = 0; i < step->raw->in.count; i++)
        if (step->raw->in.field[i].kind == FIELD_VARIABLE && !run->variables[step->raw->in.field[i].variable].set)
            return false;
    return step->kind != STEP_REPLY || run->clients[step->subject].message_count != 0;
}

static bool is_usable(struct run *run, const struct scenario_step *step, bool as_port)
{
    const struct run_client *client = &run->clients[step->subject];

    if (client->device == NULL)
        return run_wrong(run, "%s is not open", client_name(run, step));
    if (!client->raw || (as_port && !client->port))
        return run_wrong(run, "%s is not a client of %s", client_name(run, step), as_port ? "port" : "open or port");
    return client->read_count < RUN_READS_MAX ||
           run_wrong(run, "%s has %u calls under way: more are not counted", client_name(run, step), RUN_READS_MAX);
}

/* --- Steps --- */

static bool open_as(struct run *run, const struct scenario_step *step, bool port)
{
    struct run_client *client = &run->clients[step->subject];
    char name[SCENARIO_PATH_MAX + 5], room[16];
    uint32_t status = 0;

    if (client->device != NULL)
        return run_wrong(run, "%s is open already", client_name(run, step));
    *client = (struct run_client){.raw = true, .port = port};
    snprintf(name, sizeof(name), "%s%s", port ? "" : "\\\\.\\", step->raw->name);
    if (!(port ? world_port_open(name, &client->device, &status, &run->error)
               : world_device_open(name, &client->device, &status, &run->error)))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "%s %s %s", port ? "port" : "open", client_name(run, step),
              status_name(status, room));
    return true;
}

bool step_open(struct run *run, const struct scenario_step *step)
{
    return open_as(run, step, false);
}

bool step_port(struct run *run, const struct scenario_step *step)
{
    return open_as(run, step, true);
}

bool step_send(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = &run->clients[step->subject];
    struct run_call call = {.step = step};
    uint8_t *bytes;
    bool good;

    if (!is_usable(run, step, false))
        return false;
    if (!raw_ready(run, step)) {
        trace_add(&run->trace, TRACE_CLIENT, step->subject, "send %s left out: a $variable has no value",
                  client_name(run, step));
        return true;
    }
    bytes = fields_compose(&step->raw->in, run->variables);
    good = world_call_start(client->device, step->raw->code, bytes, step->raw->in.size, step->raw->out_size, &call.call,
                            &run->error);
    free(bytes);
    if (!good)
        return false;
    client->reads[client->read_count++] = call;
    run_settle(run);
    return true;
}

bool step_message(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = &run->clients[step->subject];
    struct run_call call = {.step = step};

    if (!is_usable(run, step, true) || !world_message_start(client->device, &call.call, &run->error))
        return false;
    client->reads[client->read_count++] = call;
    run_settle(run);
    return true;
}

bool step_reply(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = &run->clients[step->subject];
    uint32_t status = 0;
    uint64_t message;
    char room[16];
    uint8_t *bytes;
    bool good;

    if (!is_usable(run, step, true))
        return false;
    if (!raw_ready(run, step)) {
        trace_add(&run->trace, TRACE_STEP, 0, "reply %s left out: %s", client_name(run, step),
                  client->message_count == 0 ? "no message waits for one" : "a $variable has no value");
        return true;
    }
    message = client->messages[0];
    client->message_count--;
    memmove(client->messages, client->messages + 1, client->message_count * sizeof(client->messages[0]));
    bytes = fields_compose(&step->raw->in, run->variables);
    good = world_reply(client->device, message, bytes, step->raw->in.size, &status, &run->error);
    free(bytes);
    if (!good)
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "reply %s %s", client_name(run, step), status_name(status, room));
    run_settle(run);
    return true;
}

void raw_done(struct run *run, uint32_t index, const struct run_call *call, uint32_t status, const uint8_t *bytes,
              size_t size)
{
    const struct scenario_raw *raw = call->step->raw;
    struct run_client *client = &run->clients[index];
    const char *name = run->scenario->clients.text[index];
    bool message = call->step->kind == STEP_MESSAGE;
    char different[80], room[16];

    if (status != 0) {
        trace_add(&run->trace, TRACE_CLIENT, index, "%s %s %s", message ? "message" : "send", name,
                  status_name(status, room));
        return;
    }
    fields_take(&raw->out, run->variables, bytes, message || size < raw->out_size ? size : raw->out_size, different,
                sizeof(different));
    if (message && client->message_count < RUN_READS_MAX)
        client->messages[client->message_count++] = world_call_message(call->call);
    trace_add(&run->trace, TRACE_CLIENT, index, "%s %s%s %u bytes%s", message ? "message" : "send", name,
              message ? "" : " OK", (unsigned)size, different);
}

/* What a killed process waited for is nobody's; a call that does not end with its handle is lost with it. */
bool raw_leave(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = &run->clients[step->subject];
    struct run_client gone = *client;

    *client = (struct run_client){0}; /* first: whoever collects meanwhile finds nothing here */
    if (step->kind == STEP_KILL)
        world_device_kill(gone.device);
    else
        world_device_close(gone.device);
    run_settle(run);
    for (size_t i = 0; i < gone.read_count; i++) {
        const void *bytes = NULL;
        uint32_t status = 0;
        size_t size = 0;

        if (!world_call_done(gone.reads[i].call, RUN_WAIT_MS, &status, &bytes, &size))
            continue;
        if (step->kind != STEP_KILL)
            raw_done(run, step->subject, &gone.reads[i], status, bytes, size);
        world_call_free(gone.reads[i].call);
    }
    client->message_count = 0;
    return true;
}
