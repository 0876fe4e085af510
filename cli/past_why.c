/* SPDX-License-Identifier: MIT */
/*
 * past_why.c - why a connection was blocked. See past_command.h.
 *
 * The history knows what happened. What it does not know (nobody wrote it, or it never happened) the rules in force can
 * still say, when both ends of the question are given.
 */
#include "cli/past_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/protocol.h>

#include "agent/client.h"
#include "agent/json.h"
#include "agent/rule_calls.h"
#include "agent/rule_index.h"
#include "agent/rule_question.h"
#include "agent/rule_show.h"
#include "agent/watch.h"
#include "cli/say.h"
#include "history/show.h"
#include "history/why.h"

struct answer {
    bool json;
    struct text lines;
    int64_t blocked; /* the row */
    bool permitted_since;
};

static void add_row(void *context, const struct history_row *row)
{
    struct answer *answer = context;
    struct json json = {.text = &answer->lines};
    struct text text = {0};

    answer->blocked = row->id;
    if (!answer->json) {
        history_why(&answer->lines, &row->record);
        text_add(&answer->lines, "\nTo allow it: ");
        history_how_to_permit(&answer->lines, &row->record);
        text_add(&answer->lines, "\n");
        return;
    }
    json_open(&json, NULL);
    history_why(&text, &row->record);
    json_text(&json, "sentence", text_string(&text));
    text_clear(&text);
    history_how_to_permit(&text, &row->record);
    json_text(&json, "allow", text_string(&text));
    history_json_members(&json, row->id, &row->record);
    json_close(&json);
    text_add(&answer->lines, "\n");
    text_free(&text);
}

static void see_row(void *context, const struct history_row *row)
{
    struct answer *answer = context;

    answer->permitted_since = row->id > answer->blocked && row->record.verdict == GATEHOUSE_VERDICT_PERMIT;
}

/* The last blocked one that fits; and whether the last of all was permitted. */
static enum agent_result look(struct history *history, struct history_filter *filter, struct answer *answer,
                              bool *found, struct problem *problem)
{
    bool ignored;
    enum agent_result result;

    filter->verdict = GATEHOUSE_VERDICT_BLOCK;
    result = history_newest(history, filter, add_row, answer, found, problem);
    filter->verdict = GATEHOUSE_VERDICT_NONE;
    if (result == AGENT_OK && *found)
        result = history_newest(history, filter, see_row, answer, &ignored, problem);
    if (result == AGENT_OK && answer->permitted_since && !answer->json)
        text_add(&answer->lines, "A later one was permitted: 'gatehouse log' shows it.\n");
    return result;
}

/* One word is a program if the history knows of one, else another end. */
static enum agent_result look_for(struct history *history, const struct options *options, struct answer *answer,
                                  bool *found, struct problem *problem)
{
    struct history_filter filter = {0}, other = {0};
    const char *word = options->word_count ? options->words[0] : NULL;
    enum agent_result result;

    filter.program = word;
    if (options->word_count == 2)
        filter.to = options->words[1];
    result = history_filter_check(&filter, problem);
    if (result == AGENT_OK)
        result = look(history, &filter, answer, found, problem);
    other.to = word;
    if (result != AGENT_OK || *found || options->word_count != 1 || *word == '/' ||
        history_filter_check(&other, NULL) != AGENT_OK)
        return result;
    return look(history, &other, answer, found, problem);
}

/* --- By the rules in force --------------------------------------------------------------------------------------- */

static void add_decision(struct text *text, const void *image, const struct policy_sets *sets,
                         const struct policy_connection *connection)
{
    const struct gatehouse_rule *rule = policy_match(image, sets, connection, NULL, NULL, NULL);
    static const char *const actions[] = {"decides", "permits", "blocks", "asks about"};

    if (!rule) {
        text_add(text, policy_default_action(connection->direction, connection->protocol) == GATEHOUSE_RULE_ASK
                           ? "no rule decides it, so it is held and asked about, and blocked when nobody answers"
                           : "no rule decides it, and it passes");
        return;
    }
    text_add(text, "the rule '");
    rule_show_text(text, sets, rule, NULL);
    text_add(text, "' (");
    rule_show_place(text, rule);
    text_add_format(text, ") %s it", rule->action < 4 ? actions[rule->action] : actions[0]);
}

static enum agent_result say_rules(const struct rule_question *question, const void *image, struct answer *answer,
                                   struct problem *problem)
{
    struct policy_connection connection;
    struct policy_sets sets = {0};
    struct text text = {0};
    struct json json = {.text = &answer->lines};

    if (!policy_sets_init(&sets, image))
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    for (unsigned i = 0; i < question->address_count; i++) {
        if (!rule_question_connection(question, i, &connection))
            continue;
        text_clear(&text);
        text_add(&text, "The history knows of no such connection that was blocked. By the rules in force, for ");
        rule_question_show(&text, question, &connection);
        text_add(&text, ": ");
        add_decision(&text, image, &sets, &connection);
        text_add(&text, ".");
        if (answer->json) {
            json_open(&json, NULL);
            json_text(&json, "sentence", text_string(&text));
            json_close(&json);
            json.follows = false;
        } else {
            text_add(&answer->lines, text_string(&text));
        }
        text_add(&answer->lines, "\n");
    }
    text_free(&text);
    policy_sets_cleanup(&sets);
    return AGENT_OK;
}

static enum agent_result ask_rules(const struct options *options, const char *path, struct answer *answer,
                                   struct problem *problem)
{
    struct rule_question_words words = {.program = options->words[0], .destination = options->words[1]};
    struct rule_question *question = malloc(sizeof(*question));
    struct rule_policy policy = {0};
    struct client client = {0};
    enum agent_result result;

    if (!question)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    result = rule_question_read(&words, question, problem);
    if (result == AGENT_OK)
        result = client_open(&client, path, GATEHOUSE_ROLE_OBSERVER, problem);
    if (result == AGENT_OK)
        result = rule_calls_get(&client, &policy, problem);
    if (result == AGENT_OK) {
        rule_question_hash(question, policy.image);
        result = say_rules(question, policy.image, answer, problem);
    }
    rule_policy_free(&policy);
    client_close(&client);
    free(question);
    return result;
}

/* --- All of it --------------------------------------------------------------------------------------------------- */

/* What is not decided by anything in the kernel is refused then, and nobody writes it down. */
static void add_dead(const char *path, struct answer *answer)
{
    struct problem problem = {0};
    struct show_state state;

    if (answer->json || watch_status(path, &state, &problem) != AGENT_UNREACHABLE)
        return;
    text_add(&answer->lines,
             "gatehoused does not answer now. If it was killed, what was not decided before is blocked until it is "
             "started again ('systemctl start gatehoused'), unless it is set to fail open; if it was asked to end, "
             "everything passes.\n");
}

enum agent_result past_why(const struct options *options, const char *path, struct problem *problem)
{
    struct answer answer = {.json = options->json};
    struct history *history = NULL;
    bool found = false;
    enum agent_result result, opened;

    if (options->word_count > 2)
        return problem_set(problem, AGENT_USAGE,
                           "'gatehouse why' takes a program, a destination, or both: see 'gatehouse why --help'.");
    result = opened = past_open(options, &history, problem);
    if (result == AGENT_OK)
        result = look_for(history, options, &answer, &found, problem);
    history_close(history);
    if (!found && options->word_count == 2 && (result == AGENT_OK || opened != AGENT_OK)) {
        result = ask_rules(options, path, &answer, problem);
        found = result == AGENT_OK && answer.lines.used;
    }
    if (found || (result == AGENT_OK && !answer.lines.used))
        add_dead(path, &answer);
    if (answer.lines.used && result == AGENT_OK)
        result = say_output(&answer.lines, problem);
    text_free(&answer.lines);
    if (result == AGENT_OK && !found)
        return problem_set(problem, AGENT_USAGE,
                           "the history knows of no blocked connection of the kind; 'gatehouse rules explain PROGRAM "
                           "DEST' says what the rules do.");
    return result;
}
