/* SPDX-License-Identifier: MIT */
/*
 * report_json.c - see report_json.h. When you add a member, add it to docs/verifier-reports.md.
 */
#include "lab/report_json.h"

#include "lab/json.h"

static void put_frame(struct lab_json *json, const char *name, const struct lab_frame *frame)
{
    lab_json_object(json, name);
    lab_json_string(json, "function", frame->function[0] != '\0' ? frame->function : NULL);
    lab_json_string(json, "file", frame->file[0] != '\0' ? frame->file : NULL);
    if (frame->line != 0)
        lab_json_number(json, "line", frame->line);
    else
        lab_json_null(json, "line");
    lab_json_string(json, "module", frame->module[0] != '\0' ? frame->module : NULL);
    lab_json_number(json, "offset", frame->offset);
    lab_json_boolean(json, "inlined", frame->inlined);
    lab_json_boolean(json, "driver", frame->driver);
    lab_json_object_end(json);
}

static void put_stack(struct lab_json *json, const char *name, const struct lab_frames *frames)
{
    lab_json_array(json, name);
    for (size_t index = 0; index < frames->count; index++)
        put_frame(json, NULL, &frames->frames[index]);
    lab_json_array_end(json);
}

static void put_rule(struct lab_json *json, const struct nt_rule *rule)
{
    lab_json_string(json, "rule", rule->id);
    lab_json_string(json, "severity", nt_severity_name(rule->severity));
    lab_json_string(json, "statement", rule->rule);
    lab_json_string(json, "advice", rule->advice);
    lab_json_string(json, "page", rule->page);
}

static void put_began(struct lab_json *json, const struct lab_report *named)
{
    if (named->report.began_what == NT_BEGAN_NOTHING) {
        lab_json_null(json, "began");
        return;
    }
    lab_json_object(json, "began");
    lab_json_string(json, "what", nt_beginning_name(named->report.began_what));
    put_stack(json, "stack", &named->began);
    lab_json_object_end(json);
}

static void put_locks(struct lab_json *json, const struct lab_report *named)
{
    lab_json_array(json, "locks");
    for (uint32_t index = 0; index < named->report.held; index++) {
        lab_json_object(json, NULL);
        put_stack(json, "taken", &named->taken[index]);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
}

static void put_history(struct lab_json *json, const struct nt_report *report, uint64_t origin)
{
    char time[32];
    lab_json_array(json, "history");
    for (size_t index = 0; index < report->event_count; index++) {
        const struct nt_event *event = &report->events[index];
        lab_json_object(json, NULL);
        lab_json_string(json, "time", lab_time_text(event->time, origin, time));
        lab_json_string(json, "thread", event->fiber[0] != '\0' ? event->fiber : NULL);
        lab_json_string(json, "text", event->text);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
}

void lab_report_json(FILE *out, const struct lab_report *named, uint64_t origin)
{
    const struct nt_report *report = &named->report;
    struct lab_json json;
    char time[32];
    lab_json_start(&json, out, false);
    lab_json_object(&json, NULL);
    lab_json_string(&json, "schema", LAB_REPORT_SCHEMA);
    put_rule(&json, report->rule);
    lab_json_string(&json, "routine", report->routine);
    lab_json_string(&json, "detail", report->detail);
    lab_json_number(&json, "irql", report->irql);
    lab_json_string(&json, "thread", report->fiber);
    lab_json_string(&json, "time", lab_time_text(report->time, origin, time));
    lab_json_number(&json, "count", named->count);
    if (named->place != NULL)
        put_frame(&json, "place", named->place);
    else
        lab_json_null(&json, "place");
    put_stack(&json, "broke", &named->broke);
    put_began(&json, named);
    put_locks(&json, named);
    if (report->connection != 0)
        lab_json_number(&json, "connection", report->connection);
    else
        lab_json_null(&json, "connection");
    put_history(&json, report, origin);
    lab_json_object_end(&json);
    fputc('\n', out);
}
