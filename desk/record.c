/* SPDX-License-Identifier: MIT */
/*
 * record.c - see record.h.
 */
#include "desk/record.h"

#include <string.h>

#include "agent/json.h"
#include "agent/port_name.h"
#include "agent/rule_index.h"
#include "agent/show.h"
#include "agent/users.h"
#include "desk/choice.h"

/* 100 ns from 1601 to 1970, and a microsecond in these. */
#define UNIX_EPOCH  INT64_C(116444736000000000)
#define MICROSECOND 10

static uint64_t wall_of(int64_t time)
{
    return (uint64_t)(time * MICROSECOND + UNIX_EPOCH);
}

static void put_time(struct json *json, const char *name, int64_t time)
{
    struct text text = {0};

    if (time == 0)
        return;
    show_time_utc(&text, wall_of(time));
    json_text(json, name, text_string(&text));
    text_free(&text);
}

static void show_name_of_user(struct text *text, uint32_t user)
{
    uint8_t sid[16] = {1, 2, 0, 0, 0, 0, 0, 22, 1}; /* S-1-22-1-N, gatehouse/rules.h */
    const char *name;

    for (unsigned i = 0; i < 4; i++)
        sid[12 + i] = (uint8_t)(user >> 8 * i);
    name = users_name(sid, sizeof(sid));
    if (name != NULL)
        text_add(text, name);
    else
        text_add_format(text, "%u", (unsigned)user);
}

static void put(struct json *json, const char *name, struct text *text)
{
    json_text(json, name, text_string(text));
    text_clear(text);
}

static void put_who(struct json *json, const struct history_record *record, struct text *text)
{
    if (record->program != NULL) {
        show_written_path(text, record->program);
        put(json, "program", text);
    }
    if (record->pid != 0)
        json_number(json, "pid", record->pid);
    if (record->user != UINT32_MAX) {
        show_name_of_user(text, record->user);
        put(json, "user", text);
    }
}

static void put_ends(struct json *json, const struct history_record *record, struct text *text)
{
    uint16_t port = record->inbound ? record->local_port : record->remote_port;
    bool ports = record->protocol == 6 || record->protocol == 17;

    json_text(json, "direction", record->inbound ? "in" : "out");
    show_protocol(text, record->protocol);
    put(json, "protocol", text);
    show_address(text, record->ip_version, record->remote_address, 0);
    put(json, "address", text);
    if (ports)
        json_number(json, "port", port);
    if (ports && port_name(record->protocol, port) != NULL)
        json_text(json, "service", port_name(record->protocol, port));
    if (record->name != NULL)
        json_text(json, "name", record->name);
    show_end(text, record->ip_version, record->protocol, record->local_address, record->local_port, 0);
    put(json, "local", text);
}

static void put_verdict(struct json *json, const struct history_record *record, const char *scope, struct text *text)
{
    json_text(json, "verdict", choice_verdict_name(record->verdict));
    json_text(json, "by", choice_by_name(record->by));
    if (record->who != NULL)
        json_text(json, "who", record->who);
    if (scope != NULL)
        json_text(json, "scope", scope);
    if (record->rule != NULL) {
        show_written(text, record->rule, strlen(record->rule));
        put(json, "rule", text);
    }
    if (record->place != NULL)
        json_text(json, "place", record->place);
    if (record->rule_id != 0) {
        rule_index_show_id(text, record->rule_id, 0);
        put(json, "rule_id", text);
    }
}

void record_show_members(struct text *text, const struct history_record *record, const char *scope)
{
    struct json json = {.text = text};
    struct text part = {0};

    put_time(&json, "time", record->decided != 0 ? record->decided : record->began);
    json_identifier(&json, "id", record->endpoint);
    put_time(&json, "began", record->began);
    put_time(&json, "ended", record->ended);
    put_who(&json, record, &part);
    put_ends(&json, record, &part);
    put_verdict(&json, record, scope, &part);
    if (record->counted) {
        json_number(&json, "bytes_out", record->bytes_out);
        json_number(&json, "bytes_in", record->bytes_in);
    }
    if (record->count > 1)
        json_number(&json, "count", record->count);
    text_free(&part);
}

void record_show(struct text *text, const struct history_record *record)
{
    show_time_of_day(text, wall_of(record->decided != 0 ? record->decided : record->began));
    text_add(text, " ");
    if (record->program != NULL)
        show_written_path(text, record->program);
    else
        text_add(text, "(unknown program)");
    if (record->pid != 0)
        text_add_format(text, " pid %llu", (unsigned long long)record->pid);
    if (record->user != UINT32_MAX) {
        text_add(text, " user ");
        show_name_of_user(text, record->user);
    }
    text_add(text, record->inbound ? " in " : " ");
    show_protocol(text, record->protocol);
    text_add(text, " ");
    show_end(text, record->ip_version, record->protocol, record->remote_address, record->remote_port, 0);
    if (record->name != NULL)
        text_add_format(text, " (%s)", record->name);
    text_add_format(text, " %s ", choice_verdict_name(record->verdict));
    if (record->who != NULL)
        text_add_format(text, "by %s", record->who);
    else
        text_add(text, show_decided_by(record->by));
}
