/* SPDX-License-Identifier: MIT */
/*
 * calls.c - see calls.h: the table, and what the driver knows.
 */
#include "page/calls.h"

#include <string.h>

#include "agent/clock.h"
#include "agent/rule_calls.h"
#include "agent/rule_file.h"
#include "agent/rule_show.h"
#include "agent/watch.h"
#include "core/rule_image.h"

work_call *calls_find(const char *name)
{
    static const struct {
        const char *name;
        work_call *call;
    } table[] = {{"rules", calls_rules},
                 {"rule-add", calls_rule_add},
                 {"rule-remove", calls_rule_remove},
                 {"status", calls_status},
                 {"history", calls_history}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].call;
    return NULL;
}

unsigned calls_status(struct work *work, const json_t *input, struct text *output)
{
    struct problem problem;
    struct show_state state;
    enum agent_result result = watch_status(work_places(work)->device, &state, &problem);

    (void)input;
    if (result != AGENT_OK)
        return work_fail(output, result, &problem);
    show_status_json(output, &state);
    return 200;
}

/* --- rules -------------------------------------------------------------------------------------- */

/* Objects, one a line, become the members of a list. */
static void add_lines(struct text *output, const struct text *lines)
{
    const char *line = text_string(lines), *end;

    text_add(output, "[");
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        text_add_bytes(output, line, (size_t)(end - line));
        text_add(output, end[1] != '\0' ? "," : "");
    }
    text_add(output, "]");
}

static enum agent_result show_rules(const struct rule_policy *policy, const struct rule_hits *hits, struct text *output,
                                    struct problem *problem)
{
    struct rule_index index = {0};
    struct policy_sets sets = {0};
    struct rule_list list = {.index = &index, .sets = &sets, .hits = hits, .now = clock_wall()};
    struct text lines = {0};
    enum agent_result result = AGENT_OK;

    if (!rule_index_init(&index, policy->image) || !policy_sets_init(&sets, policy->image)) {
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    } else {
        rule_list_show_json(&list, &lines);
        text_add_format(output, "{\"counted\":%s,\"rules\":", hits->counted ? "true" : "false");
        add_lines(output, &lines);
        text_add(output, "}");
        output->failed |= lines.failed;
    }
    text_free(&lines);
    policy_sets_cleanup(&sets);
    rule_index_cleanup(&index);
    return result;
}

unsigned calls_rules(struct work *work, const json_t *input, struct text *output)
{
    struct problem problem = {0};
    struct rule_policy policy = {0};
    struct rule_hits hits = {0};
    struct client client;
    enum agent_result result = client_open(&client, work_places(work)->device, GATEHOUSE_ROLE_OBSERVER, &problem);

    (void)input;
    if (result != AGENT_OK)
        return work_fail(output, result, &problem);
    result = rule_calls_get(&client, &policy, &problem);
    if (result == AGENT_OK)
        result = rule_calls_hits(&client, &hits, &problem);
    client_close(&client);
    if (result == AGENT_OK)
        result = show_rules(&policy, &hits, output, &problem);
    rule_hits_free(&hits);
    rule_policy_free(&policy);
    return result == AGENT_OK ? 200 : work_fail(output, result, &problem);
}

static enum agent_result add_image(const char *device, const struct rule_file *file, struct problem *problem)
{
    struct client client;
    enum agent_result result = client_open(&client, device, GATEHOUSE_ROLE_OBSERVER, problem);

    if (result != AGENT_OK)
        return result;
    result = rule_calls_add(&client, file->image.bytes, (uint32_t)file->image.size, problem);
    client_close(&client);
    return result;
}

/* What is wrong with the rule, with its caret, beside the sentence. */
static unsigned refuse_rule(struct text *output, const struct rule_file *file, const struct problem *problem)
{
    struct text errors = {0};
    struct json json = {.text = output};

    rule_file_show_errors(file, &errors);
    json_open(&json, NULL);
    json_text(&json, "sentence", problem->sentence);
    json_text(&json, "errors", text_string(&errors));
    json_close(&json);
    text_free(&errors);
    return 422;
}

unsigned calls_rule_add(struct work *work, const json_t *input, struct text *output)
{
    const char *words = work_word(input, "rule");
    struct problem problem = {0};
    struct rule_file file = {0};
    struct text id = {0};
    struct json json = {.text = output};
    enum agent_result result;
    unsigned status = 200;

    if (words == NULL)
        return work_refuse(output, 422, "a rule is missing.");
    work_lock(work);
    result = rule_file_read_rule(words, GATEHOUSE_PLACE_TOP, &file, &problem);
    work_unlock(work);
    if (result == AGENT_USAGE) {
        status = refuse_rule(output, &file, &problem);
        goto out;
    }
    if (result == AGENT_OK)
        result = add_image(work_places(work)->device, &file, &problem);
    if (result != AGENT_OK) {
        status = work_fail(output, result, &problem);
        goto out;
    }
    rule_index_show_id(&id, rule_image_first_rule(file.image.bytes)->id, 0);
    json_open(&json, NULL);
    json_text(&json, "id", text_string(&id));
    json_close(&json);
out:
    text_free(&id);
    rule_file_free(&file);
    return status;
}

/* Id's all 16 digits: the page has it from the list, and a rule may have come or gone since. */
static enum agent_result remove_rule(struct client *client, const char *id, struct problem *problem)
{
    struct rule_policy policy = {0};
    struct rule_index index = {0};
    enum agent_result result = rule_calls_get(client, &policy, problem);
    uint32_t at = 0;

    if (result == AGENT_OK && !rule_index_init(&index, policy.image))
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    if (result == AGENT_OK)
        result = rule_index_find(&index, id, &at, problem);
    if (result == AGENT_OK && index.rules[at]->place == GATEHOUSE_PLACE_FILE)
        result = problem_set(problem, AGENT_REFUSED,
                             "this rule stands in a file: take it out there, then 'gatehouse rules load'.");
    if (result == AGENT_OK)
        result = rule_calls_remove(client, index.rules[at]->id, problem);
    rule_index_cleanup(&index);
    rule_policy_free(&policy);
    return result;
}

unsigned calls_rule_remove(struct work *work, const json_t *input, struct text *output)
{
    const char *id = work_word(input, "id");
    struct problem problem = {0};
    struct client client;
    enum agent_result result;

    if (id == NULL || strlen(id) != 16)
        return work_refuse(output, 422, "a rule's id has 16 digits.");
    result = client_open(&client, work_places(work)->device, GATEHOUSE_ROLE_OBSERVER, &problem);
    if (result == AGENT_OK) {
        result = remove_rule(&client, id, &problem);
        client_close(&client);
    }
    if (result != AGENT_OK)
        return work_fail(output, result, &problem);
    text_add(output, "{}");
    return 200;
}
