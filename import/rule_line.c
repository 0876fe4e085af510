/* SPDX-License-Identifier: MIT */
/*
 * rule_line.c - see rule_line.h.
 */
#include "import/rule_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/show.h"
#include "policy/policy.h"

void rule_line_leave(struct rule_line *line, const char *format, ...)
{
    va_list arguments;

    if (line->why[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(line->why, sizeof(line->why), format, arguments);
    va_end(arguments);
}

void rule_line_narrow(struct rule_line *line, const char *format, ...)
{
    va_list arguments;

    if (line->narrower[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(line->narrower, sizeof(line->narrower), format, arguments);
    va_end(arguments);
}

void rule_line_free(struct rule_line *line)
{
    text_free(&line->words);
}

/* A line that the rule language does not take is not carried over either. */
static void check(struct rule_line *line, const struct text *rule)
{
    struct policy *policy = policy_parse_text("import", text_string(rule), rule->used, &policy_system_here);

    if (policy == NULL)
        rule_line_leave(line, "out of memory");
    else if (policy_failed(policy) && policy_error_count(policy) > 0)
        rule_line_leave(line, "%s", policy_error(policy, 0)->sentence);
    policy_free(policy);
}

/* One line, whatever stands in it. */
static void add_comment(struct text *to, const char *before, const char *text)
{
    text_add(to, before);
    show_written(to, text, strlen(text));
    text_add(to, "\n");
}

void rule_line_write(struct rule_line *line, const char *name, const char *action, const char *until,
                     struct imported *imported)
{
    struct text rule = {0};

    if (line->why[0] == '\0') {
        text_add(&rule, action);
        text_add(&rule, line->words.used == 0 ? " all" : text_string(&line->words));
        text_add(&rule, until);
        text_add(&rule, "\n");
        check(line, &rule);
    }
    add_comment(&imported->rules, "# ", name);
    if (line->why[0] != '\0') {
        imported->left++;
        add_comment(&imported->rules, "#   not carried over: ", line->why);
    } else {
        imported->carried++;
        if (line->narrower[0] != '\0') {
            imported->narrower++;
            add_comment(&imported->rules, "#   narrower than it was: ", line->narrower);
        }
        text_add(&imported->rules, text_string(&rule));
    }
    text_add(&imported->rules, "\n");
    imported->rules.failed = imported->rules.failed || rule.failed || line->words.failed;
    text_free(&rule);
}
