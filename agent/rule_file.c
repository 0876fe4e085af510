/* SPDX-License-Identifier: MIT */
/*
 * rule_file.c - see rule_file.h.
 */
#include "agent/rule_file.h"

#include <string.h>

#include "agent/json.h"
#include "agent/rule_system.h"

/* Its one error is about the file itself, not about a line: the problem says it. */
static bool is_unread(const struct rule_file *file)
{
    return file->policy != NULL && policy_error_count(file->policy) == 1 &&
           strncmp(policy_error(file->policy, 0)->sentence, "cannot read ", 12) == 0 &&
           policy_error(file->policy, 0)->line == 0;
}

static enum agent_result finish(struct rule_file *file, const struct policy_compile_options *options, const char *what,
                                struct problem *problem)
{
    if (file->policy == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (!policy_failed(file->policy))
        (void)policy_compile(file->policy, options, &file->image);
    for (unsigned i = 0; i < policy_error_count(file->policy); i++) {
        if (policy_error(file->policy, i)->warning)
            file->warnings++;
        else
            file->errors++;
    }
    if (file->errors == 0 && file->image.bytes == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (file->errors == 0)
        return AGENT_OK;
    if (is_unread(file))
        return problem_set(problem, AGENT_USAGE, "%.600s.", policy_error(file->policy, 0)->sentence);
    return problem_set(problem, AGENT_USAGE, "%.300s has %s%u error%s: mend %s, then try again.", what,
                       file->errors >= POLICY_ERRORS_MAX ? "at least " : "", file->errors, file->errors == 1 ? "" : "s",
                       file->errors == 1 ? "it" : "them");
}

enum agent_result rule_file_read(const char *path, struct rule_file *file, struct problem *problem)
{
    *file = (struct rule_file){.name = path, .system = rule_system_here()};
    file->policy = policy_parse_file(path, &file->system);
    return finish(file, NULL, path, problem);
}

enum agent_result rule_file_read_rule(const char *words, uint8_t place, struct rule_file *file, struct problem *problem)
{
    struct policy_compile_options options = {.place = place};
    enum agent_result result;

    *file = (struct rule_file){.name = "rule", .system = rule_system_here()};
    file->policy = policy_parse_text("rule", words, strlen(words), &file->system);
    result = finish(file, &options, "the rule", problem);
    if (result == AGENT_OK && policy_rule_count(file->policy) != 1)
        result = problem_set(problem, AGENT_USAGE, "that is %s: write one, such as 'permit program \"/usr/bin/ssh\"'.",
                             policy_rule_count(file->policy) == 0 ? "no rule" : "more than one rule");
    return result;
}

void rule_file_free(struct rule_file *file)
{
    policy_image_cleanup(&file->image);
    policy_free(file->policy);
    *file = (struct rule_file){0};
}

void rule_file_show_errors(const struct rule_file *file, struct text *text)
{
    char error[POLICY_ERROR_TEXT_MAX];

    for (unsigned i = 0; file->policy != NULL && !is_unread(file) && i < policy_error_count(file->policy); i++) {
        (void)policy_error_write(policy_error(file->policy, i), error, sizeof(error));
        text_add(text, error);
    }
}

void rule_file_show_errors_json(const struct rule_file *file, struct text *text)
{
    for (unsigned i = 0; file->policy != NULL && i < policy_error_count(file->policy); i++) {
        const struct policy_error *error = policy_error(file->policy, i);
        struct json json = {.text = text};

        json_open(&json, NULL);
        json_text(&json, "kind", error->warning ? "warning" : "error");
        json_text(&json, "file", error->file);
        json_number(&json, "line", error->line);
        json_number(&json, "column", error->column);
        json_text(&json, "text", error->sentence);
        json_text(&json, "source", error->source);
        json_close(&json);
        text_add(text, "\n");
    }
}
