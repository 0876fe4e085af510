/* SPDX-License-Identifier: MIT */
/*
 * rule_change.c - see rule_change.h.
 */
#include "agent/rule_change.h"

#include <stdlib.h>
#include <string.h>

#include "agent/rule_show.h"
#include "agent/show.h"
#include "core/rule_image.h"

static uint32_t count_file_rules(const void *image)
{
    uint32_t count = 0;

    for (const struct gatehouse_rule *rule = rule_image_first_rule(image); rule != NULL;
         rule = rule_image_next_rule(image, rule))
        count += rule->place == GATEHOUSE_PLACE_FILE;
    return count;
}

enum agent_result rule_change_find(const void *old_image, const void *new_image, struct rule_change *change,
                                   struct problem *problem)
{
    struct rule_change found = {0};

    if (!policy_sets_init(&found.old_sets, old_image) || !policy_sets_init(&found.new_sets, new_image) ||
        !policy_diff(old_image, new_image, true, &found.list, &found.count)) {
        rule_change_free(&found);
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    }
    for (size_t i = 0; i < found.count; i++) {
        found.added += found.list[i].kind == POLICY_ADDED;
        found.removed += found.list[i].kind == POLICY_REMOVED;
        found.moved += found.list[i].kind == POLICY_MOVED;
    }
    found.unchanged = count_file_rules(new_image) - found.added;
    *change = found;
    return AGENT_OK;
}

void rule_change_free(struct rule_change *change)
{
    free(change->list);
    policy_sets_cleanup(&change->old_sets);
    policy_sets_cleanup(&change->new_sets);
    *change = (struct rule_change){0};
}

bool rule_change_any(const struct rule_change *change)
{
    return change->count > 0;
}

void rule_change_show(const struct rule_change *change, const char *file, struct text *text)
{
    text_add(text, "loaded ");
    show_written_path(text, file);
    text_add_format(text, ": %u rule%s added, %u removed, %u unchanged", (unsigned)change->added,
                    change->added == 1 ? "" : "s", (unsigned)change->removed, (unsigned)change->unchanged);
    if (change->moved > 0)
        text_add_format(text, ", of these %u moved", (unsigned)change->moved);
    text_add(text, "\n");
}

void rule_change_show_json(const struct rule_change *change, struct text *text)
{
    struct json json = {.text = text};

    json_open(&json, NULL);
    json_text(&json, "kind", "loaded");
    json_number(&json, "added", change->added);
    json_number(&json, "removed", change->removed);
    json_number(&json, "moved", change->moved);
    json_number(&json, "unchanged", change->unchanged);
    json_close(&json);
    text_add(text, "\n");
}

static const struct policy_sets *sets_of(const struct rule_change *change, const struct policy_difference *difference)
{
    return difference->kind == POLICY_REMOVED ? &change->old_sets : &change->new_sets;
}

void rule_change_list(const struct rule_change *change, struct text *text)
{
    static const char *const signs[] = {[POLICY_ADDED] = "+ ", [POLICY_REMOVED] = "- ", [POLICY_MOVED] = "> "};

    for (size_t i = 0; i < change->count; i++) {
        const struct policy_difference *difference = &change->list[i];

        text_add(text, signs[difference->kind]);
        rule_show_place(text, difference->rule);
        text_add(text, ": ");
        rule_show_text(text, sets_of(change, difference), difference->rule, NULL);
        text_add(text, "\n");
    }
}

void rule_change_list_json(const struct rule_change *change, struct text *text)
{
    static const char *const kinds[] = {
        [POLICY_ADDED] = "added", [POLICY_REMOVED] = "removed", [POLICY_MOVED] = "moved"};
    struct text line = {0};

    for (size_t i = 0; i < change->count; i++) {
        const struct policy_difference *difference = &change->list[i];
        bool gone = difference->kind == POLICY_REMOVED;
        struct json json = {.text = text};

        json_open(&json, NULL);
        json_text(&json, "kind", kinds[difference->kind]);
        rule_json_name(&json, gone ? difference->old_number : difference->new_number, difference->rule);
        text_clear(&line);
        rule_show_text(&line, sets_of(change, difference), difference->rule, NULL);
        json_text(&json, "rule", text_string(&line));
        json_close(&json);
        text_add(text, "\n");
    }
    text->failed = text->failed || line.failed;
    text_free(&line);
}
