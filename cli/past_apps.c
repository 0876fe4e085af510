/* SPDX-License-Identifier: MIT */
/*
 * past_apps.c - apps and top: sums as tables. See past_command.h.
 */
#include "cli/past_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <gatehouse/protocol.h>

#include "agent/clock.h"
#include "agent/json.h"
#include "agent/show.h"
#include "agent/stop.h"
#include "agent/table.h"
#include "agent/terminal.h"
#include "cli/say.h"
#include "history/collect.h"
#include "history/follow.h"
#include "history/show.h"

#define TOP_ROWS     10u
#define TOP_EACH_MS  1000
#define TOP_SINCE    (INT64_C(3600) * 1000000)
#define CLEAR_SCREEN "\033[H\033[2J"

struct sums {
    bool json, destinations, first_seen;
    struct table table;
    struct text cell, lines;
    unsigned rows;
};

static const struct table_column app_columns[] = {{"PROGRAM", false, 60}, {"FIRST SEEN", false, 0}, {"LAST", false, 0},
                                                  {"PERMITTED", true, 0}, {"BLOCKED", true, 0},     {"OUT", true, 0},
                                                  {"IN", true, 0},        {"DESTINATIONS", true, 0}};
static const struct table_column top_programs[] = {{"PROGRAM", false, 60},   {"LAST", false, 0}, {"PERMITTED", true, 0},
                                                   {"BLOCKED", true, 0},     {"OUT", true, 0},   {"IN", true, 0},
                                                   {"DESTINATIONS", true, 0}};
static const struct table_column top_destinations[] = {
    {"DESTINATION", false, 60}, {"LAST", false, 0}, {"PERMITTED", true, 0}, {"BLOCKED", true, 0},
    {"OUT", true, 0},           {"IN", true, 0},    {"PROGRAMS", true, 0}};

static void add_number(struct sums *sums, uint64_t number)
{
    text_add_format(&sums->cell, "%llu", (unsigned long long)number);
    table_take(&sums->table, &sums->cell);
}

static void add_bytes(struct sums *sums, uint64_t bytes)
{
    show_bytes(&sums->cell, bytes);
    table_take(&sums->table, &sums->cell);
}

static void add_time(struct sums *sums, int64_t time)
{
    history_show_time(&sums->cell, time);
    table_take(&sums->table, &sums->cell);
}

static void show_row(struct sums *sums, const struct history_sum *sum)
{
    if (!sum->key)
        text_add(&sums->cell, "(unknown program)");
    else if (sums->destinations)
        show_written(&sums->cell, sum->key, strlen(sum->key));
    else
        show_written_path(&sums->cell, sum->key);
    table_take(&sums->table, &sums->cell);
    if (sums->first_seen)
        add_time(sums, sum->first);
    add_time(sums, sum->last);
    add_number(sums, sum->permitted);
    add_number(sums, sum->blocked);
    add_bytes(sums, sum->bytes_out);
    add_bytes(sums, sum->bytes_in);
    add_number(sums, sum->other);
}

static void show_json(struct sums *sums, const struct history_sum *sum)
{
    struct json json = {.text = &sums->lines};

    json_open(&json, NULL);
    json_text(&json, sums->destinations ? "destination" : "program", sum->key);
    past_json_sum(&json, sum);
    json_number(&json, sums->destinations ? "programs" : "destinations", sum->other);
    json_close(&json);
    text_add(&sums->lines, "\n");
}

static bool take_sum(void *context, const struct history_sum *sum)
{
    struct sums *sums = context;

    sums->rows++;
    if (sums->json)
        show_json(sums, sum);
    else
        show_row(sums, sum);
    return !stop_requested();
}

/* Appends one table, or its lines of JSON. */
static enum agent_result add_table(struct sums *sums, struct history *history, const struct history_filter *filter,
                                   enum history_group group, enum history_order order, struct problem *problem)
{
    enum agent_result result;

    result = history_sum_up(history, filter, group, order, filter->limit, take_sum, sums, problem);
    if (result == AGENT_OK && !sums->json)
        table_show(&sums->table, &sums->lines);
    table_free(&sums->table);
    return result;
}

static void sums_free(struct sums *sums)
{
    table_free(&sums->table);
    text_free(&sums->cell);
    text_free(&sums->lines);
}

enum agent_result past_apps(const struct options *options, struct problem *problem)
{
    struct sums sums = {.json = options->json, .first_seen = true};
    struct history_filter filter;
    struct history *history = NULL;
    enum agent_result result = past_filter(options, 0, &filter, problem);

    table_begin(&sums.table, app_columns, sizeof(app_columns) / sizeof(app_columns[0]));
    if (result == AGENT_OK)
        result = past_open(options, &history, problem);
    if (result == AGENT_OK)
        result = add_table(&sums, history, &filter, HISTORY_BY_PROGRAM, HISTORY_LATEST_FIRST, problem);
    history_close(history);
    if (result == AGENT_OK && !sums.rows)
        result = past_nothing(options, problem);
    if (result == AGENT_OK)
        result = say_output(&sums.lines, problem);
    sums_free(&sums);
    return result;
}

/* --- top ------------------------------------------------------------------------------------------------------- */

static enum agent_result make_top(struct sums *sums, struct history *history, const struct options *options,
                                  struct problem *problem)
{
    struct history_filter filter;
    enum agent_result result = past_filter(options, TOP_ROWS, &filter, problem);

    if (!filter.since)
        filter.since = history_time(clock_wall()) - TOP_SINCE;
    sums->rows = 0;
    text_clear(&sums->lines);
    sums->destinations = false;
    table_begin(&sums->table, top_programs, sizeof(top_programs) / sizeof(top_programs[0]));
    if (result == AGENT_OK)
        result = add_table(sums, history, &filter, HISTORY_BY_PROGRAM, HISTORY_MOST_FIRST, problem);
    if (result == AGENT_OK && !sums->json)
        text_add(&sums->lines, "\n");
    sums->destinations = true;
    table_begin(&sums->table, top_destinations, sizeof(top_destinations) / sizeof(top_destinations[0]));
    if (result == AGENT_OK)
        result = add_table(sums, history, &filter, HISTORY_BY_DESTINATION, HISTORY_MOST_FIRST, problem);
    return result;
}

/* What fits on the screen: the rest of it would push the first lines out. */
static void cut_to_screen(struct text *lines)
{
    struct winsize size = {0};
    unsigned most, count = 0;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 3)
        return;
    most = size.ws_row - 2u;
    for (size_t i = 0; i < lines->used; i++)
        if (lines->data[i] == '\n' && ++count == most)
            lines->used = i + 1;
}

/* A wide line takes two rows: cut in characters. */
static bool redraw(struct sums *sums)
{
    struct winsize size = {0};
    unsigned width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80, column = 0;

    cut_to_screen(&sums->lines);
    fputs(CLEAR_SCREEN, stdout);
    for (size_t i = 0; i < sums->lines.used; i++) {
        unsigned char byte = (unsigned char)sums->lines.data[i];

        if (byte == '\n')
            column = 0;
        else if ((byte & 0xC0) != 0x80)
            column++;
        if (column <= width)
            putchar(byte);
    }
    return fflush(stdout) == 0;
}

static enum agent_result run_top(struct sums *sums, struct history *history, const struct options *options,
                                 struct problem *problem)
{
    const char *path = options->history ? options->history : HISTORY_DEFAULT_PATH;
    int descriptor = -1;
    enum agent_result result = history_follow_open(path, &descriptor, problem);

    while (result == AGENT_OK && !stop_requested()) {
        struct timespec moment = {TOP_EACH_MS / 1000, 0};

        result = make_top(sums, history, options, problem);
        if (result == AGENT_OK && !redraw(sums))
            result = problem_set(problem, AGENT_FAILED, "cannot write the output.");
        /* At most once in a while, and then only when there is something new. */
        if (result == AGENT_OK && !stop_requested())
            nanosleep(&moment, NULL);
        if (result == AGENT_OK && !history_follow_wait(descriptor, path, -1))
            break;
    }
    if (descriptor >= 0)
        close(descriptor);
    return result;
}

enum agent_result past_top(const struct options *options, struct problem *problem)
{
    struct sums sums = {.json = options->json};
    struct history *history = NULL;
    enum agent_result result = past_open(options, &history, problem);

    if (result == AGENT_OK && terminal_has_screen() && !options->json) {
        result = run_top(&sums, history, options, problem);
    } else if (result == AGENT_OK) {
        result = make_top(&sums, history, options, problem);
        if (result == AGENT_OK)
            result = sums.rows ? say_output(&sums.lines, problem) : past_nothing(options, problem);
    }
    history_close(history);
    sums_free(&sums);
    return result;
}
