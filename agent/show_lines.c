/* SPDX-License-Identifier: MIT */
/*
 * show_lines.c - one line a decision or event, in text and JSON. See show.h.
 */
#include "agent/show.h"

#include "agent/json.h"
#include "agent/rule_index.h"
#include "agent/status_text.h"
#include "agent/users.h"

static const char *verdict_name(unsigned verdict)
{
    switch (verdict) {
    case GATEHOUSE_VERDICT_PERMIT:
        return "permit";
    case GATEHOUSE_VERDICT_BLOCK:
        return "block";
    default:
        return "none";
    }
}

static const char *by_name(unsigned by)
{
    static const char *const names[] = {"none", "decider", "answer", "deadline",    "no-decider",
                                        "full", "cancel",  "unload", "cannot-pend", "rule"};

    return by < sizeof(names) / sizeof(names[0]) ? names[by] : "unknown";
}

const char *show_decided_by(unsigned by)
{
    static const char *const texts[] = {
        "for no known reason",          "by the program that decides",
        "by a remembered answer",       "because its deadline passed",
        "because nobody decides",       "because too many connections are held",
        "because its program gave up",  "because the driver stops",
        "because it could not be held", "by a rule",
    };

    return by < sizeof(texts) / sizeof(texts[0]) ? texts[by] : texts[0];
}

void show_who(struct text *text, const struct request *request)
{
    show_program(text, request);
    if ((request->fixed.flags & GATEHOUSE_REQUEST_NO_PROCESS) != 0)
        text_add(text, " no process");
    else
        text_add_format(text, " pid %llu", (unsigned long long)request->fixed.process_id);
    text_add(text, " user ");
    show_user(text, &request->fixed);
    text_add(text, " ");
    show_destination(text, request);
}

static void add_status(struct text *text, uint32_t status)
{
    const char *sentence = status_text(status);

    if (sentence != NULL)
        text_add_format(text, " (did not count: %s)", sentence);
    else
        text_add_format(text, " (did not count: status 0x%08X)", (unsigned)status);
}

void show_decision(struct text *text, uint64_t time, const struct request *request, uint32_t verdict, uint32_t status)
{
    show_time_of_day(text, time);
    text_add(text, " ");
    show_who(text, request);
    text_add_format(text, " %s", verdict_name(verdict));
    if (status != STATUS_TEXT_SUCCESS)
        add_status(text, status);
}

static void json_address(struct json *json, const char *name, const struct gatehouse_request *request,
                         const uint8_t address[16])
{
    struct text value = {0};

    show_address(&value, request->ip_version, address, request->interface_index);
    json_text(json, name, text_string(&value));
    text_free(&value);
}

static void json_name(struct json *json, const uint8_t *name, size_t size)
{
    struct text value = {0};

    text_add_bytes(&value, (const char *)name, size);
    json_text(json, "name", size == 0 ? NULL : text_string(&value));
    text_free(&value);
}

static void json_request(struct json *json, const struct request *request)
{
    const struct gatehouse_request *fixed = &request->fixed;
    struct text value = {0};

    json_identifier(json, "id", fixed->id);
    if ((fixed->flags & GATEHOUSE_REQUEST_NO_PROGRAM) != 0)
        json_text(json, "program", NULL);
    else
        json_path(json, "program", request->path, fixed->path_size);
    if ((fixed->flags & GATEHOUSE_REQUEST_NO_PROCESS) != 0)
        json_text(json, "pid", NULL);
    else
        json_number(json, "pid", fixed->process_id);
    json_identifier(json, "process_start", fixed->process_start);
    json_text(json, "user", users_name(fixed->user_sid, fixed->user_sid_size));
    show_sid(&value, fixed->user_sid, fixed->user_sid_size);
    json_text(json, "sid", text_string(&value));
    text_clear(&value);
    show_protocol(&value, fixed->protocol);
    json_text(json, "protocol", text_string(&value));
    text_free(&value);
    json_number(json, "protocol_number", fixed->protocol);
    json_number(json, "ip_version", fixed->ip_version);
    json_address(json, "local_address", fixed, fixed->local_address);
    json_number(json, "local_port", fixed->local_port);
    json_address(json, "remote_address", fixed, fixed->remote_address);
    json_number(json, "remote_port", fixed->remote_port);
    json_name(json, request->name, fixed->name_size);
    json_number(json, "interface", fixed->interface_index);
    json_number(json, "layer", fixed->layer);
    json_text(json, "way", show_is_inbound(fixed) ? "in" : "out");
    json_identifier(json, "endpoint", fixed->endpoint);
    json_number(json, "held_at", fixed->held_at);
    json_number(json, "deadline", fixed->deadline);
    json_bool(json, "loopback", (fixed->flags & GATEHOUSE_REQUEST_LOOPBACK) != 0);
    json_bool(json, "reoffered", (fixed->flags & GATEHOUSE_REQUEST_REOFFERED) != 0);
}

static void json_time(struct json *json, uint64_t time)
{
    struct text value = {0};

    show_time_utc(&value, time);
    json_text(json, "time", text_string(&value));
    text_free(&value);
}

void show_decision_json(struct text *text, uint64_t time, const struct request *request, uint32_t verdict,
                        uint32_t status)
{
    struct json json = {.text = text};

    json_open(&json, NULL);
    json_time(&json, time);
    json_text(&json, "verdict", verdict_name(verdict));
    json_number(&json, "status", status);
    json_request(&json, request);
    json_close(&json);
}

void show_event(struct text *text, uint64_t time, const struct event *event)
{
    show_time_of_day(text, time);
    text_add(text, " ");
    if (event->fixed.type == GATEHOUSE_EVENT_LOST) {
        text_add_format(text, "%llu events were lost: they came faster than they were read",
                        (unsigned long long)event->fixed.count);
        return;
    }
    show_who(text, &event->request);
    if (event->fixed.type == GATEHOUSE_EVENT_HELD)
        text_add(text, " held");
    else
        text_add_format(text, " %s %s", verdict_name(event->fixed.verdict), show_decided_by(event->fixed.by));
    if (event->fixed.by == GATEHOUSE_BY_RULE && event->fixed.count != 0) {
        text_add(text, " ");
        rule_index_show_id(text, event->fixed.count, 0);
    }
}

void show_event_json(struct text *text, uint64_t time, const struct event *event)
{
    static const char *const types[] = {"", "held", "decided", "lost"};
    struct json json = {.text = text};

    json_open(&json, NULL);
    json_time(&json, time);
    json_text(&json, "event", types[event->fixed.type & 3u]);
    if (event->fixed.type == GATEHOUSE_EVENT_LOST) {
        json_number(&json, "count", event->fixed.count);
    } else {
        json_text(&json, "verdict", verdict_name(event->fixed.verdict));
        json_text(&json, "by", by_name(event->fixed.by));
        if (event->fixed.by == GATEHOUSE_BY_RULE && event->fixed.count != 0) {
            struct text id = {0};

            rule_index_show_id(&id, event->fixed.count, 0);
            json_text(&json, "rule", text_string(&id));
            text_free(&id);
        }
        json_request(&json, &event->request);
    }
    json_close(&json);
}
