/* SPDX-License-Identifier: MIT */
/*
 * rules_command.c - see rules_command.h. Each verb checks its words, reads the file or asks the driver, and shows what
 * agent/rule_*.h makes of it.
 */
#include "cli/rules_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rule_calls.h"
#include "agent/rule_change.h"
#include "agent/rule_check.h"
#include "agent/rule_explain.h"
#include "agent/rule_file.h"
#include "agent/rule_show.h"
#include "agent/clock.h"
#include "agent/terminal.h"
#include "cli/say.h"
#include "core/rule_image.h"

#define HELP          "see 'gatehouse rules --help'."
#define PROGRESS_FROM (1024u * 1024u) /* smaller loads are over before one has read a line */

/* What a verb works with. */
struct work {
    const struct options *options;
    const char *path;
    struct problem *problem;
};

/* FILE after the verb, or the default; more words are too many. */
static enum agent_result read_file_name(const struct work *work, const char **name)
{
    const struct options *options = work->options;

    if (options->word_count > 2)
        return problem_set(work->problem, AGENT_USAGE, "'gatehouse rules %s' takes one file, not '%.100s' too: " HELP,
                           options->words[0], options->words[2]);
    *name = options->word_count == 2 ? options->words[1] : rule_system_file();
    return AGENT_OK;
}

/* A file of rules, with its errors said. */
static enum agent_result read_file(const struct work *work, const char *name, struct rule_file *file)
{
    enum agent_result result = rule_file_read(name, file, work->problem);
    struct text text = {0};

    if (work->options->json) {
        rule_file_show_errors_json(file, &text);
        if (say_output(&text, NULL) != AGENT_OK && result == AGENT_OK)
            result = problem_set(work->problem, AGENT_FAILED, "cannot write the output.");
        return result;
    }
    rule_file_show_errors(file, &text);
    say_lines(text_string(&text));
    text_free(&text);
    return result;
}

static enum agent_result get_policy(const struct work *work, struct rule_policy *policy, struct rule_hits *hits)
{
    struct client client;
    enum agent_result result = client_open(&client, work->path, GATEHOUSE_ROLE_OBSERVER, work->problem);

    if (result != AGENT_OK)
        return result;
    result = rule_calls_get(&client, policy, work->problem);
    if (result == AGENT_OK && hits != NULL)
        result = rule_calls_hits(&client, hits, work->problem);
    client_close(&client);
    return result;
}

static enum agent_result check(const struct work *work)
{
    struct rule_file file = {0};
    struct text text = {0}, warnings = {0};
    const char *name = NULL;
    enum agent_result result = read_file_name(work, &name);

    if (result == AGENT_OK)
        result = read_file(work, name, &file);
    if (result == AGENT_OK)
        result = work->options->json ? rule_check_show_json(&file, &text, work->problem)
                                     : rule_check_show(&file, &text, &warnings, work->problem);
    if (result == AGENT_OK) {
        say_lines(text_string(&warnings));
        result = say_output(&text, work->problem);
    }
    text_free(&text);
    text_free(&warnings);
    rule_file_free(&file);
    return result;
}

/* --- load --------------------------------------------------------------------------------------- */

static void show_progress(void *context, uint32_t done, uint32_t total)
{
    (void)context;
    printf(done < total ? "\r  loading: %3u %% of %u MiB " : "\r  putting into force ...        ",
           (unsigned)((uint64_t)done * 100 / total), (unsigned)(total >> 20));
    fflush(stdout);
}

static enum agent_result load_image(const struct work *work, const struct rule_file *file, struct rule_policy *before)
{
    bool shows = file->image.size >= PROGRESS_FROM && !work->options->json && terminal_has_screen();
    struct rule_progress progress = {.show = shows ? show_progress : NULL};
    struct client client;
    enum agent_result result = client_open(&client, work->path, GATEHOUSE_ROLE_OBSERVER, work->problem);

    if (result != AGENT_OK)
        return result;
    result = rule_calls_get(&client, before, work->problem);
    if (result == AGENT_REFUSED && before->lost)
        result = AGENT_OK; /* a load is what mends it */
    if (result == AGENT_OK)
        result = rule_calls_load(&client, file->image.bytes, (uint32_t)file->image.size, &progress, work->problem);
    if (shows)
        printf("\r%40s\r", "");
    client_close(&client);
    return result;
}

static enum agent_result load(const struct work *work)
{
    static const struct gatehouse_rules_image nothing = {
        .magic = GATEHOUSE_RULES_MAGIC, .version = GATEHOUSE_RULES_VERSION, .size = sizeof(nothing)};
    struct rule_policy before = {0};
    struct rule_file file = {0};
    struct rule_change change;
    struct text text = {0};
    const char *name = NULL;
    enum agent_result result = read_file_name(work, &name);

    if (result == AGENT_OK)
        result = read_file(work, name, &file);
    if (result == AGENT_OK)
        result = load_image(work, &file, &before);
    if (result == AGENT_OK)
        result = rule_change_find(before.lost ? &nothing : before.image, file.image.bytes, &change, work->problem);
    if (result == AGENT_OK) {
        if (work->options->json)
            rule_change_show_json(&change, &text);
        else
            rule_change_show(&change, name, &text);
        if (before.lost && !work->options->json)
            text_add(&text, "  (what was in force before could not be read: all of it counts as added)\n");
        result = say_output(&text, work->problem);
        rule_change_free(&change);
    }
    rule_policy_free(&before);
    rule_file_free(&file);
    return result;
}

static enum agent_result diff(const struct work *work)
{
    struct rule_policy policy = {0};
    struct rule_file file = {0};
    struct rule_change change = {0};
    struct text text = {0};
    const char *name = NULL;
    enum agent_result result = read_file_name(work, &name);

    if (result == AGENT_OK)
        result = read_file(work, name, &file);
    if (result == AGENT_OK)
        result = get_policy(work, &policy, NULL);
    if (result == AGENT_OK)
        result = rule_change_find(policy.image, file.image.bytes, &change, work->problem);
    if (result == AGENT_OK) {
        if (work->options->json)
            rule_change_list_json(&change, &text);
        else
            rule_change_list(&change, &text);
        result = say_output(&text, work->problem);
    }
    if (result == AGENT_OK && rule_change_any(&change))
        result = problem_set(work->problem, AGENT_USAGE,
                             "%.200s differs from the policy in force: loading it adds %u, removes %u and moves %u.",
                             name, (unsigned)change.added, (unsigned)change.removed, (unsigned)change.moved);
    rule_change_free(&change);
    rule_policy_free(&policy);
    rule_file_free(&file);
    return result;
}

/* --- list --------------------------------------------------------------------------------------- */

static enum agent_result show_list(const struct work *work, const struct rule_policy *policy,
                                   const struct rule_hits *hits, struct text *text)
{
    struct policy_system system = rule_system_here();
    struct policy_print_options print = {.system = &system};
    struct rule_index index = {0};
    struct policy_sets sets = {0};
    struct rule_list list = {.index = &index, .sets = &sets, .hits = hits, .now = clock_wall()};
    enum agent_result result = AGENT_OK;

    if (work->options->rules.all_sets)
        list.print = &print;
    if (!rule_index_init(&index, policy->image) || !policy_sets_init(&sets, policy->image))
        result = problem_set(work->problem, AGENT_FAILED, "out of memory.");
    else if (work->options->json)
        rule_list_show_json(&list, text);
    else if (index.count > 0)
        rule_list_show(&list, text);
    policy_sets_cleanup(&sets);
    rule_index_cleanup(&index);
    return result;
}

static enum agent_result list(const struct work *work)
{
    struct rule_policy policy = {0};
    struct rule_hits hits = {0};
    struct text text = {0};
    enum agent_result result = AGENT_OK;

    if (work->options->word_count != 1)
        return problem_set(work->problem, AGENT_USAGE, "'gatehouse rules list' takes no word after it: " HELP);
    result = get_policy(work, &policy, &hits);
    if (result == AGENT_OK)
        result = show_list(work, &policy, &hits, &text);
    if (result == AGENT_OK)
        result = say_output(&text, work->problem);
    if (result == AGENT_OK && policy.file_rules + policy.added_rules == 0 && !work->options->json)
        say("there is no rule: outgoing connections are asked about, incoming ones pass.");
    text_free(&text);
    rule_hits_free(&hits);
    rule_policy_free(&policy);
    return result;
}

/* --- add and remove ----------------------------------------------------------------------------- */

static bool is_path(const char *word)
{
    return word[0] == '/' || (word[0] != '\0' && word[1] == ':' && word[2] == '\\');
}

/* One word is the rule; of several, those that are paths lost their quotes to the shell. Windows' have no escapes. */
static void join_words(const struct options *options, struct text *text)
{
    for (unsigned i = 1; i < options->word_count; i++) {
        const char *word = options->words[i];
        bool quote = options->word_count > 2 && is_path(word);

        text_add(text, i > 1 ? " " : "");
        text_add(text, quote ? "\"" : "");
        for (; *word != '\0'; word++) {
            if (quote && options->words[i][0] == '/' && (*word == '"' || *word == '\\'))
                text_add(text, "\\");
            text_add_bytes(text, word, 1);
        }
        text_add(text, quote ? "\"" : "");
    }
}

static enum agent_result add_image(const struct work *work, const struct rule_file *file)
{
    struct client client;
    enum agent_result result = client_open(&client, work->path, GATEHOUSE_ROLE_OBSERVER, work->problem);

    if (result != AGENT_OK)
        return result;
    result = rule_calls_add(&client, file->image.bytes, (uint32_t)file->image.size, work->problem);
    client_close(&client);
    return result;
}

static enum agent_result print_id(const struct work *work, uint64_t id)
{
    struct text text = {0}, digits = {0};
    struct json json = {.text = &text};

    rule_index_show_id(&digits, id, 0);
    if (work->options->json) {
        json_open(&json, NULL);
        json_text(&json, "id", text_string(&digits));
        json_close(&json);
    } else {
        text_add(&text, text_string(&digits));
    }
    text_add(&text, "\n");
    text_free(&digits);
    if (say_output(&text, NULL) == AGENT_OK)
        return AGENT_OK;
    return problem_set(work->problem, AGENT_FAILED, "the rule was added, but its id cannot be written.");
}

static enum agent_result add(const struct work *work)
{
    struct rule_file file = {0};
    struct text words = {0}, errors = {0};
    enum agent_result result;

    if (work->options->word_count < 2)
        return problem_set(work->problem, AGENT_USAGE,
                           "'gatehouse rules add' takes a rule, such as 'permit program \"/usr/bin/ssh\"': " HELP);
    join_words(work->options, &words);
    result = rule_file_read_rule(text_string(&words), GATEHOUSE_PLACE_TOP, &file, work->problem);
    if (work->options->json && result != AGENT_OK)
        rule_file_show_errors_json(&file, &errors);
    else
        rule_file_show_errors(&file, &errors);
    if (work->options->json && result != AGENT_OK)
        (void)say_output(&errors, NULL);
    else
        say_lines(text_string(&errors));
    if (result == AGENT_OK)
        result = add_image(work, &file);
    if (result == AGENT_OK)
        result = print_id(work, rule_image_first_rule(file.image.bytes)->id);
    text_free(&errors);
    text_free(&words);
    rule_file_free(&file);
    return result;
}

/* All words are looked at before the first rule goes. */
static enum agent_result find_rules(const struct work *work, const struct rule_index *index, uint64_t *ids)
{
    for (unsigned i = 1; i < work->options->word_count; i++) {
        const struct gatehouse_rule *rule;
        struct text place = {0};
        uint32_t at = 0;
        enum agent_result result = rule_index_find(index, work->options->words[i], &at, work->problem);

        if (result != AGENT_OK)
            return result;
        rule = index->rules[at];
        ids[i - 1] = rule->id;
        if (rule->place != GATEHOUSE_PLACE_FILE)
            continue;
        rule_show_place(&place, rule);
        problem_set(work->problem, AGENT_REFUSED,
                    "rule %u stands in %.300s: take it out there, then 'gatehouse rules load'.", (unsigned)at + 1,
                    text_string(&place));
        text_free(&place);
        return AGENT_REFUSED;
    }
    return AGENT_OK;
}

static enum agent_result remove_found(const struct work *work, struct client *client, uint64_t *ids)
{
    struct rule_policy policy = {0};
    struct rule_index index = {0};
    enum agent_result result = rule_calls_get(client, &policy, work->problem);

    if (result == AGENT_OK && !rule_index_init(&index, policy.image))
        result = problem_set(work->problem, AGENT_FAILED, "out of memory.");
    if (result == AGENT_OK)
        result = find_rules(work, &index, ids);
    for (unsigned i = 1; result == AGENT_OK && i < work->options->word_count; i++)
        result = rule_calls_remove(client, ids[i - 1], work->problem);
    rule_index_cleanup(&index);
    rule_policy_free(&policy);
    return result;
}

static enum agent_result remove_rules(const struct work *work)
{
    uint64_t *ids;
    struct client client;
    enum agent_result result;

    if (work->options->word_count < 2 || work->options->json)
        return problem_set(work->problem, AGENT_USAGE, "'gatehouse rules remove' takes ids or numbers of rules: " HELP);
    ids = calloc(work->options->word_count, sizeof(*ids));
    if (ids == NULL)
        return problem_set(work->problem, AGENT_FAILED, "out of memory.");
    result = client_open(&client, work->path, GATEHOUSE_ROLE_OBSERVER, work->problem);
    if (result == AGENT_OK) {
        result = remove_found(work, &client, ids);
        client_close(&client);
    }
    free(ids);
    return result;
}

/* --- explain ------------------------------------------------------------------------------------ */

static enum agent_result explain_image(const struct work *work, const void *image, struct rule_question *question)
{
    struct rule_explain explain = {.image = image, .all = work->options->all};
    struct text text = {0};
    enum agent_result result;

    rule_question_hash(question, image);
    result = work->options->json ? rule_explain_show_json(&explain, question, &text, work->problem)
                                 : rule_explain_show(&explain, question, &text, work->problem);

    if (result == AGENT_OK)
        result = say_output(&text, work->problem);
    text_free(&text);
    return result;
}

static enum agent_result explain_file(const struct work *work, struct rule_question *question)
{
    struct rule_file file = {0};
    enum agent_result result = read_file(work, work->options->rules.file, &file);

    if (result == AGENT_OK)
        result = explain_image(work, file.image.bytes, question);
    rule_file_free(&file);
    return result;
}

static enum agent_result explain(const struct work *work)
{
    const struct options *options = work->options;
    struct rule_question_words words = {.port = options->rules.port,
                                        .protocol = options->rules.protocol,
                                        .user = options->rules.user,
                                        .from = options->rules.from,
                                        .unit = options->rules.unit,
                                        .in = options->rules.in};
    struct rule_policy policy = {0};
    struct rule_question *question;
    enum agent_result result;

    if (options->word_count != 3)
        return problem_set(work->problem, AGENT_USAGE, "'gatehouse rules explain' takes PROGRAM and DEST: " HELP);
    words.program = options->words[1];
    words.destination = options->words[2];
    question = malloc(sizeof(*question));
    if (question == NULL)
        return problem_set(work->problem, AGENT_FAILED, "out of memory.");
    result = rule_question_read(&words, question, work->problem);
    if (result == AGENT_OK && options->rules.file != NULL) {
        result = explain_file(work, question);
    } else if (result == AGENT_OK) {
        result = get_policy(work, &policy, NULL);
        if (result == AGENT_OK)
            result = explain_image(work, policy.image, question);
        rule_policy_free(&policy);
    }
    free(question);
    return result;
}

enum agent_result rules_command_run(const struct options *options, const char *path, struct problem *problem)
{
    static const struct {
        const char *word;
        enum agent_result (*run)(const struct work *work);
    } verbs[] = {{"check", check},         {"load", load},       {"list", list}, {"add", add},
                 {"remove", remove_rules}, {"explain", explain}, {"diff", diff}};
    static const char *const words[] = {"check", "load", "list", "add", "remove", "explain", "diff", NULL};
    struct work work = {options, path, problem};

    for (size_t i = 0; options->word_count > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(options->words[0], verbs[i].word) == 0)
            return verbs[i].run(&work);
    if (options->word_count > 0)
        return options_unknown("command", options->words[0], words, "rules", problem);
    return problem_set(problem, AGENT_USAGE,
                       "'gatehouse rules' is followed by check, load, list, add, remove, explain or diff: " HELP);
}
