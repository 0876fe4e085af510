/* SPDX-License-Identifier: MIT */
/*
 * show.c - see show.h.
 */
#include "history/show.h"

#include <string.h>

#include <gatehouse/protocol.h>

#include "agent/clock.h"
#include "agent/port_name.h"
#include "agent/rule_index.h"
#include "agent/show.h"
#include "agent/users.h"

#define EPOCH_1970 UINT64_C(116444736000000000) /* 100 ns since 1601 */

static const char *const verdicts[] = {"none", "permit", "block"};
static const char *const bys[] = {"none", "decider", "answer", "deadline",    "no-decider",
                                  "full", "cancel",  "unload", "cannot-pend", "rule"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

const char *history_verdict_name(unsigned verdict)
{
    return verdict < COUNT(verdicts) ? verdicts[verdict] : "unknown";
}

const char *history_by_name(unsigned by)
{
    return by < COUNT(bys) ? bys[by] : "unknown";
}

static bool read_name(const char *name, const char *const *names, size_t count, uint8_t *number)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *number = (uint8_t)i;
        return true;
    }
    return false;
}

bool history_read_verdict(const char *name, uint8_t *verdict)
{
    return read_name(name, verdicts, COUNT(verdicts), verdict);
}

bool history_read_by(const char *name, uint8_t *by)
{
    return read_name(name, bys, COUNT(bys), by);
}

static uint64_t wall_of(int64_t time)
{
    return (uint64_t)time * 10 + EPOCH_1970;
}

void history_show_time(struct text *text, int64_t time)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct clock_date date = clock_date_local(wall_of(time));

    text_add_format(text, "%s %2d %02d:%02d:%02d", months[(date.month + 11) % 12], date.day, date.hour, date.minute,
                    date.second);
}

void history_show_time_utc(struct text *text, int64_t time)
{
    struct clock_date date = clock_date_utc(wall_of(time));

    text_add_format(text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", date.year, date.month, date.day, date.hour,
                    date.minute, date.second, (int)(time % 1000000));
}

void history_show_user(struct text *text, uint32_t user)
{
    /* S-1-22-1-N (users.h) */
    uint8_t sid[16] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0};
    const char *name;

    if (user == UINT32_MAX)
        return;
    memcpy(sid + 12, &user, sizeof(user));
    name = users_name(sid, sizeof(sid));
    if (name)
        show_written(text, name, strlen(name));
    else
        text_add_format(text, "%u", (unsigned)user);
}

static void show_far(struct text *text, const struct history_record *record)
{
    show_end(text, record->ip_version, record->protocol, record->remote_address, record->remote_port, 0);
}

void history_show_far_end(struct text *text, const struct history_record *record)
{
    if (!record->name) {
        show_far(text, record);
        return;
    }
    show_written(text, record->name, strlen(record->name));
    if (record->remote_port)
        text_add_format(text, ":%u", (unsigned)record->remote_port);
    text_add(text, " (");
    show_address(text, record->ip_version, record->remote_address, 0);
    text_add(text, ")");
}

static void add_who(struct text *text, const struct history_record *record)
{
    switch (record->by) {
    case GATEHOUSE_BY_NONE:
        text_add(text, record->verdict == GATEHOUSE_VERDICT_BLOCK ? " by a filter" : "");
        return;
    case GATEHOUSE_BY_RULE:
        text_add(text, " by rule");
        if (record->place) {
            text_add(text, " ");
            show_written(text, record->place, strlen(record->place));
        }
        return;
    case GATEHOUSE_BY_DECIDER:
        text_add(text, " by ");
        show_written(text, record->who ? record->who : "the decider",
                     strlen(record->who ? record->who : "the decider"));
        return;
    default:
        text_add(text, " ");
        text_add(text, show_decided_by(record->by));
    }
}

void history_show_line(struct text *text, const struct history_record *record)
{
    history_show_time(text, record->began);
    text_add(text, " ");
    history_show_what(text, record);
}

void history_show_what(struct text *text, const struct history_record *record)
{
    text_add_format(text, "%-6s ", record->verdict ? history_verdict_name(record->verdict) : "-");
    if (record->program)
        show_written_path(text, record->program);
    else
        text_add(text, "(unknown program)");
    if (record->pid)
        text_add_format(text, " pid %llu", (unsigned long long)record->pid);
    if (record->user != UINT32_MAX) {
        text_add(text, " user ");
        history_show_user(text, record->user);
    }
    text_add(text, record->inbound ? " in " : " ");
    show_protocol(text, record->protocol);
    text_add(text, record->inbound ? " from " : " ");
    history_show_far_end(text, record);
    add_who(text, record);
    if (record->count > 1)
        text_add_format(text, ", %u times", (unsigned)record->count);
    if (!record->counted)
        return;
    text_add(text, ", ");
    show_bytes(text, record->bytes_out);
    text_add(text, " out, ");
    show_bytes(text, record->bytes_in);
    text_add(text, " in");
}

/* --- JSON ---------------------------------------------------------------------------------------------------- */

static void json_when(struct json *json, const char *name, int64_t time)
{
    struct text value = {0};

    if (time)
        history_show_time_utc(&value, time);
    json_text(json, name, time ? text_string(&value) : NULL);
    text_free(&value);
}

static void json_address(struct json *json, const char *name, const struct history_record *record,
                         const uint8_t address[16])
{
    struct text value = {0};

    show_address(&value, record->ip_version, address, 0);
    json_text(json, name, text_string(&value));
    text_free(&value);
}

static void json_user(struct json *json, const struct history_record *record)
{
    struct text value = {0};

    history_show_user(&value, record->user);
    json_text(json, "user", record->user == UINT32_MAX ? NULL : text_string(&value));
    if (record->user != UINT32_MAX)
        json_number(json, "uid", record->user);
    text_free(&value);
}

static void json_counts(struct json *json, const struct history_record *record)
{
    if (record->counted) {
        json_number(json, "bytes_out", record->bytes_out);
        json_number(json, "bytes_in", record->bytes_in);
    } else {
        json_text(json, "bytes_out", NULL);
        json_text(json, "bytes_in", NULL);
    }
    json_number(json, "count", record->count ? record->count : 1);
}

static void json_rule(struct json *json, const struct history_record *record)
{
    struct text value = {0};

    json_text(json, "by", history_by_name(record->by));
    json_text(json, "who", record->who);
    rule_index_show_id(&value, record->rule_id, 0);
    json_text(json, "rule", record->rule);
    json_text(json, "place", record->place);
    json_text(json, "rule_id", record->rule_id ? text_string(&value) : NULL);
    text_free(&value);
}

/* "port" is the one that has a service behind it: of the other end, or with what comes in the program's own. */
static void json_ends(struct json *json, const struct history_record *record, struct text *value)
{
    uint16_t port = record->inbound ? record->local_port : record->remote_port;

    json_address(json, "address", record, record->remote_address);
    json_number(json, "port", port);
    json_text(json, "service", port ? port_name(record->protocol, port) : NULL);
    json_text(json, "name", record->name);
    json_number(json, "remote_port", record->remote_port);
    json_address(json, "local_address", record, record->local_address);
    json_number(json, "local_port", record->local_port);
    text_clear(value);
    show_end(value, record->ip_version, record->protocol, record->local_address, record->local_port, 0);
    json_text(json, "local", text_string(value));
}

void history_json_members(struct json *json, int64_t id, const struct history_record *record)
{
    struct text value = {0};

    if (id)
        json_identifier(json, "id", (uint64_t)id);
    json_when(json, "time", record->decided ? record->decided : record->began);
    json_when(json, "began", record->began);
    json_when(json, "decided", record->decided);
    json_when(json, "ended", record->ended);
    json_text(json, "verdict", history_verdict_name(record->verdict));
    json_rule(json, record);
    json_text(json, "program", record->program);
    json_number(json, "pid", record->pid);
    json_user(json, record);
    json_text(json, "direction", record->inbound ? "in" : "out");
    show_protocol(&value, record->protocol);
    json_text(json, "protocol", text_string(&value));
    json_number(json, "protocol_number", record->protocol);
    json_number(json, "ip_version", record->ip_version);
    json_ends(json, record, &value);
    json_counts(json, record);
    text_free(&value);
}

void history_show_json(struct text *text, int64_t id, const struct history_record *record)
{
    struct json json = {.text = text};

    json_open(&json, NULL);
    history_json_members(&json, id, record);
    json_close(&json);
}

/* --- CSV ----------------------------------------------------------------------------------------------------- */

const char history_csv_head[] =
    "id,began,decided,ended,verdict,by,who,rule,place,program,pid,user,direction,protocol,address,port,name,"
    "local_address,local_port,bytes_out,bytes_in,count";

static void csv_text(struct text *text, const char *value)
{
    text_add(text, ",\"");
    if (value && strchr("=+-@\t\r", *value) && *value)
        text_add(text, "'");
    for (; value && *value; value++) {
        if (*value == '"')
            text_add(text, "\"");
        text_add_bytes(text, value, 1);
    }
    text_add(text, "\"");
}

static void csv_take(struct text *text, struct text *value)
{
    csv_text(text, text_string(value));
    text_clear(value);
}

/* What a terminal or a sheet would act on is written as on the screen; JSON has it exactly. */
static void csv_written(struct text *text, const char *value, struct text *written)
{
    if (value)
        show_written(written, value, strlen(value));
    csv_take(text, written);
}

static void csv_when(struct text *text, int64_t time)
{
    text_add(text, ",");
    if (time)
        history_show_time_utc(text, time);
}

static void csv_ends(struct text *text, const struct history_record *record, struct text *value)
{
    show_address(value, record->ip_version, record->remote_address, 0);
    csv_take(text, value);
    text_add_format(text, ",%u", (unsigned)record->remote_port);
    csv_written(text, record->name, value);
    show_address(value, record->ip_version, record->local_address, 0);
    csv_take(text, value);
    text_add_format(text, ",%u", (unsigned)record->local_port);
}

void history_show_csv(struct text *text, int64_t id, const struct history_record *record)
{
    struct text value = {0};

    text_add_format(text, "%lld", (long long)id);
    csv_when(text, record->began);
    csv_when(text, record->decided);
    csv_when(text, record->ended);
    text_add_format(text, ",%s,%s", history_verdict_name(record->verdict), history_by_name(record->by));
    csv_written(text, record->who, &value);
    csv_written(text, record->rule, &value);
    csv_written(text, record->place, &value);
    if (record->program)
        show_written_path(&value, record->program);
    csv_take(text, &value);
    text_add_format(text, ",%llu", (unsigned long long)record->pid);
    history_show_user(&value, record->user);
    csv_take(text, &value);
    show_protocol(&value, record->protocol);
    text_add_format(text, ",%s,%s", record->inbound ? "in" : "out", text_string(&value));
    text_clear(&value);
    csv_ends(text, record, &value);
    if (record->counted)
        text_add_format(text, ",%llu,%llu", (unsigned long long)record->bytes_out,
                        (unsigned long long)record->bytes_in);
    else
        text_add(text, ",,");
    text_add_format(text, ",%u", (unsigned)(record->count ? record->count : 1));
    text_free(&value);
}
