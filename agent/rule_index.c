/* SPDX-License-Identifier: MIT */
/*
 * rule_index.c - see rule_index.h.
 */
#include "agent/rule_index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/show.h"
#include "core/rule_image.h"
#include "policy/print.h"

#define ID_DIGITS 16u

static int compare_ids(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

/* Digits that two ids have in common, plus one. */
static unsigned digits_apart(uint64_t one, uint64_t other)
{
    unsigned digits = 1;

    while (digits < ID_DIGITS && (one ^ other) >> (64 - 4 * digits) == 0)
        digits++;
    return digits;
}

static bool find_digits(struct rule_index *index)
{
    uint64_t *ids = malloc((index->count + 1u) * sizeof(*ids));

    if (ids == NULL)
        return false;
    for (uint32_t i = 0; i < index->count; i++)
        ids[i] = index->rules[i]->id;
    qsort(ids, index->count, sizeof(*ids), compare_ids);
    index->digits = RULE_INDEX_DIGITS_MIN;
    for (uint32_t i = 1; i < index->count; i++) {
        unsigned digits = digits_apart(ids[i - 1], ids[i]);

        if (digits > index->digits)
            index->digits = digits;
    }
    free(ids);
    return true;
}

bool rule_index_init(struct rule_index *index, const void *image)
{
    uint32_t count = ((const struct gatehouse_rules_image *)image)->rule_count;

    *index = (struct rule_index){.rules = malloc((count + 1u) * sizeof(*index->rules))};
    if (index->rules == NULL)
        return false;
    for (const struct gatehouse_rule *rule = rule_image_first_rule(image); rule != NULL && index->count < count;
         rule = rule_image_next_rule(image, rule))
        index->rules[index->count++] = rule;
    if (find_digits(index))
        return true;
    rule_index_cleanup(index);
    return false;
}

void rule_index_cleanup(struct rule_index *index)
{
    free(index->rules);
    *index = (struct rule_index){0};
}

/* How many rules' ids begin so; *at is the first of them. */
static uint32_t find_prefix(const struct rule_index *index, const char *word, size_t length, uint32_t *at)
{
    uint64_t wanted = strtoull(word, NULL, 16);
    uint32_t found = 0;

    for (uint32_t i = 0; i < index->count; i++) {
        if (index->rules[i]->id >> (64 - 4 * length) != wanted)
            continue;
        if (found++ == 0)
            *at = i;
    }
    return found;
}

enum agent_result rule_index_find(const struct rule_index *index, const char *word, uint32_t *at,
                                  struct problem *problem)
{
    size_t length = strlen(word);
    bool digits = length > 0 && length <= 9 && strspn(word, "0123456789") == length;
    uint64_t number = digits ? strtoull(word, NULL, 10) : 0;
    uint32_t found = 0;

    if (length == 0 || length > ID_DIGITS || strspn(word, "0123456789abcdefABCDEF") != length)
        return problem_set(problem, AGENT_USAGE, "'%.100s' is no rule's number or id: see 'gatehouse rules list'.",
                           word);
    if (!digits || length >= RULE_INDEX_DIGITS_MIN)
        found = find_prefix(index, word, length, at);
    if (found == 0 && number >= 1 && number <= index->count) {
        *at = (uint32_t)number - 1;
        return AGENT_OK;
    }
    if (found == 0)
        return problem_set(problem, AGENT_USAGE, "no rule has the %s '%.100s': see 'gatehouse rules list'.",
                           digits && length < RULE_INDEX_DIGITS_MIN ? "number" : "id", word);
    if (found > 1)
        return problem_set(problem, AGENT_USAGE, "%u rules have ids that begin with '%.100s': write more of it.",
                           (unsigned)found, word);
    return AGENT_OK;
}

void rule_index_show_id(struct text *text, uint64_t id, unsigned digits)
{
    char whole[ID_DIGITS + 1];

    if (digits == 0 || digits > ID_DIGITS)
        digits = ID_DIGITS;
    for (unsigned i = 0; i < ID_DIGITS; i++)
        whole[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 0xF];
    text_add_bytes(text, whole, digits);
}

void rule_show_place(struct text *text, const struct gatehouse_rule *rule)
{
    size_t size = 0;
    const char *file;

    if (rule->place == GATEHOUSE_PLACE_TOP || rule->place == GATEHOUSE_PLACE_ASK) {
        text_add(text, rule->place == GATEHOUSE_PLACE_TOP ? "added" : "answer");
        return;
    }
    file = policy_rule_file(rule, &size);
    if (file == NULL)
        text_add(text, "file");
    else
        show_written(text, file, size);
    if (rule->line != 0)
        text_add_format(text, ":%" PRIu32, rule->line);
}
