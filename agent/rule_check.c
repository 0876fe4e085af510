/* SPDX-License-Identifier: MIT */
/*
 * rule_check.c - see rule_check.h.
 */
#include "agent/rule_check.h"

#include <stdlib.h>

#include "agent/rule_cover.h"
#include "agent/rule_index.h"
#include "agent/rule_show.h"
#include "agent/show.h"
#include "core/rule_image.h"

#define SHOWN_MOST 20u /* warnings; JSON has all */

struct checked {
    struct rule_index index;
    struct policy_sets sets;
    struct rule_cover cover;
    uint64_t addresses; /* ranges of addresses, in all sets */
};

static void checked_free(struct checked *checked)
{
    if (checked == NULL)
        return;
    rule_index_cleanup(&checked->index);
    policy_sets_cleanup(&checked->sets);
    free(checked);
}

static struct checked *look(const struct rule_file *file, struct problem *problem)
{
    struct checked *checked = calloc(1, sizeof(*checked));

    if (checked == NULL || !rule_index_init(&checked->index, file->image.bytes) ||
        !policy_sets_init(&checked->sets, file->image.bytes) ||
        !rule_cover_find(&checked->index, &checked->sets, &checked->cover)) {
        checked_free(checked);
        problem_set(problem, AGENT_FAILED, "out of memory.");
        return NULL;
    }
    for (uint32_t i = 0; i < checked->sets.count; i++)
        if (checked->sets.sets[i]->kind != GATEHOUSE_SET_PORT)
            checked->addresses += checked->sets.sets[i]->count;
    return checked;
}

static void show_warning(const struct checked *checked, const struct rule_covered *covered, struct text *text)
{
    rule_show_place(text, checked->index.rules[covered->rule]);
    text_add(text, ": warning: this rule never matches, because ");
    rule_show_place(text, checked->index.rules[covered->by]);
    text_add(text, " matches all that it does and comes first\n    ");
    rule_show_text(text, &checked->sets, checked->index.rules[covered->rule], NULL);
    text_add(text, "\n    ");
    rule_show_text(text, &checked->sets, checked->index.rules[covered->by], NULL);
    text_add(text, "\n");
}

enum agent_result rule_check_show(const struct rule_file *file, struct text *summary, struct text *warnings,
                                  struct problem *problem)
{
    struct checked *checked = look(file, problem);
    unsigned count;

    if (checked == NULL)
        return AGENT_FAILED;
    for (unsigned i = 0; i < checked->cover.count && i < SHOWN_MOST; i++)
        show_warning(checked, &checked->cover.list[i], warnings);
    if (checked->cover.count > SHOWN_MOST)
        text_add_format(warnings, "... and %u more such rules; --json tells all\n", checked->cover.count - SHOWN_MOST);
    count = file->warnings + checked->cover.count;
    show_written_path(summary, file->name);
    text_add_format(summary, ": %u rule%s, %u set%s, %llu address%s or range%s", (unsigned)checked->index.count,
                    checked->index.count == 1 ? "" : "s", (unsigned)checked->sets.count,
                    checked->sets.count == 1 ? "" : "s", (unsigned long long)checked->addresses,
                    checked->addresses == 1 ? "" : "es", checked->addresses == 1 ? "" : "s");
    if (count > 0)
        text_add_format(summary, "; %u warning%s", count, count == 1 ? "" : "s");
    text_add(summary, "\n");
    if (checked->cover.looked < checked->index.count)
        text_add_format(summary, "only the first %u rules were compared with those before them\n",
                        (unsigned)checked->cover.looked);
    checked_free(checked);
    return AGENT_OK;
}

enum agent_result rule_check_show_json(const struct rule_file *file, struct text *text, struct problem *problem)
{
    struct checked *checked = look(file, problem);
    struct json json = {.text = text};

    if (checked == NULL)
        return AGENT_FAILED;
    for (unsigned i = 0; i < checked->cover.count; i++) {
        const struct rule_covered *covered = &checked->cover.list[i];

        json.follows = false;
        json_open(&json, NULL);
        json_text(&json, "kind", "never-matches");
        rule_json_name(&json, covered->rule, checked->index.rules[covered->rule]);
        json_open(&json, "covered_by");
        rule_json_name(&json, covered->by, checked->index.rules[covered->by]);
        json_close(&json);
        json_close(&json);
        text_add(text, "\n");
    }
    json.follows = false;
    json_open(&json, NULL);
    json_text(&json, "kind", "summary");
    json_text(&json, "file", file->name);
    json_number(&json, "rules", checked->index.count);
    json_number(&json, "sets", checked->sets.count);
    json_number(&json, "ranges", checked->addresses);
    json_number(&json, "warnings", file->warnings + checked->cover.count);
    json_number(&json, "compared", checked->cover.looked);
    json_close(&json);
    text_add(text, "\n");
    checked_free(checked);
    return AGENT_OK;
}
