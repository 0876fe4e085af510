/* SPDX-License-Identifier: MIT */
/*
 * learn_command.c - see learn_command.h.
 */
#include "cli/learn_command.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/past_command.h"
#include "cli/say.h"
#include "history/propose.h"
#include "import/import.h"

enum agent_result learn_import(const struct options *options, struct problem *problem)
{
    struct imported imported = {0};
    enum agent_result result;

    if (options->word_count == 0)
        return problem_set(problem, AGENT_USAGE,
                           "a file is missing: OpenSnitch's rules (a folder or *.json), or a profile of simplewall.");
    result = import_read(options->words, options->word_count, &imported, problem);
    if (result == AGENT_OK)
        result = say_output(&imported.rules, problem);
    if (result == AGENT_OK && imported.left > 0)
        result = problem_set(problem, AGENT_USAGE,
                             "%u rules were carried over (%u of them narrower), %u were not: the comments say why.",
                             imported.carried, imported.narrower, imported.left);
    else if (result == AGENT_OK && imported.narrower > 0)
        say("some rules match less than they did: the comments say what.");
    imported_free(&imported);
    return result;
}

enum agent_result learn_propose(const struct options *options, struct problem *problem)
{
    struct proposed proposed = {0};
    struct history_filter filter;
    struct history *history = NULL;
    enum agent_result result = past_filter(options, 0, &filter, problem);
    char sentence[160];

    if (result == AGENT_OK)
        result = past_open(options, &history, problem);
    if (result == AGENT_OK)
        result = history_propose(history, &filter, &proposed, problem);
    if (result == AGENT_OK && proposed.programs == 0)
        result = past_nothing(options, problem);
    if (result == AGENT_OK)
        result = say_output(&proposed.rules, problem);
    if (result == AGENT_OK) {
        snprintf(sentence, sizeof(sentence),
                 "%u rules for %u programs, from %" PRIu64
                 " connections. Read them, change them, then: gatehouse rules load",
                 proposed.rule_count, proposed.programs, proposed.connections);
        say(sentence);
    }
    proposed_free(&proposed);
    history_close(history);
    return result;
}
