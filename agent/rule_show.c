/* SPDX-License-Identifier: MIT */
/*
 * rule_show.c - see rule_show.h.
 */
#include "agent/rule_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/show.h"
#include "agent/table.h"

void rule_show_text(struct text *text, const struct policy_sets *sets, const struct gatehouse_rule *rule,
                    const struct policy_print_options *options)
{
    char *line = options == NULL ? policy_rule_text(sets, rule, NULL) : policy_print_rule(sets, rule, options);

    if (line == NULL)
        text->failed = true;
    else
        show_written(text, line, strlen(line));
    free(line);
}

static const char *place_name(unsigned place)
{
    if (place == GATEHOUSE_PLACE_TOP)
        return "added";
    return place == GATEHOUSE_PLACE_ASK ? "answer" : "file";
}

void rule_json_name(struct json *json, uint32_t number, const struct gatehouse_rule *rule)
{
    struct text id = {0};
    size_t size = 0;
    const char *file = policy_rule_file(rule, &size);

    rule_index_show_id(&id, rule->id, 0);
    json_number(json, "number", (uint64_t)number + 1);
    json_text(json, "id", text_string(&id));
    text_free(&id);
    json_text(json, "place", place_name(rule->place));
    if (file != NULL && rule->place == GATEHOUSE_PLACE_FILE)
        json_bytes(json, "file", file, size);
    if (rule->line != 0 && rule->place == GATEHOUSE_PLACE_FILE)
        json_number(json, "line", rule->line);
}

static void show_ends(struct text *cell, const struct gatehouse_rule *rule, uint64_t now)
{
    switch (rule->until) {
    case GATEHOUSE_UNTIL_TIME:
        text_add(cell, rule->ends > now ? "in " : "now");
        if (rule->ends > now)
            show_duration(cell, rule->ends - now);
        break;
    case GATEHOUSE_UNTIL_EXIT:
        text_add(cell, "at exit");
        break;
    case GATEHOUSE_UNTIL_REBOOT:
        text_add(cell, "at reboot");
        break;
    default:
        text_add(cell, "-");
        break;
    }
}

static void show_hits(struct table *table, struct text *cell, const struct rule_list *list,
                      const struct gatehouse_rule *rule)
{
    const struct rule_hit *hit = rule_hits_find(list->hits, rule->id);

    if (!list->hits->counted)
        text_add(cell, "-");
    else
        text_add_format(cell, "%" PRIu64, hit == NULL ? 0 : hit->hits);
    table_take(table, cell);
    if (hit == NULL || hit->last == 0) {
        text_add(cell, "-");
    } else {
        show_about(cell, list->now > hit->last ? list->now - hit->last : 0);
        text_add(cell, " ago");
    }
    table_take(table, cell);
}

void rule_list_show(const struct rule_list *list, struct text *text)
{
    /* What has no bound comes last: nothing is pushed aside, and nothing cut. */
    static const struct table_column columns[] = {{"#", true, 0},    {"ID", false, 0},       {"PLACE", false, 0},
                                                  {"HITS", true, 0}, {"LAST USE", false, 0}, {"ENDS", false, 0},
                                                  {"RULE", false, 0}};
    struct text cell = {0};
    struct table table;

    table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    for (uint32_t i = 0; i < list->index->count; i++) {
        const struct gatehouse_rule *rule = list->index->rules[i];

        text_add_format(&cell, "%u", (unsigned)i + 1);
        table_take(&table, &cell);
        rule_index_show_id(&cell, rule->id, list->index->digits);
        table_take(&table, &cell);
        rule_show_place(&cell, rule);
        table_take(&table, &cell);
        show_hits(&table, &cell, list, rule);
        show_ends(&cell, rule, list->now);
        table_take(&table, &cell);
        rule_show_text(&cell, list->sets, rule, list->print);
        table_take(&table, &cell);
    }
    table_show(&table, text);
    table_free(&table);
    text_free(&cell);
}

static void json_when(struct json *json, const char *name, uint64_t time)
{
    struct text value = {0};

    if (time != 0)
        show_time_utc(&value, time);
    json_text(json, name, time == 0 ? NULL : text_string(&value));
    text_free(&value);
}

void rule_list_show_json(const struct rule_list *list, struct text *text)
{
    static const char *const actions[] = {"", "permit", "block", "ask"};
    static const char *const untils[] = {"removed", "time", "exit", "reboot"};
    struct text line = {0};

    for (uint32_t i = 0; i < list->index->count; i++) {
        const struct gatehouse_rule *rule = list->index->rules[i];
        const struct rule_hit *hit = rule_hits_find(list->hits, rule->id);
        struct json json = {.text = text};

        json_open(&json, NULL);
        rule_json_name(&json, i, rule);
        json_text(&json, "action", actions[rule->action & 3u]);
        text_clear(&line);
        rule_show_text(&line, list->sets, rule, list->print);
        json_text(&json, "rule", text_string(&line));
        if (list->hits->counted) {
            json_number(&json, "hits", hit == NULL ? 0 : hit->hits);
            json_when(&json, "last", hit == NULL ? 0 : hit->last);
        } else {
            json_text(&json, "hits", NULL);
            json_text(&json, "last", NULL);
        }
        json_text(&json, "until", untils[rule->until & 3u]);
        json_when(&json, "ends", rule->ends);
        json_when(&json, "added", rule->added);
        json_close(&json);
        text_add(text, "\n");
    }
    text->failed = text->failed || line.failed;
    text_free(&line);
}

void rule_show_string(struct text *text, const char *string)
{
    text_add(text, "\"");
    for (; *string != '\0'; string++) {
        if (*string == '"' || *string == '\\')
            text_add_bytes(text, "\\", 1);
        text_add_bytes(text, string, 1);
    }
    text_add(text, "\"");
}
