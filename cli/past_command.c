/* SPDX-License-Identifier: MIT */
/*
 * past_command.c - see past_command.h. log and export; what all of them share.
 */
#include "cli/past_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gatehouse/protocol.h>

#include "agent/clock.h"
#include "agent/rule_system.h"
#include "agent/show.h"
#include "agent/stop.h"
#include "cli/say.h"
#include "history/collect.h"
#include "history/follow.h"
#include "history/show.h"
#include "history/when.h"

#define LOG_ROWS 1000u

static const char *past_path(const struct options *options)
{
    return options->history ? options->history : HISTORY_DEFAULT_PATH;
}

enum agent_result past_open(const struct options *options, struct history **history, struct problem *problem)
{
    return history_open_reader(past_path(options), history, problem);
}

enum agent_result past_nothing(const struct options *options, struct problem *problem)
{
    return problem_set(problem, AGENT_USAGE, "nothing of the kind is in the history %.300s.", past_path(options));
}

/* --- What is asked for ----------------------------------------------------------------------------------------- */

static enum agent_result read_user(const char *word, struct history_filter *filter, struct problem *problem)
{
    struct policy_system here = rule_system_here();
    struct policy_sid sid = {0};
    char *end;
    unsigned long number = strtoul(word, &end, 10);

    filter->has_user = true;
    if (*word >= '0' && *word <= '9' && !*end && number < UINT32_MAX) {
        filter->user = (uint32_t)number;
        return AGENT_OK;
    }
    if (here.find_sid(here.context, POLICY_USER, word, sid.bytes, &sid.size) &&
        show_sid_unix_user(sid.bytes, sid.size, &filter->user))
        return AGENT_OK;
    return problem_set(problem, AGENT_USAGE, "there is no user '%.100s' here: give a name of this machine or a number.",
                       word);
}

static enum agent_result read_when(const char *option, const char *word, int64_t *time, struct problem *problem)
{
    if (!word || history_read_time(word, history_time(clock_wall()), time))
        return AGENT_OK;
    return problem_set(problem, AGENT_USAGE,
                       "%s does not take '%.100s': write 2026-11-22, '2026-11-22 14:05', 14:05, today, yesterday or so "
                       "long ago: 10m, 2h, 3d.",
                       option, word);
}

static enum agent_result read_limit(const char *word, uint64_t *limit, struct problem *problem)
{
    char *end;

    if (!word)
        return AGENT_OK;
    *limit = strtoull(word, &end, 10);
    if (*word < '0' || *word > '9' || *end || *limit > UINT32_MAX)
        return problem_set(problem, AGENT_USAGE, "--limit takes a number, 0 for all, not '%.100s'.", word);
    return AGENT_OK;
}

static enum agent_result read_verdict(const char *word, uint8_t *verdict, struct problem *problem)
{
    if (!word || (history_read_verdict(word, verdict) && *verdict != GATEHOUSE_VERDICT_NONE))
        return AGENT_OK;
    return problem_set(problem, AGENT_USAGE, "--verdict takes permit or block, not '%.100s'.", word);
}

enum agent_result past_filter(const struct options *options, uint64_t limit, struct history_filter *filter,
                              struct problem *problem)
{
    const struct past_words *words = &options->past;
    enum agent_result result = AGENT_OK;

    *filter = (struct history_filter){.program = words->program, .to = words->to, .limit = limit};
    if (words->user)
        result = read_user(words->user, filter, problem);
    if (result == AGENT_OK)
        result = read_verdict(words->verdict, &filter->verdict, problem);
    if (words->by && !(filter->has_by = history_read_by(words->by, &filter->by)))
        filter->who = words->by;
    if (result == AGENT_OK)
        result = read_when("--since", words->since, &filter->since, problem);
    if (result == AGENT_OK)
        result = read_when("--until", words->until, &filter->until, problem);
    if (result == AGENT_OK)
        result = read_limit(words->limit, &filter->limit, problem);
    return result == AGENT_OK ? history_filter_check(filter, problem) : result;
}

void past_json_time(struct json *json, const char *name, int64_t time)
{
    struct text value = {0};

    history_show_time_utc(&value, time);
    json_text(json, name, text_string(&value));
    text_free(&value);
}

void past_json_sum(struct json *json, const struct history_sum *sum)
{
    past_json_time(json, "first", sum->first);
    past_json_time(json, "last", sum->last);
    json_number(json, "permitted", sum->permitted);
    json_number(json, "blocked", sum->blocked);
    json_number(json, "bytes_out", sum->bytes_out);
    json_number(json, "bytes_in", sum->bytes_in);
}

/* --- log and export -------------------------------------------------------------------------------------------- */

struct printing {
    void (*show)(struct text *text, int64_t id, const struct history_record *record);
    struct text line;
    bool any, failed;
    uint64_t opened; /* history_opened of what was read last */
};

static void show_line(struct text *text, int64_t id, const struct history_record *record)
{
    (void)id;
    history_show_line(text, record);
}

static bool print_row(void *context, const struct history_row *row)
{
    struct printing *printing = context;

    text_clear(&printing->line);
    printing->show(&printing->line, row->id, &row->record);
    text_add(&printing->line, "\n");
    printing->any = true;
    printing->failed =
        printing->line.failed || fwrite(printing->line.data, 1, printing->line.used, stdout) != printing->line.used;
    return !printing->failed && !stop_requested();
}

static enum agent_result print_rows(struct history *history, struct history_filter *filter, struct printing *printing,
                                    struct problem *problem)
{
    enum agent_result result = history_query(history, filter, print_row, printing, &filter->after, problem);

    if (result == AGENT_OK && history_opened(history) != printing->opened) { /* another file: from its first row on */
        printing->opened = history_opened(history);
        filter->after = 0;
        result = history_query(history, filter, print_row, printing, &filter->after, problem);
    }
    if (result == AGENT_OK && (printing->failed || fflush(stdout) != 0))
        return problem_set(problem, AGENT_FAILED, "cannot write the output.");
    return result;
}

/* Until a stop, or nobody reads any more. */
static enum agent_result follow(const struct options *options, struct history *history, struct history_filter *filter,
                                struct printing *printing, struct problem *problem)
{
    int descriptor = -1;
    enum agent_result result = history_follow_open(past_path(options), &descriptor, problem);

    if (result == AGENT_OK) /* what is written from now on is told of; what was before is read first */
        result = print_rows(history, filter, printing, problem);
    filter->limit = 0;
    while (result == AGENT_OK && history_follow_wait(descriptor, past_path(options), -1))
        if (history_is_there(history)) /* else it is made anew in a moment */
            result = print_rows(history, filter, printing, problem);
    if (descriptor >= 0)
        close(descriptor);
    return result;
}

static enum agent_result print(const struct options *options, uint64_t limit, struct printing *printing,
                               struct problem *problem)
{
    struct history_filter filter;
    struct history *history = NULL;
    enum agent_result result = past_filter(options, limit, &filter, problem);

    if (result == AGENT_OK)
        result = past_open(options, &history, problem);
    if (result == AGENT_OK)
        printing->opened = history_opened(history);
    if (result == AGENT_OK && options->follow)
        result = follow(options, history, &filter, printing, problem);
    else if (result == AGENT_OK)
        result = print_rows(history, &filter, printing, problem);
    history_close(history);
    text_free(&printing->line);
    return result == AGENT_OK && !printing->any && !options->follow ? past_nothing(options, problem) : result;
}

static enum agent_result log_rows(const struct options *options, struct problem *problem)
{
    struct printing printing = {.show = options->json ? history_show_json : show_line};

    return print(options, LOG_ROWS, &printing, problem);
}

static enum agent_result export_rows(const struct options *options, struct problem *problem)
{
    struct printing printing = {.show = options->past.csv ? history_show_csv : history_show_json};

    if (options->past.csv && options->json)
        return problem_set(problem, AGENT_USAGE, "--csv and --json are two ways: give one.");
    if (options->past.csv && printf("%s\n", history_csv_head) < 0)
        return problem_set(problem, AGENT_FAILED, "cannot write the output.");
    return print(options, 0, &printing, problem);
}

enum agent_result past_command_run(const struct options *options, const char *path, struct problem *problem)
{
    switch (options->command) {
    case OPTIONS_LOG:
        return log_rows(options, problem);
    case OPTIONS_EXPORT:
        return export_rows(options, problem);
    case OPTIONS_TOP:
        return past_top(options, problem);
    case OPTIONS_APPS:
        return past_apps(options, problem);
    case OPTIONS_SHOW:
        return past_show(options, problem);
    default:
        return past_why(options, path, problem);
    }
}
