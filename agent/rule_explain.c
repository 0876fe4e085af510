/* SPDX-License-Identifier: MIT */
/*
 * rule_explain.c - see rule_explain.h.
 */
#include "agent/rule_explain.h"

#include <stdlib.h>
#include <string.h>

#include "agent/json.h"
#include "agent/rule_index.h"
#include "agent/rule_show.h"
#include "agent/show.h"
#include "agent/table.h"

static const struct table_column columns[] = {
    {"#", true, 0}, {"ID", false, 0}, {"PLACE", false, 0}, {"RULE", false, 60}, {"WHY", false, 0}};

/* One explanation under way. */
struct telling {
    const struct rule_explain *explain;
    const struct rule_index *index;
    const struct policy_sets *sets;
    uint32_t first; /* number of the first rule that is told */
    struct table table;
    struct json json;
    struct text cell;
    bool failed;
};

static void tell_row(struct telling *telling, uint32_t number, const struct gatehouse_rule *rule, const char *why)
{
    text_add_format(&telling->cell, "%u", (unsigned)number + 1);
    table_take(&telling->table, &telling->cell);
    rule_index_show_id(&telling->cell, rule->id, telling->index->digits);
    table_take(&telling->table, &telling->cell);
    rule_show_place(&telling->cell, rule);
    table_take(&telling->table, &telling->cell);
    rule_show_text(&telling->cell, telling->sets, rule, NULL);
    table_take(&telling->table, &telling->cell);
    show_written(&telling->cell, why, strlen(why));
    table_take(&telling->table, &telling->cell);
}

static void on_miss(void *context, uint32_t number, const struct gatehouse_rule *rule, const char *why)
{
    struct telling *telling = context;

    if (number >= telling->first)
        tell_row(telling, number, rule, why);
}

static void tell_object(struct telling *telling, uint32_t number, const struct gatehouse_rule *rule, const char *why)
{
    struct json *json = &telling->json;

    json_open(json, NULL);
    rule_json_name(json, number, rule);
    text_clear(&telling->cell);
    rule_show_text(&telling->cell, telling->sets, rule, NULL);
    json_text(json, "rule", text_string(&telling->cell));
    if (why != NULL)
        json_text(json, "why", why);
    json_close(json);
}

static void on_miss_json(void *context, uint32_t number, const struct gatehouse_rule *rule, const char *why)
{
    tell_object(context, number, rule, why);
}

static const char *action_done(unsigned action)
{
    static const char *const words[] = {"", "permitted", "blocked", "asked about"};

    return action < 4 ? words[action] : "";
}

/* Which rule decides is found first: it says how many of those before it are worth showing. */
static void explain_one(struct telling *telling, const struct rule_question *question,
                        const struct policy_connection *connection, struct text *text)
{
    const void *image = telling->explain->image;
    uint32_t number = telling->index->count;
    const struct gatehouse_rule *rule = policy_match(image, telling->sets, connection, &number, NULL, NULL);

    rule_question_show(text, question, connection);
    text_add(text, "\n");
    if (rule_question_is_loopback(connection)) {
        text_add(text, "permitted before any rule is looked at: loopback passes, unless it is set to be held\n");
        return;
    }
    if (rule == NULL)
        number = telling->index->count;
    telling->first = telling->explain->all || number <= RULE_EXPLAIN_MOST ? 0 : number - RULE_EXPLAIN_MOST;
    if (telling->first > 0)
        text_add_format(text, "%u earlier rules do not match; --all shows them too\n", (unsigned)telling->first);
    table_begin(&telling->table, columns, sizeof(columns) / sizeof(columns[0]));
    (void)policy_match(image, telling->sets, connection, NULL, on_miss, telling);
    if (rule != NULL)
        tell_row(telling, number, rule, "decides");
    if (telling->index->count > 0)
        table_show(&telling->table, text);
    telling->failed = telling->failed || telling->table.cells.failed;
    table_free(&telling->table);
    if (rule != NULL)
        text_add_format(text, "%s by rule %u\n", action_done(rule->action), (unsigned)number + 1);
    else
        text_add_format(text, "no rule decides: %s\n",
                        policy_default_action(connection->direction, connection->protocol) == GATEHOUSE_RULE_ASK
                            ? "an outgoing connection is asked about"
                        : connection->direction == GATEHOUSE_RULE_IN ? "an incoming connection passes"
                                                                     : "what is neither TCP nor UDP passes");
}

static void explain_one_json(struct telling *telling, const struct rule_question *question,
                             const struct policy_connection *connection, struct text *text)
{
    static const char *const actions[] = {"none", "permit", "block", "ask"};
    const void *image = telling->explain->image;
    bool loopback = rule_question_is_loopback(connection);
    uint32_t number = 0;
    const struct gatehouse_rule *rule =
        loopback ? NULL : policy_match(image, telling->sets, connection, &number, NULL, NULL);
    unsigned action =
        loopback ? GATEHOUSE_RULE_PERMIT : policy_default_action(connection->direction, connection->protocol);
    struct json *json = &telling->json;

    *json = (struct json){.text = text};
    json_open(json, NULL);
    rule_question_show(&telling->cell, question, connection);
    json_text(json, "connection", text_string(&telling->cell));
    if (rule != NULL)
        action = rule->action;
    json_text(json, "action", action < 4 ? actions[action] : "none");
    json_text(json, "by", rule != NULL ? "rule" : loopback ? "loopback" : "default");
    if (rule != NULL) {
        rule_json_name(json, number, rule);
        text_clear(&telling->cell);
        rule_show_text(&telling->cell, telling->sets, rule, NULL);
        json_text(json, "rule", text_string(&telling->cell));
    }
    json_open_list(json, "earlier");
    if (!loopback)
        (void)policy_match(image, telling->sets, connection, NULL, on_miss_json, telling);
    json_close_list(json);
    json_close(json);
    text_add(text, "\n");
    text_clear(&telling->cell);
}

static enum agent_result explain(const struct rule_explain *explain, const struct rule_question *question, bool json,
                                 struct text *text, struct problem *problem)
{
    struct rule_index index = {0};
    struct policy_sets sets = {0};
    struct telling telling = {.explain = explain, .index = &index, .sets = &sets};
    bool failed = !rule_index_init(&index, explain->image) || !policy_sets_init(&sets, explain->image);
    unsigned shown = 0;

    for (unsigned i = 0; !failed && i < question->address_count; i++) {
        struct policy_connection connection;

        if (!rule_question_connection(question, i, &connection))
            continue;
        if (json) {
            explain_one_json(&telling, question, &connection, text);
        } else {
            text_add(text, shown > 0 ? "\n" : "");
            explain_one(&telling, question, &connection, text);
        }
        shown++;
    }
    failed = failed || text->failed || telling.failed;
    text_free(&telling.cell);
    policy_sets_cleanup(&sets);
    rule_index_cleanup(&index);
    if (failed)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (shown == 0)
        return problem_set(problem, AGENT_USAGE, "both ends have to be IPv4 or both IPv6: give another --from.");
    return AGENT_OK;
}

enum agent_result rule_explain_show(const struct rule_explain *what, const struct rule_question *question,
                                    struct text *text, struct problem *problem)
{
    return explain(what, question, false, text, problem);
}

enum agent_result rule_explain_show_json(const struct rule_explain *what, const struct rule_question *question,
                                         struct text *text, struct problem *problem)
{
    return explain(what, question, true, text, problem);
}
