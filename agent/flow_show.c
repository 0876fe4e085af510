/* SPDX-License-Identifier: MIT */
/*
 * flow_show.c - see flow_show.h.
 */
#include "agent/flow_show.h"

#include "agent/json.h"
#include "agent/rule_calls.h"
#include "agent/rule_index.h"
#include "agent/show.h"

const struct table_column flow_columns[] = {{"PROGRAM", false, 48}, {"PID", true, 0},    {"WAY", false, 0},
                                            {"PROTO", false, 0},    {"LOCAL", false, 0}, {"REMOTE", false, 0},
                                            {"OUT", true, 0},       {"IN", true, 0},     {"TIME", true, 0},
                                            {"STATE", false, 0},    {"RULE", false, 0}};
const unsigned flow_column_count = sizeof(flow_columns) / sizeof(flow_columns[0]);

static bool is(const struct flow *flow, uint32_t flag)
{
    return (flow->fixed.flags & flag) != 0;
}

static uint64_t duration(const struct gatehouse_flow_entry *fixed, uint64_t now)
{
    uint64_t end = fixed->ended != 0 ? fixed->ended : now;

    return end > fixed->began ? end - fixed->began : 0;
}

static void show_near(struct text *text, const struct gatehouse_flow_entry *fixed)
{
    show_end(text, fixed->ip_version, fixed->protocol, fixed->local_address, fixed->local_port, 0);
}

static void show_far(struct text *text, const struct flow *flow)
{
    const struct gatehouse_flow_entry *fixed = &flow->fixed;

    show_name_before(text, flow->name, fixed->name_size);
    show_end(text, fixed->ip_version, fixed->protocol, fixed->remote_address, fixed->remote_port, 0);
    text_add(text, fixed->name_size != 0 ? ")" : "");
}

static void show_rule(struct text *text, const struct gatehouse_flow_entry *fixed)
{
    uint64_t id = rule_id_of_key(fixed->filter_key);

    if (id == 0)
        text_add(text, "-");
    else
        rule_index_show_id(text, id, RULE_INDEX_DIGITS_MIN);
}

static void show_count(struct text *text, const struct flow *flow, uint64_t count)
{
    if (is(flow, GATEHOUSE_FLOW_COUNTED))
        show_bytes(text, count);
    else
        text_add(text, "-");
}

void flow_show_cells(const struct flow *flow, uint64_t now, struct table *table, struct text *cell)
{
    const struct gatehouse_flow_entry *fixed = &flow->fixed;

    show_program_path(cell, flow->path, fixed->path_size);
    table_take(table, cell);
    if (fixed->process_id != 0)
        text_add_format(cell, "%llu", (unsigned long long)fixed->process_id);
    else
        text_add(cell, "-");
    table_take(table, cell);
    table_add(table, is(flow, GATEHOUSE_FLOW_INBOUND) ? "in" : "out");
    show_protocol(cell, fixed->protocol);
    table_take(table, cell);
    show_near(cell, fixed);
    table_take(table, cell);
    show_far(cell, flow);
    table_take(table, cell);
    show_count(cell, flow, fixed->bytes_out);
    table_take(table, cell);
    show_count(cell, flow, fixed->bytes_in);
    table_take(table, cell);
    show_about(cell, duration(fixed, now));
    table_take(table, cell);
    table_add(table, is(flow, GATEHOUSE_FLOW_BLOCKED) ? "blocked" : is(flow, GATEHOUSE_FLOW_ENDED) ? "ended" : "lives");
    show_rule(cell, fixed);
    table_take(table, cell);
}

void flow_show_line(const struct flow *flow, const char *what, uint64_t now, struct text *text)
{
    const struct gatehouse_flow_entry *fixed = &flow->fixed;
    bool ended = is(flow, GATEHOUSE_FLOW_ENDED) && !is(flow, GATEHOUSE_FLOW_BLOCKED);

    show_time_of_day(text, ended ? fixed->ended : fixed->began);
    text_add(text, " ");
    show_program_path(text, flow->path, fixed->path_size);
    if (fixed->process_id != 0)
        text_add_format(text, " pid %llu", (unsigned long long)fixed->process_id);
    text_add(text, " ");
    show_protocol(text, fixed->protocol);
    text_add(text, " ");
    show_near(text, fixed);
    text_add(text, is(flow, GATEHOUSE_FLOW_INBOUND) ? " from " : " to ");
    show_far(text, flow);
    text_add_format(text, " %s", what);
    if (ended) {
        text_add(text, " after ");
        show_duration(text, duration(fixed, now));
    }
    if (is(flow, GATEHOUSE_FLOW_COUNTED)) {
        text_add(text, ", ");
        show_bytes(text, fixed->bytes_out);
        text_add(text, " out, ");
        show_bytes(text, fixed->bytes_in);
        text_add(text, " in");
    }
    if (rule_id_of_key(fixed->filter_key) != 0) {
        text_add(text, ", rule ");
        show_rule(text, fixed);
    }
}

static void json_when(struct json *json, const char *name, uint64_t time)
{
    struct text value = {0};

    if (time != 0)
        show_time_utc(&value, time);
    json_text(json, name, time == 0 ? NULL : text_string(&value));
    text_free(&value);
}

static void json_end(struct json *json, const char *name, const struct gatehouse_flow_entry *fixed,
                     const uint8_t address[16])
{
    struct text value = {0};

    show_address(&value, fixed->ip_version, address, 0);
    json_text(json, name, text_string(&value));
    text_free(&value);
}

static void json_counts(struct json *json, const struct flow *flow)
{
    if (!is(flow, GATEHOUSE_FLOW_COUNTED)) {
        json_text(json, "bytes_out", NULL);
        json_text(json, "bytes_in", NULL);
        return;
    }
    json_number(json, "bytes_out", flow->fixed.bytes_out);
    json_number(json, "bytes_in", flow->fixed.bytes_in);
}

void flow_show_json(const struct flow *flow, const char *what, struct text *text)
{
    const struct gatehouse_flow_entry *fixed = &flow->fixed;
    uint64_t id = rule_id_of_key(fixed->filter_key);
    struct json json = {.text = text};
    struct text value = {0};

    json_open(&json, NULL);
    if (what != NULL)
        json_text(&json, "event", what);
    json_identifier(&json, "flow", fixed->number);
    if (fixed->path_size > 0)
        json_path(&json, "program", flow->path, fixed->path_size);
    else
        json_text(&json, "program", NULL);
    json_number(&json, "pid", fixed->process_id);
    json_text(&json, "way", is(flow, GATEHOUSE_FLOW_INBOUND) ? "in" : "out");
    show_protocol(&value, fixed->protocol);
    json_text(&json, "protocol", text_string(&value));
    json_number(&json, "protocol_number", fixed->protocol);
    json_number(&json, "ip_version", fixed->ip_version);
    json_end(&json, "local_address", fixed, fixed->local_address);
    json_number(&json, "local_port", fixed->local_port);
    json_end(&json, "remote_address", fixed, fixed->remote_address);
    json_number(&json, "remote_port", fixed->remote_port);
    text_clear(&value);
    text_add_bytes(&value, (const char *)flow->name, fixed->name_size);
    json_text(&json, "name", fixed->name_size == 0 ? NULL : text_string(&value));
    json_bool(&json, "lives", !is(flow, GATEHOUSE_FLOW_ENDED));
    json_bool(&json, "blocked", is(flow, GATEHOUSE_FLOW_BLOCKED));
    if (is(flow, GATEHOUSE_FLOW_BLOCKED))
        json_number(&json, "count", fixed->count);
    json_when(&json, "began", fixed->began);
    json_when(&json, "ended", fixed->ended);
    json_counts(&json, flow);
    text_clear(&value);
    rule_index_show_id(&value, id, 0);
    json_text(&json, "rule", id == 0 ? NULL : text_string(&value));
    json_close(&json);
    text_free(&value);
}
