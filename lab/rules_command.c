/* SPDX-License-Identifier: MIT */
/*
 * rules_command.c - see rules_command.h.
 */
#include "lab/rules_command.h"

#include <string.h>

#include "lab/json.h"
#include "nt/verify/rules.h"

#define USAGE_ERROR 2

static bool is_wanted(const struct nt_rule *rule, int count, const char *const *arguments)
{
    bool named = false;
    for (int index = 0; index < count; index++) {
        if (arguments[index][0] == '-')
            continue;
        named = true;
        if (strcmp(arguments[index], rule->id) == 0)
            return true;
    }
    return !named;
}

static void put_text(FILE *out, const struct nt_rule *rule)
{
    fprintf(out, "%s (%s)\n  %s\n  Do: %s\n  Page: %s\n\n", rule->id, nt_severity_name(rule->severity), rule->rule,
            rule->advice, rule->page);
}

static void put_json(struct lab_json *json, const struct nt_rule *rule)
{
    lab_json_object(json, NULL);
    lab_json_string(json, "id", rule->id);
    lab_json_string(json, "severity", nt_severity_name(rule->severity));
    lab_json_string(json, "rule", rule->rule);
    lab_json_string(json, "page", rule->page);
    lab_json_string(json, "advice", rule->advice);
    lab_json_object_end(json);
}

/* false: it was told what is wrong. */
static bool check(int count, const char *const *arguments, bool *as_json, FILE *errors)
{
    for (int index = 0; index < count; index++) {
        if (strcmp(arguments[index], "--json") == 0) {
            *as_json = true;
        } else if (arguments[index][0] == '-') {
            fprintf(errors, "wfplab rules: there is no option \"%s\"; use: wfplab rules [--json] [RULE...]\n",
                    arguments[index]);
            return false;
        } else if (nt_rule_find(arguments[index]) == NULL) {
            fprintf(errors, "wfplab rules: there is no rule \"%s\"; \"wfplab rules\" lists them\n", arguments[index]);
            return false;
        }
    }
    return true;
}

int lab_rules_command(int count, const char *const *arguments, FILE *out, FILE *errors)
{
    struct lab_json json;
    const struct nt_rule *rule;
    bool as_json = false;
    if (!check(count, arguments, &as_json, errors))
        return USAGE_ERROR;
    lab_json_start(&json, out, true);
    if (as_json)
        lab_json_array(&json, NULL);
    for (size_t index = 0; (rule = nt_rule_at(index)) != NULL; index++) {
        if (!is_wanted(rule, count, arguments))
            continue;
        if (as_json)
            put_json(&json, rule);
        else
            put_text(out, rule);
    }
    if (as_json) {
        lab_json_array_end(&json);
        fputc('\n', out);
    }
    return 0;
}
