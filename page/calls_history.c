/* SPDX-License-Identifier: MIT */
/*
 * calls_history.c - what was, from the history's file (history/query.h), newest first.
 *
 * Words of a person are looked for in programs and in destinations: two questions, joined by the rows' numbers. The
 * file is opened for each call: it may come, go and be renewed while the page is open.
 */
#include "page/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/query.h"
#include "history/show.h"

#define LIMIT_MOST 5000u
#define WORDS_MAX  256u

struct found {
    int64_t id;
    char *line;
};

struct search {
    struct work *work;
    struct history_filter filter;
    char pattern[2 * WORDS_MAX];
    struct found *list;
    size_t count, capacity;
    bool failed;
};

static bool take(void *context, const struct history_row *row)
{
    struct search *search = context;
    struct text text = {0};

    if (search->count == search->capacity) {
        size_t capacity = search->capacity == 0 ? 256 : search->capacity * 2;
        struct found *list = realloc(search->list, capacity * sizeof(*list));

        if (list == NULL)
            goto failed;
        search->list = list;
        search->capacity = capacity;
    }
    work_lock(search->work); /* names of users */
    history_show_json(&text, row->id, &row->record);
    work_unlock(search->work);
    if (text.failed)
        goto failed;
    search->list[search->count++] = (struct found){row->id, text.data};
    return true;
failed:
    text_free(&text);
    search->failed = true;
    return false;
}

static int compare(const void *one, const void *other)
{
    const struct found *a = one, *b = other;

    return (a->id < b->id) - (a->id > b->id);
}

/* What cannot be a program, or a destination, is not looked for there. */
static enum agent_result ask(struct history *history, struct search *search, const char **place, const char *format,
                             const char *words, struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    snprintf(search->pattern, sizeof(search->pattern), format, words); // NOLINT: the formats stand below
    *place = search->pattern;
    if (history_filter_check(&search->filter, NULL) == AGENT_OK)
        result = history_query(history, &search->filter, take, search, NULL, problem);
    *place = NULL;
    return result;
}

static enum agent_result ask_words(struct history *history, struct search *search, const char *words,
                                   struct problem *problem)
{
    enum agent_result result;

    if (words == NULL || words[0] == '\0')
        return history_query(history, &search->filter, take, search, NULL, problem);
    if (words[0] == '/')
        return ask(history, search, &search->filter.program, "%s*", words, problem);
    result = ask(history, search, &search->filter.program, "*%s*", words, problem);
    if (result != AGENT_OK)
        return result;
    if (strspn(words, "0123456789abcdefABCDEF.:/[]") == strlen(words)) {
        result = ask(history, search, &search->filter.to, "%s", words, problem);
        if (result != AGENT_OK)
            return result;
    }
    return ask(history, search, &search->filter.to, "*%s*", words, problem);
}

static void show(struct search *search, struct text *output)
{
    bool more = search->count > search->filter.limit;
    uint64_t shown = 0;

    qsort(search->list, search->count, sizeof(*search->list), compare);
    text_add(output, "{\"connections\":[");
    for (size_t i = 0; i < search->count && shown < search->filter.limit; i++) {
        if (i > 0 && search->list[i].id == search->list[i - 1].id)
            continue;
        text_add(output, shown++ > 0 ? "," : "");
        text_add(output, search->list[i].line);
    }
    text_add_format(output, "],\"more\":%s}", more || shown == search->filter.limit ? "true" : "false");
}

static const char *read_filter(const json_t *input, struct history_filter *filter)
{
    const char *verdict = work_word(input, "verdict");
    json_int_t limit = json_integer_value(json_object_get(input, "limit"));
    json_int_t since = json_integer_value(json_object_get(input, "since_ms"));

    if (verdict != NULL && !history_read_verdict(verdict, &filter->verdict))
        return "a verdict is permit or block.";
    if (limit < 0 || limit > (json_int_t)LIMIT_MOST || since < 0 || since > INT64_MAX / 1000)
        return "at most 5000 connections are shown, since a time that there was.";
    filter->limit = limit == 0 ? 200 : (uint64_t)limit;
    filter->since = since * 1000;
    return NULL;
}

unsigned calls_history(struct work *work, const json_t *input, struct text *output)
{
    const char *words = work_word(input, "text");
    struct search search = {.work = work};
    struct problem problem = {0};
    struct history *history = NULL;
    const char *wrong = read_filter(input, &search.filter);
    enum agent_result result;

    if (wrong == NULL && words != NULL && strlen(words) > WORDS_MAX)
        wrong = "at most 256 bytes are looked for.";
    if (wrong != NULL)
        return work_refuse(output, 422, wrong);
    result = history_open_reader(work_places(work)->history, &history, &problem);
    if (result == AGENT_OK)
        result = ask_words(history, &search, words, &problem);
    history_close(history);
    if (result == AGENT_OK && search.failed)
        result = problem_set(&problem, AGENT_FAILED, "out of memory.");
    if (result == AGENT_OK)
        show(&search, output);
    for (size_t i = 0; i < search.count; i++)
        free(search.list[i].line);
    free(search.list);
    return result == AGENT_OK ? 200 : work_fail(output, result, &problem);
}
