/* SPDX-License-Identifier: MIT */
/*
 * show_status.c - the driver's status and policy, as a table and as JSON. See show.h.
 */
#include "agent/show.h"

#include <stddef.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/json.h"
#include "words.h"

/* A counter: where it lies, its JSON name (the field's), and its words in the table. */
struct counter {
    size_t offset;
    const char *name;
    const char *words;
};

#define COUNTER(field, words)                                                                                          \
    {                                                                                                                  \
        offsetof(struct gatehouse_status, field), #field, words                                                        \
    }
#define PLATFORM(field, words)                                                                                         \
    {                                                                                                                  \
        offsetof(struct gatehouse_platform_status, field), #field, words                                               \
    }

static const struct counter counters[] = {
    COUNTER(classified, "connections seen by the driver"),
    COUNTER(pended, "held"),
    COUNTER(permitted_by_decider, "permitted by the decider"),
    COUNTER(blocked_by_decider, "blocked by the decider"),
    COUNTER(permitted_by_answer, "permitted by a remembered answer"),
    COUNTER(blocked_by_answer, "blocked by a remembered answer"),
    COUNTER(expired, "undecided at their deadline"),
    COUNTER(cancelled, "given up by their program"),
    COUNTER(refused_full, "not held: too many held"),
    COUNTER(refused_memory, "not held: out of memory"),
    COUNTER(refused_no_decider, "not held: nobody decides"),
    COUNTER(cannot_pend, "not held: cannot be"),
    COUNTER(reauthorized, "reauthorized later"),
    COUNTER(requeued, "given back by a decider"),
    COUNTER(rejected_input, "operations refused"),
    COUNTER(events_lost, "events lost"),
};

static const struct counter platform_counters[] = {
    PLATFORM(packets_seen, "packets seen"),
    PLATFORM(packets_damaged, "packets refused: damaged"),
    PLATFORM(packets_unknown, "packets without an owner"),
    PLATFORM(datagrams_blocked, "datagrams dropped: blocked"),
    PLATFORM(datagrams_overflow, "datagrams dropped: too many held"),
    PLATFORM(queue_dropped, "packets dropped: queue full"),
    PLATFORM(queue_user_dropped, "packets dropped: socket full"),
    PLATFORM(flows, "live flows"),
    PLATFORM(events_lost, "kernel events lost"),
};

static uint64_t counter_value(const void *structure, const struct counter *counter)
{
    uint64_t value;

    memcpy(&value, (const uint8_t *)structure + counter->offset, sizeof(value));
    return value;
}

static const char *undecided_name(uint32_t undecided)
{
    if (undecided == GATEHOUSE_VERDICT_PERMIT)
        return "permit";
    return undecided == GATEHOUSE_VERDICT_BLOCK ? "block" : "unknown";
}

static const char *no_decider_name(uint32_t no_decider)
{
    static const char *const names[] = {"hold", "permit", "block"};

    return no_decider < 3 ? names[no_decider] : "unknown";
}

static void row_text(struct text *text, const char *words, const char *value)
{
    text_add_format(text, "  %-34s %12s\n", words, value);
}

static void row(struct text *text, const char *words, uint64_t value)
{
    text_add_format(text, "  %-34s %12llu\n", words, (unsigned long long)value);
}

/* Of a column of 25 counters most are 0, and hide those that are not. Returns how many were left out. */
static unsigned rows(struct text *text, const void *structure, const struct counter *counters_of, size_t count)
{
    unsigned zeros = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t value = counter_value(structure, &counters_of[i]);

        if (value == 0)
            zeros++;
        else
            row(text, counters_of[i].words, value);
    }
    return zeros;
}

static void show_now(struct text *text, const struct gatehouse_status *status)
{
    struct text value = {0};

    if (status->decider_pid != 0)
        text_add_format(&value, "pid %llu", (unsigned long long)status->decider_pid);
    row_text(text, "who decides", status->decider_pid == 0 ? "nobody" : text_string(&value));
    row(text, "observers", status->observers);
    text_clear(&value);
    show_duration(&value, status->now - status->loaded_at);
    row_text(text, "driver loaded for", text_string(&value));
    text_free(&value);
}

void show_policy(struct text *text, const struct gatehouse_policy *policy)
{
    text_add_format(text, "  %-34s %8u.%03u s\n", "deadline of a held connection", (unsigned)policy->deadline_ms / 1000,
                    (unsigned)policy->deadline_ms % 1000);
    row_text(text, "undecided at its deadline", undecided_name(policy->undecided));
    row_text(text, "while nobody decides", no_decider_name(policy->no_decider));
}

void show_status(struct text *text, const struct show_state *state)
{
    const struct gatehouse_status *status = &state->driver;
    const struct gatehouse_platform_status *platform = state->has_platform ? &state->platform : NULL;
    unsigned zeros;

    text_add(text, "policy\n");
    show_policy(text, &status->policy);
    text_add(text, "now\n");
    show_now(text, status);
    row(text, "held", status->held);
    row(text, "  of these waiting for a decider", status->queued);
    row(text, "  of these in a decider's hands", status->offered);
    row(text, "most that can be held", status->capacity);
    if (state->has_rules) {
        row(text, "rules of the file", state->file_rules);
        row(text, "rules added, and answers", state->added_rules);
        row(text, "generation of the rules", state->generation);
    }
    row(text, "answers remembered", status->answers);
    row(text, "verdicts kept for flows", status->verdicts);
    if (platform != NULL)
        row(text, "packets held", platform->packets_held);
    text_add(text, "since the driver was loaded\n");
    zeros = rows(text, status, counters, sizeof(counters) / sizeof(counters[0]));
    if (platform != NULL) {
        text_add(text, "since " WORDS_PEER " was started\n");
        zeros += rows(text, platform, platform_counters, sizeof(platform_counters) / sizeof(platform_counters[0]));
    }
    if (zeros != 0)
        text_add_format(text, "(%u more are 0; --json has them)\n", zeros);
}

static void json_policy(struct json *json, const char *name, const struct gatehouse_policy *policy)
{
    json_open(json, name);
    json_number(json, "version", policy->version);
    json_number(json, "deadline_ms", policy->deadline_ms);
    json_text(json, "undecided", undecided_name(policy->undecided));
    json_text(json, "no_decider", no_decider_name(policy->no_decider));
    json_close(json);
}

void show_policy_json(struct text *text, const struct gatehouse_policy *policy)
{
    struct json json = {.text = text};

    json_policy(&json, NULL, policy);
}

void show_status_json(struct text *text, const struct show_state *state)
{
    const struct gatehouse_status *status = &state->driver;
    const struct gatehouse_platform_status *platform = state->has_platform ? &state->platform : NULL;
    struct json json = {.text = text};

    json_open(&json, NULL);
    json_number(&json, "version", status->version);
    json_policy(&json, "policy", &status->policy);
    json_number(&json, "now", status->now);
    json_number(&json, "loaded_at", status->loaded_at);
    json_number(&json, "decider_pid", status->decider_pid);
    json_number(&json, "observers", status->observers);
    json_number(&json, "capacity", status->capacity);
    json_number(&json, "held", status->held);
    json_number(&json, "queued", status->queued);
    json_number(&json, "offered", status->offered);
    json_number(&json, "answers", status->answers);
    json_number(&json, "verdicts", status->verdicts);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        json_number(&json, counters[i].name, counter_value(status, &counters[i]));
    if (state->has_rules) {
        json_open(&json, "rules");
        json_number(&json, "file", state->file_rules);
        json_number(&json, "added", state->added_rules);
        json_number(&json, "generation", state->generation);
        json_close(&json);
    }
    if (platform != NULL) {
        json_open(&json, "platform");
        json_number(&json, "packets_held", platform->packets_held);
        for (size_t i = 0; i < sizeof(platform_counters) / sizeof(platform_counters[0]); i++)
            json_number(&json, platform_counters[i].name, counter_value(platform, &platform_counters[i]));
        json_close(&json);
    }
    json_close(&json);
}
