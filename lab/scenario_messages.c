/* SPDX-License-Identifier: MIT */
/*
 * scenario_messages.c - see scenario_messages.h.
 */
#include "lab/scenario_messages.h"

#include <stdio.h>
#include <string.h>

#include "gatehouse/status.h"

#define TICKS_PER_MS 10000u

static const struct {
    uint32_t status;
    const char *name;
} names[] = {
    {0, "OK"},
    {GATEHOUSE_E_SHORT_INPUT, "SHORT_INPUT"},
    {GATEHOUSE_E_LONG_INPUT, "LONG_INPUT"},
    {GATEHOUSE_E_SHORT_OUTPUT, "SHORT_OUTPUT"},
    {GATEHOUSE_E_BAD_VERSION, "BAD_VERSION"},
    {GATEHOUSE_E_NO_HELLO, "NO_HELLO"},
    {GATEHOUSE_E_HELLO_TWICE, "HELLO_TWICE"},
    {GATEHOUSE_E_DECIDER_PRESENT, "DECIDER_PRESENT"},
    {GATEHOUSE_E_NOT_DECIDER, "NOT_DECIDER"},
    {GATEHOUSE_E_UNKNOWN_ID, "UNKNOWN_ID"},
    {GATEHOUSE_E_ALREADY_DECIDED, "ALREADY_DECIDED"},
    {GATEHOUSE_E_NOT_YOURS, "NOT_YOURS"},
    {GATEHOUSE_E_BAD_VERDICT, "BAD_VERDICT"},
    {GATEHOUSE_E_BAD_SCOPE, "BAD_SCOPE"},
    {GATEHOUSE_E_BAD_LIFETIME, "BAD_LIFETIME"},
    {GATEHOUSE_E_BAD_COUNT, "BAD_COUNT"},
    {GATEHOUSE_E_BAD_SETTING, "BAD_SETTING"},
    {GATEHOUSE_E_BAD_ROLE, "BAD_ROLE"},
    {GATEHOUSE_E_RESERVED, "RESERVED"},
    {GATEHOUSE_E_STOPPING, "STOPPING"},
    {GATEHOUSE_E_TOO_MANY_READS, "TOO_MANY_READS"},
    {GATEHOUSE_E_ANSWERS_FULL, "ANSWERS_FULL"},
    {GATEHOUSE_E_UNKNOWN_CODE, "UNKNOWN_CODE"},
    {GATEHOUSE_E_BAD_RULES, "BAD_RULES"},
    {GATEHOUSE_E_NO_LOAD, "NO_LOAD"},
    {GATEHOUSE_E_LOAD_BUSY, "LOAD_BUSY"},
    {GATEHOUSE_E_UNKNOWN_RULE, "UNKNOWN_RULE"},
    {GATEHOUSE_E_RULE_IN_FILE, "RULE_IN_FILE"},
    {GATEHOUSE_E_RULES_FULL, "RULES_FULL"},
    {GATEHOUSE_E_RULES_STORE, "RULES_STORE"},
    {GATEHOUSE_E_RULES_ENGINE, "RULES_ENGINE"},
    {GATEHOUSE_E_BAD_NAME, "BAD_NAME"},
    {GATEHOUSE_E_NO_NAME, "NO_NAME"},
    {GATEHOUSE_E_RULES_LOST, "RULES_LOST"},
    {0xC000000Du, "INVALID_PARAMETER"},
    {0xC000000Fu, "NO_SUCH_FILE"},
    {0xC0000022u, "ACCESS_DENIED"},
    {0xC0000023u, "BUFFER_TOO_SMALL"},
    {0xC0000034u, "NAME_NOT_FOUND"},
    {0xC000009Au, "NO_MEMORY"},
    {0xC0000120u, "CANCELLED"},
    {0xC0000184u, "INVALID_STATE"},
    {0xC0000225u, "NOT_FOUND"},
    {0x80000011u, "BUSY"},
};

const char *status_name(uint32_t status, char room[16])
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].status == status)
            return names[i].name;
    snprintf(room, 16, "0x%08x", (unsigned)status);
    return room;
}

const char *verdict_name(uint32_t verdict)
{
    return verdict == GATEHOUSE_VERDICT_PERMIT ? "permit" : verdict == GATEHOUSE_VERDICT_BLOCK ? "block" : "none";
}

static const char *by_name(uint8_t by)
{
    static const char *const by_names[] = {"none", "decider", "answer", "deadline",    "no-decider",
                                           "full", "cancel",  "unload", "cannot-pend", "rule"};

    return by < sizeof(by_names) / sizeof(by_names[0]) ? by_names[by] : "?";
}

/* path: UTF-16LE without NUL. */
static bool same_path(const struct world_connect *connect, const uint8_t *path, size_t size)
{
    size_t at = 0;

    for (; connect->program[at] != 0; at++)
        if (2 * at + 1 >= size || path[2 * at] != (uint8_t)connect->program[at] ||
            path[2 * at + 1] != (uint8_t)(connect->program[at] >> 8))
            return false;
    return 2 * at == size;
}

static const char *difference(const struct world_connect *connect, const struct gatehouse_request *request,
                              const uint8_t *path)
{
    uint32_t flags = (connect->has_process ? 0 : GATEHOUSE_REQUEST_NO_PROCESS) |
                     (connect->program[0] != 0 ? 0 : GATEHOUSE_REQUEST_NO_PROGRAM) |
                     (connect->loopback ? GATEHOUSE_REQUEST_LOOPBACK : 0);

    if (request->ip_version != connect->ip_version || request->protocol != connect->protocol)
        return " differs: protocol";
    if (memcmp(request->local_address, connect->local_address, 16) != 0 || request->local_port != connect->local_port)
        return " differs: local address";
    if (memcmp(request->remote_address, connect->remote_address, 16) != 0 ||
        request->remote_port != connect->remote_port)
        return " differs: remote address";
    if ((request->flags & ~GATEHOUSE_REQUEST_REOFFERED) != flags)
        return " differs: flags";
    if (request->process_id != (connect->has_process ? connect->process_id : 0))
        return " differs: process";
    if (!same_path(connect, path, request->path_size))
        return " differs: program";
    if (request->user_sid_size != connect->user_sid_size ||
        memcmp(request->user_sid, connect->user_sid, connect->user_sid_size) != 0)
        return " differs: user";
    return "";
}

static bool same_socket_and_place(const struct run_connection *connection, const struct gatehouse_request *request)
{
    const struct world_connect *connect = connection->connect;

    return connect != NULL && connection->endpoint == request->endpoint && connect->protocol == request->protocol &&
           connect->ip_version == request->ip_version && connect->remote_port == request->remote_port &&
           memcmp(connect->remote_address, request->remote_address, 16) == 0;
}

/* By id, which only held ones have; else the newest of its socket, one in which nothing differs first. */
static uint32_t find_connection(const struct run *run, const struct gatehouse_request *request, const uint8_t *path)
{
    uint32_t count = (uint32_t)run->scenario->connections.count, newest = SCENARIO_NOBODY;

    for (uint32_t i = count; i-- > 0 && request->id != 0;)
        if (run->connections[i].connect != NULL && run->connections[i].id == request->id)
            return i;
    for (uint32_t i = count; i-- > 0;) {
        if (!same_socket_and_place(&run->connections[i], request))
            continue;
        if (*difference(run->connections[i].connect, request, path) == 0)
            return i;
        newest = newest == SCENARIO_NOBODY ? i : newest;
    }
    return newest;
}

/* Copies the request at the front and finds its connection's number and name, and what differs. False: not whole. */
static bool take_request(struct run *run, const uint8_t *bytes, size_t size, struct gatehouse_request *request,
                         uint32_t *connection, const char **different)
{
    if (size < sizeof(*request))
        return run_wrong(run, "a request is cut off: %u bytes", (unsigned)size);
    memcpy(request, bytes, sizeof(*request));
    if (request->size > size || request->size < sizeof(*request) + request->path_size)
        return run_wrong(run, "a request says %u bytes, with a path of %u; %u are there", (unsigned)request->size,
                         (unsigned)request->path_size, (unsigned)size);
    *connection = find_connection(run, request, bytes + sizeof(*request));
    *different = *connection == SCENARIO_NOBODY
                     ? ""
                     : difference(run->connections[*connection].connect, request, bytes + sizeof(*request));
    if (*connection != SCENARIO_NOBODY && request->id != 0)
        run->connections[*connection].id = request->id;
    return true;
}

static const char *name_of(const struct run *run, uint32_t connection)
{
    return connection == SCENARIO_NOBODY ? "?" : run->scenario->connections.text[connection];
}

/* The deadline is the policy's, and is kept: "early" would be a verdict before its time. */
static const char *check_times(struct run *run, const struct gatehouse_event *event,
                               const struct gatehouse_request *request, uint32_t connection)
{
    if (event->type == GATEHOUSE_EVENT_HELD && connection != SCENARIO_NOBODY) {
        run->connections[connection].deadline = request->deadline;
        if (request->deadline - request->held_at != (uint64_t)run->policy.deadline_ms * TICKS_PER_MS)
            return " differs: deadline";
    }
    return event->type == GATEHOUSE_EVENT_DECIDED && event->by == GATEHOUSE_BY_DEADLINE &&
                   event->time < request->deadline
               ? " early"
               : "";
}

static bool add_event(struct run *run, const struct gatehouse_event *event, const uint8_t *bytes, const char *client,
                      uint32_t key)
{
    enum trace_source source = client == NULL ? TRACE_DRIVER : TRACE_CLIENT;
    const char *seen = client == NULL ? "" : "seen ", *who = client == NULL ? "" : client,
               *space = client == NULL ? "" : " ";
    struct gatehouse_request request = {0};
    const char *different = "", *times;
    uint32_t connection = SCENARIO_NOBODY;

    if (event->type == GATEHOUSE_EVENT_LOST) {
        trace_add(&run->trace, source, key, "%s%s%slost %llu", seen, who, space, (unsigned long long)event->count);
        return true;
    }
    if (!take_request(run, bytes, event->size - sizeof(*event), &request, &connection, &different))
        return false;
    times = client == NULL ? check_times(run, event, &request, connection) : "";
    if (client == NULL)
        key = connection;
    if (event->type == GATEHOUSE_EVENT_HELD)
        trace_add(&run->trace, source, key, "%s%s%sheld %s%s%s", seen, who, space, name_of(run, connection), different,
                  times);
    else
        trace_add(&run->trace, source, key, "%s%s%sdecided %s %s by %s%s%s", seen, who, space, name_of(run, connection),
                  verdict_name(event->verdict), by_name(event->by), different, times);
    return true;
}

bool messages_events(struct run *run, const uint8_t *bytes, size_t size, const char *client, uint32_t key)
{
    while (size != 0) {
        struct gatehouse_event event;

        if (size < sizeof(event))
            return run_wrong(run, "an event is cut off: %u bytes", (unsigned)size);
        memcpy(&event, bytes, sizeof(event));
        if (event.size > size || event.size < sizeof(event))
            return run_wrong(run, "an event says %u bytes; %u are there", (unsigned)event.size, (unsigned)size);
        if (!add_event(run, &event, bytes + sizeof(event), client, key))
            return false;
        bytes += event.size;
        size -= event.size;
    }
    return true;
}

bool messages_requests(struct run *run, const uint8_t *bytes, size_t size, const char *client, uint32_t key)
{
    while (size != 0) {
        struct gatehouse_request request = {0};
        const char *different = "";
        uint32_t connection = SCENARIO_NOBODY;

        if (!take_request(run, bytes, size, &request, &connection, &different))
            return false;
        trace_add(&run->trace, TRACE_CLIENT, key, "offered %s to %s%s%s", name_of(run, connection), client,
                  (request.flags & GATEHOUSE_REQUEST_REOFFERED) != 0 ? " again" : "", different);
        bytes += request.size;
        size -= request.size;
    }
    return true;
}

/* The article's own driver tells ids in this message alone: the first held connect to that place without one. */
static uint32_t find_untold(struct run *run, const USER_CLASSIFY_REQUEST *request)
{
    for (uint32_t i = 0; i < run->scenario->connections.count; i++) {
        struct run_connection *connection = &run->connections[i];

        if (connection->connect == NULL || !connection->pended || connection->id != 0 ||
            connection->connect->remote_port != request->RemotePort)
            continue;
        connection->id = request->RequestId;
        return i;
    }
    return SCENARIO_NOBODY;
}

bool messages_seed_request(struct run *run, const uint8_t *bytes, size_t size, const char *client, uint32_t key)
{
    USER_CLASSIFY_REQUEST request;
    uint32_t connection = (uint32_t)run->scenario->connections.count;
    const char *different = "";

    if (size != sizeof(request))
        return run_wrong(run, "the article's request has %u bytes", (unsigned)size);
    memcpy(&request, bytes, sizeof(request));
    while (connection-- > 0)
        if (run->connections[connection].connect != NULL && run->connections[connection].id == request.RequestId)
            break;
    if (connection == SCENARIO_NOBODY && run->watch == NULL)
        connection = find_untold(run, &request);
    if (connection != SCENARIO_NOBODY) {
        const struct world_connect *connect = run->connections[connection].connect;
        const uint8_t *a = connect->remote_address;
        uint32_t address = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];

        if (request.RemoteAddressV4 != address || request.RemotePort != connect->remote_port || request.Reserved != 0)
            different = " differs: remote address";
        else if (request.ProcessId != (connect->has_process ? connect->process_id : 0))
            different = " differs: process";
    }
    trace_add(&run->trace, TRACE_CLIENT, key, "offered %s to %s%s", name_of(run, connection), client, different);
    return true;
}
