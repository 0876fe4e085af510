/* SPDX-License-Identifier: MIT */
/*
 * report_sarif.c - see report_sarif.h.
 *
 * A result's location is the driver's place; where it began and where held locks were taken are related locations;
 * both stacks are stacks; the connection's history is a thread flow whose last step is the place. The fingerprint
 * is of what a person means by "the same finding" (rule, routine, function), so it outlives changes of lines.
 */
#include "lab/report_sarif.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define SCHEMA "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

static void put_message(struct lab_json *json, const char *name, const char *text)
{
    lab_json_object(json, name);
    lab_json_string(json, "text", text);
    lab_json_object_end(json);
}

/* A URI reference: what may not stand in a path is written as %XX. */
static void put_uri(struct lab_json *json, const char *path)
{
    char uri[3 * 256 + 8];
    size_t used = 0;
    if (path[0] == '/')
        used = (size_t)snprintf(uri, sizeof uri, "file://");
    for (; *path != '\0' && used + 4 < sizeof uri; path++) {
        unsigned char byte = (unsigned char)*path;
        if (byte > ' ' && byte < 0x7f && strchr("\"#%<>?[\\]^`{|}", byte) == NULL)
            uri[used++] = (char)byte;
        else
            used += (size_t)snprintf(uri + used, sizeof uri - used, "%%%02X", byte);
    }
    uri[used] = '\0';
    lab_json_string(json, "uri", uri);
}

static void put_physical(struct lab_json *json, const struct lab_frame *frame)
{
    bool source = frame->file[0] != '\0' && frame->line != 0;
    lab_json_object(json, "physicalLocation");
    lab_json_object(json, "artifactLocation");
    put_uri(json, source ? frame->file : frame->module[0] != '\0' ? frame->module : "unknown");
    lab_json_object_end(json);
    lab_json_object(json, "region");
    if (source) {
        lab_json_number(json, "startLine", frame->line);
    } else {
        lab_json_number(json, "byteOffset", frame->offset);
        lab_json_number(json, "byteLength", 0);
    }
    lab_json_object_end(json);
    lab_json_object_end(json);
}

/* frame NULL: a location that only has a message. number: of a related location, from 1; 0: it has none. */
static void put_location(struct lab_json *json, const char *name, const struct lab_frame *frame, const char *message,
                         unsigned number)
{
    lab_json_object(json, name);
    if (number != 0)
        lab_json_number(json, "id", number);
    if (frame != NULL) {
        put_physical(json, frame);
        if (frame->function[0] != '\0') {
            lab_json_array(json, "logicalLocations");
            lab_json_object(json, NULL);
            lab_json_string(json, "fullyQualifiedName", frame->function);
            lab_json_string(json, "kind", "function");
            lab_json_object_end(json);
            lab_json_array_end(json);
        }
    }
    if (message != NULL)
        put_message(json, "message", message);
    lab_json_object_end(json);
}

static void put_rule(struct lab_json *json, const struct nt_rule *rule)
{
    lab_json_object(json, NULL);
    lab_json_string(json, "id", rule->id);
    put_message(json, "shortDescription", rule->rule);
    put_message(json, "fullDescription", rule->rule);
    put_message(json, "help", rule->advice);
    lab_json_object(json, "defaultConfiguration");
    lab_json_string(json, "level", nt_severity_name(rule->severity));
    lab_json_object_end(json);
    lab_json_object(json, "properties");
    lab_json_string(json, "page", rule->page);
    lab_json_object_end(json);
    lab_json_object_end(json);
}

void lab_sarif_start(struct lab_sarif *sarif, FILE *out, const char *version, uint64_t origin)
{
    struct lab_json *json = &sarif->json;
    const struct nt_rule *rule;
    sarif->origin = origin;
    lab_json_start(json, out, true);
    lab_json_object(json, NULL);
    lab_json_string(json, "$schema", SCHEMA);
    lab_json_string(json, "version", "2.1.0");
    lab_json_array(json, "runs");
    lab_json_object(json, NULL);
    lab_json_object(json, "tool");
    lab_json_object(json, "driver");
    lab_json_string(json, "name", "wfplab");
    lab_json_string(json, "version", version);
    lab_json_array(json, "rules");
    for (size_t index = 0; (rule = nt_rule_at(index)) != NULL; index++)
        put_rule(json, rule);
    lab_json_array_end(json);
    lab_json_object_end(json);
    lab_json_object_end(json);
    lab_json_string(json, "columnKind", "unicodeCodePoints");
    lab_json_array(json, "results");
}

/* The index of a row of the table; -1: the rule has none. */
static ptrdiff_t rule_index(const struct nt_rule *wanted)
{
    const struct nt_rule *rule;
    for (size_t index = 0; (rule = nt_rule_at(index)) != NULL; index++)
        if (rule == wanted)
            return (ptrdiff_t)index;
    return -1;
}

static void put_related(struct lab_json *json, const struct lab_report *named)
{
    const struct lab_frame *began = lab_symbols_blame(&named->began, "");
    unsigned number = 0;
    lab_json_array(json, "relatedLocations");
    if (began != NULL)
        put_location(json, NULL, began, nt_beginning_name(named->report.began_what), ++number);
    for (uint32_t index = 0; index < named->report.held; index++) {
        const struct lab_frame *taken = lab_symbols_blame(&named->taken[index], "");
        if (taken != NULL)
            put_location(json, NULL, taken, "a lock that is held was taken", ++number);
    }
    lab_json_array_end(json);
}

static void put_stack(struct lab_json *json, const char *message, const struct lab_frames *frames)
{
    if (frames->count == 0)
        return;
    lab_json_object(json, NULL);
    put_message(json, "message", message);
    lab_json_array(json, "frames");
    for (size_t index = 0; index < frames->count; index++) {
        lab_json_object(json, NULL);
        put_location(json, "location", &frames->frames[index], NULL, 0);
        if (frames->frames[index].module[0] != '\0')
            lab_json_string(json, "module", frames->frames[index].module);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
    lab_json_object_end(json);
}

static void put_flow(struct lab_json *json, const struct lab_report *named, uint64_t origin)
{
    const struct nt_report *report = &named->report;
    char text[192], time[32];
    if (report->event_count == 0)
        return;
    lab_json_array(json, "codeFlows");
    lab_json_object(json, NULL);
    lab_json_array(json, "threadFlows");
    lab_json_object(json, NULL);
    lab_json_array(json, "locations");
    for (size_t index = 0; index <= report->event_count; index++) {
        const struct nt_event *event = &report->events[index < report->event_count ? index : 0];
        bool last = index == report->event_count;
        snprintf(text, sizeof text, "%s s %s%s%s", lab_time_text(last ? report->time : event->time, origin, time),
                 last ? "" : event->fiber, !last && event->fiber[0] != '\0' ? ": " : "",
                 last ? "the rule is broken" : event->text);
        lab_json_object(json, NULL);
        put_location(json, "location", last ? named->place : NULL, text, 0);
        lab_json_number(json, "executionOrder", index + 1);
        lab_json_object_end(json);
    }
    lab_json_array_end(json);
    lab_json_object_end(json);
    lab_json_array_end(json);
    lab_json_object_end(json);
    lab_json_array_end(json);
}

static void put_fingerprint(struct lab_json *json, const struct lab_report *named)
{
    char text[256];
    snprintf(text, sizeof text, "%s/%s/%s", named->report.rule->id, named->report.routine,
             named->place != NULL ? named->place->function : "");
    lab_json_object(json, "partialFingerprints");
    lab_json_string(json, "ruleRoutineFunction/v1", text);
    lab_json_object_end(json);
}

static void put_result_message(struct lab_json *json, const struct nt_report *report)
{
    char text[1536];
    snprintf(text, sizeof text, "%s at %s: %s %s %s", report->routine, lab_irql_name(report->irql), report->detail,
             report->rule->rule, report->rule->advice);
    put_message(json, "message", text);
}

void lab_sarif_report(struct lab_sarif *sarif, const struct lab_report *named)
{
    struct lab_json *json = &sarif->json;
    const struct nt_report *report = &named->report;
    ptrdiff_t index = rule_index(report->rule);
    lab_json_object(json, NULL);
    lab_json_string(json, "ruleId", report->rule->id);
    if (index >= 0)
        lab_json_number(json, "ruleIndex", (uint64_t)index);
    lab_json_string(json, "level", nt_severity_name(report->rule->severity));
    put_result_message(json, report);
    lab_json_array(json, "locations");
    if (named->place != NULL)
        put_location(json, NULL, named->place, NULL, 0);
    lab_json_array_end(json);
    put_related(json, named);
    lab_json_array(json, "stacks");
    put_stack(json, "where the rule broke", &named->broke);
    put_stack(json, nt_beginning_name(report->began_what), &named->began);
    lab_json_array_end(json);
    put_flow(json, named, sarif->origin);
    put_fingerprint(json, named);
    lab_json_number(json, "occurrenceCount", named->count != 0 ? named->count : 1);
    lab_json_object_end(json);
}

void lab_sarif_end(struct lab_sarif *sarif)
{
    struct lab_json *json = &sarif->json;
    lab_json_array_end(json);
    lab_json_object_end(json);
    lab_json_array_end(json);
    lab_json_object_end(json);
    fputc('\n', json->out);
}
