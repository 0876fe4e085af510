/* SPDX-License-Identifier: MIT */
/*
 * filter_command.c - see filter_command.h. Checks that words and options belong together, then one call of
 * agent/filter_engine.h.
 */
#include "cli/filter_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter_engine.h"
#include "agent/program_path.h"
#include "cli/say.h"

#define HELP "see 'gatehouse filter --help'."

static bool has_wish(const struct options *options)
{
    const struct filter_words *filter = &options->filter;

    return filter->program != NULL || filter->to != NULL || filter->port != NULL || filter->protocol != NULL ||
           filter->weight != NULL || filter->name != NULL || filter->v4 || filter->v6 || filter->in;
}

/* The filter is for where the path leads to; a program that is not there yet may come. */
static enum agent_result resolve(const char *written, char *resolved, struct problem *problem)
{
    enum program_path_kind kind;
    enum agent_result result = program_path_resolve(written, resolved, &kind, problem);

    if (result == AGENT_OK)
        say_program_path(written, resolved, kind, "the filter is for that program.",
                         "the filter is for one that comes.");
    return result;
}

static enum agent_result add(const struct options *options, const char *path, struct problem *problem)
{
    const char *action = options->word_count == 2 ? options->words[1] : "";
    bool block = strcmp(action, "block") == 0;
    char resolved[PROGRAM_PATH_MAX];
    uint64_t ids[FILTER_LAYERS];
    struct filter_wish wish;
    unsigned count = 0;
    enum agent_result result;

    if (!block && strcmp(action, "permit") != 0)
        return problem_set(problem, AGENT_USAGE, "'gatehouse filter add' takes one word, permit or block: " HELP);
    if (options->all || options->json)
        return problem_set(problem, AGENT_USAGE, "'gatehouse filter add' has no option %s: " HELP,
                           options->all ? "--all" : "--json");
    result = filter_wish_read(&options->filter, block, &wish, problem);
    if (result == AGENT_OK && wish.program != NULL) {
        result = resolve(wish.program, resolved, problem);
        wish.program = resolved;
    }
    if (result == AGENT_OK)
        result = filter_add(path, &wish, ids, &count, problem);
    for (unsigned i = 0; i < count; i++)
        printf("%llu\n", (unsigned long long)ids[i]);
    if (result == AGENT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        result = problem_set(problem, AGENT_FAILED, "the filter was added, but its id cannot be written.");
    return result;
}

static enum agent_result list(const struct options *options, const char *path, struct problem *problem)
{
    struct text text = {0};
    unsigned count = 0;
    enum agent_result result;

    if (options->word_count != 1 || has_wish(options))
        return problem_set(problem, AGENT_USAGE, "'gatehouse filter list' takes --all, --json and nothing else: " HELP);
    result = filter_list(path, options->all, options->json, &text, &count, problem);
    if (result == AGENT_OK)
        result = say_output(&text, problem);
    if (result == AGENT_OK && count == 0 && !options->json)
        say("no filter was added; 'gatehouse filter list --all' shows those of others.");
    text_free(&text);
    return result;
}

static enum agent_result read_ids(const struct options *options, uint64_t *ids, struct problem *problem)
{
    for (unsigned i = 1; i < options->word_count; i++)
        if (!filter_wish_number(options->words[i], UINT64_MAX, &ids[i - 1]))
            return problem_set(problem, AGENT_USAGE, "'%.100s' is no filter's id: see 'gatehouse filter list'.",
                               options->words[i]);
    return AGENT_OK;
}

static enum agent_result remove_filters(const struct options *options, const char *path, struct problem *problem)
{
    unsigned count = options->word_count - 1, removed = 0;
    uint64_t *ids;
    enum agent_result result;

    if (options->json || has_wish(options) || options->all == (count > 0))
        return problem_set(problem, AGENT_USAGE, "'gatehouse filter remove' takes ids, or --all: " HELP);
    ids = calloc(count + 1, sizeof(*ids));
    if (ids == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    result = read_ids(options, ids, problem);
    if (result == AGENT_OK)
        result = filter_remove(path, ids, count, &removed, problem);
    free(ids);
    return result;
}

enum agent_result filter_command_run(const struct options *options, const char *path, struct problem *problem)
{
    static const struct {
        const char *word;
        enum agent_result (*run)(const struct options *options, const char *path, struct problem *problem);
    } verbs[] = {{"add", add}, {"list", list}, {"remove", remove_filters}};
    static const char *const words[] = {"add", "list", "remove", NULL};

    for (size_t i = 0; options->word_count > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(options->words[0], verbs[i].word) == 0)
            return verbs[i].run(options, path, problem);
    if (options->word_count > 0)
        return options_unknown("command", options->words[0], words, "filter", problem);
    return problem_set(problem, AGENT_USAGE, "'gatehouse filter' is followed by add, list or remove: " HELP);
}
