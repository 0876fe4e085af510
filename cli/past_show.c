/* SPDX-License-Identifier: MIT */
/*
 * past_show.c - one program in the history. See past_command.h.
 */
#include "cli/past_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/json.h"
#include "agent/port_name.h"
#include "agent/show.h"
#include "agent/table.h"
#include "cli/say.h"
#include "history/collect.h"
#include "history/show.h"

#define SHOW_ROWS     20u
#define PROGRAMS_MOST 10u
#define BARS          60u

struct shown {
    bool json;
    struct text lines, cell;
    struct table table;
    struct json object;
    enum history_group group;
};

/* The programs that fit, to be looked at one by one. */
struct programs {
    char *paths[PROGRAMS_MOST];
    struct history_sum sums[PROGRAMS_MOST];
    unsigned count;
    bool more, failed;
};

static bool take_program(void *context, const struct history_sum *sum)
{
    struct programs *programs = context;

    if (programs->count == PROGRAMS_MOST) {
        programs->more = true;
        return false;
    }
    programs->sums[programs->count] = *sum;
    programs->paths[programs->count] = sum->key ? strdup(sum->key) : NULL;
    programs->failed = programs->failed || (sum->key && !programs->paths[programs->count]);
    programs->count++;
    return !programs->failed;
}

/* --- The chart ------------------------------------------------------------------------------------------------- */

static bool has_blocks(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8") || strstr(value, "utf-8");
    }
    return false;
}

static void add_bars(struct text *text, const char *head, const uint64_t bars[BARS])
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const plain[] = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};
    const char *const *levels = has_blocks() ? blocks : plain;
    uint64_t most = 0, all = 0;

    for (unsigned i = 0; i < BARS; i++) {
        most = bars[i] > most ? bars[i] : most;
        all += bars[i];
    }
    if (!all)
        return;
    text_add_format(text, "  %-10s", head);
    for (unsigned i = 0; i < BARS; i++)
        text_add(text, levels[bars[i] ? 1 + bars[i] * 7 / most : 0]);
    text_add_format(text, "  %llu, at most %llu\n", (unsigned long long)all, (unsigned long long)most);
}

static void add_chart(struct shown *shown, const struct history_filter *filter, const uint64_t *permitted,
                      const uint64_t *blocked)
{
    struct text until = {0};
    size_t before = shown->lines.used;

    add_bars(&shown->lines, "permitted", permitted);
    add_bars(&shown->lines, "blocked", blocked);
    if (shown->lines.used == before)
        return;
    history_show_time(&shown->cell, filter->since);
    history_show_time(&until, filter->until);
    text_add_format(&shown->lines, "  %-10s%s%*s\n\n", "", text_string(&shown->cell), (int)(BARS - shown->cell.used),
                    text_string(&until));
    text_clear(&shown->cell);
    text_free(&until);
}

static void json_chart(struct shown *shown, const struct history_filter *filter, const uint64_t *permitted,
                       const uint64_t *blocked)
{
    json_open_list(&shown->object, "chart");
    for (unsigned i = 0; i < BARS; i++) {
        json_open(&shown->object, NULL);
        past_json_time(&shown->object, "from", filter->since + (filter->until - filter->since) / BARS * i);
        json_number(&shown->object, "permitted", permitted[i]);
        json_number(&shown->object, "blocked", blocked[i]);
        json_close(&shown->object);
    }
    json_close_list(&shown->object);
}

/* --- Tables ---------------------------------------------------------------------------------------------------- */

static const struct table_column destination_columns[] = {{"DESTINATION", false, 50}, {"LAST", false, 0},
                                                          {"PERMITTED", true, 0},     {"BLOCKED", true, 0},
                                                          {"OUT", true, 0},           {"IN", true, 0}};
static const struct table_column rule_columns[] = {
    {"DECIDED", false, 60}, {"PLACE", false, 40}, {"PERMITTED", true, 0}, {"BLOCKED", true, 0}, {"LAST", false, 0}};

static void add_number(struct shown *shown, uint64_t number)
{
    text_add_format(&shown->cell, "%llu", (unsigned long long)number);
    table_take(&shown->table, &shown->cell);
}

static void add_destination(struct shown *shown, const struct history_sum *sum)
{
    const char *service = sum->port ? port_name(sum->protocol, sum->port) : NULL;

    show_written(&shown->cell, sum->key ? sum->key : "", sum->key ? strlen(sum->key) : 0);
    if (sum->port)
        text_add_format(&shown->cell, " %s", service ? service : "port ");
    if (sum->port && !service)
        text_add_format(&shown->cell, "%u", (unsigned)sum->port);
    table_take(&shown->table, &shown->cell);
    history_show_time(&shown->cell, sum->last);
    table_take(&shown->table, &shown->cell);
    add_number(shown, sum->permitted);
    add_number(shown, sum->blocked);
    show_bytes(&shown->cell, sum->bytes_out);
    table_take(&shown->table, &shown->cell);
    show_bytes(&shown->cell, sum->bytes_in);
    table_take(&shown->table, &shown->cell);
}

static void add_rule(struct shown *shown, const struct history_sum *sum)
{
    if (sum->key)
        show_written(&shown->cell, sum->key, strlen(sum->key));
    else
        text_add(&shown->cell, show_decided_by(sum->by));
    table_take(&shown->table, &shown->cell);
    if (sum->place)
        show_written(&shown->cell, sum->place, strlen(sum->place));
    table_take(&shown->table, &shown->cell);
    add_number(shown, sum->permitted);
    add_number(shown, sum->blocked);
    history_show_time(&shown->cell, sum->last);
    table_take(&shown->table, &shown->cell);
}

static void json_sum(struct shown *shown, const struct history_sum *sum)
{
    struct json *json = &shown->object;

    json_open(json, NULL);
    if (shown->group == HISTORY_BY_RULE) {
        json_text(json, "by", history_by_name(sum->by));
        json_text(json, "rule", sum->key);
        json_text(json, "place", sum->place);
    } else {
        json_text(json, "destination", sum->key);
        json_number(json, "port", sum->port);
    }
    past_json_sum(json, sum);
    json_close(json);
}

static bool take_sum(void *context, const struct history_sum *sum)
{
    struct shown *shown = context;

    if (shown->json)
        json_sum(shown, sum);
    else if (shown->group == HISTORY_BY_RULE)
        add_rule(shown, sum);
    else
        add_destination(shown, sum);
    return true;
}

static enum agent_result add_sums(struct shown *shown, struct history *history, const struct history_filter *filter,
                                  enum history_group group, struct problem *problem)
{
    bool rules = group == HISTORY_BY_RULE;
    enum agent_result result;

    shown->group = group;
    table_begin(&shown->table, rules ? rule_columns : destination_columns,
                rules ? sizeof(rule_columns) / sizeof(rule_columns[0])
                      : sizeof(destination_columns) / sizeof(destination_columns[0]));
    if (shown->json)
        json_open_list(&shown->object, rules ? "decided" : "destinations");
    result = history_sum_up(history, filter, group, HISTORY_MOST_FIRST, filter->limit, take_sum, shown, problem);
    if (shown->json) {
        json_close_list(&shown->object);
    } else {
        table_show(&shown->table, &shown->lines);
        text_add(&shown->lines, "\n");
    }
    table_free(&shown->table);
    return result;
}

/* --- One program ----------------------------------------------------------------------------------------------- */

static void add_head(struct shown *shown, const char *path, const struct history_sum *sum)
{
    struct text *lines = &shown->lines;

    if (path)
        show_written_path(lines, path);
    else
        text_add(lines, "(unknown program)");
    text_add(lines, "\n  first seen ");
    history_show_time(lines, sum->first);
    text_add(lines, ", last ");
    history_show_time(lines, sum->last);
    text_add_format(lines, "\n  permitted %llu, blocked %llu; ", (unsigned long long)sum->permitted,
                    (unsigned long long)sum->blocked);
    show_bytes(lines, sum->bytes_out);
    text_add(lines, " out, ");
    show_bytes(lines, sum->bytes_in);
    text_add_format(lines, " in; %llu destination%s\n\n", (unsigned long long)sum->other, sum->other == 1 ? "" : "s");
}

static void json_head(struct shown *shown, const char *path, const struct history_sum *sum)
{
    struct json *json = &shown->object;

    *json = (struct json){.text = &shown->lines};
    json_open(json, NULL);
    json_text(json, "program", path);
    past_json_sum(json, sum);
    json_number(json, "destination_count", sum->other);
}

static enum agent_result show_one(struct shown *shown, struct history *history, const struct history_filter *filter,
                                  const char *path, const struct history_sum *sum, struct problem *problem)
{
    struct history_filter one = *filter;
    uint64_t permitted[BARS], blocked[BARS];
    enum agent_result result;

    one.program = path ? path : "";
    one.since = filter->since ? filter->since : sum->first;
    one.until = filter->until ? filter->until : sum->last + 1;
    if (one.until - one.since < BARS)
        one.until = one.since + BARS;
    if (shown->json)
        json_head(shown, path, sum);
    else
        add_head(shown, path, sum);
    result = history_chart(history, &one, permitted, blocked, BARS, problem);
    if (result == AGENT_OK && shown->json)
        json_chart(shown, &one, permitted, blocked);
    else if (result == AGENT_OK)
        add_chart(shown, &one, permitted, blocked);
    if (result == AGENT_OK)
        result = add_sums(shown, history, &one, HISTORY_BY_DESTINATION, problem);
    if (result == AGENT_OK)
        result = add_sums(shown, history, &one, HISTORY_BY_RULE, problem);
    if (shown->json) {
        json_close(&shown->object);
        text_add(&shown->lines, "\n");
    }
    return result;
}

static enum agent_result show_all(struct shown *shown, struct history *history, const struct history_filter *filter,
                                  struct problem *problem)
{
    struct programs programs = {0};
    enum agent_result result = history_sum_up(history, filter, HISTORY_BY_PROGRAM, HISTORY_LATEST_FIRST,
                                              PROGRAMS_MOST + 1, take_program, &programs, problem);

    if (result == AGENT_OK && programs.failed)
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    for (unsigned i = 0; i < programs.count && result == AGENT_OK; i++)
        result = show_one(shown, history, filter, programs.paths[i], &programs.sums[i], problem);
    if (result == AGENT_OK && programs.more)
        say("more programs fit: 'gatehouse apps --program' lists all.");
    for (unsigned i = 0; i < programs.count; i++)
        free(programs.paths[i]);
    return result;
}

enum agent_result past_show(const struct options *options, struct problem *problem)
{
    struct shown shown = {.json = options->json};
    struct history_filter filter;
    struct history *history = NULL;
    enum agent_result result = past_filter(options, SHOW_ROWS, &filter, problem);

    if (result == AGENT_OK && options->word_count != 1)
        result = problem_set(problem, AGENT_USAGE, "'gatehouse show' takes one program: see 'gatehouse show --help'.");
    if (result == AGENT_OK) {
        filter.program = options->words[0];
        result = past_open(options, &history, problem);
    }
    if (result == AGENT_OK)
        result = show_all(&shown, history, &filter, problem);
    history_close(history);
    if (result == AGENT_OK && !shown.lines.used)
        result = past_nothing(options, problem);
    if (result == AGENT_OK)
        result = say_output(&shown.lines, problem);
    text_free(&shown.lines);
    text_free(&shown.cell);
    return result;
}
