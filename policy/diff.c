/* SPDX-License-Identifier: MIT */
/*
 * diff.c - see diff.h. Rules in both images that keep their order are the longest ascending row of places; the rest of
 * those in both have moved. O(n log n).
 */
#include "policy/diff.h"

#include <stdlib.h>
#include <string.h>

#include "core/rule_image.h"
#include "policy/bytes.h"

#define NONE UINT32_MAX

struct place {
    const struct gatehouse_rule *rule;
    uint32_t number; /* as the image counts */
    uint32_t other;  /* place in the other list; NONE */
    bool kept;       /* in the longest row */
};

struct side {
    struct place *places;
    uint32_t count;
};

static bool side_init(struct side *side, const void *image, bool file_only)
{
    const struct gatehouse_rules_image *header = image;
    const struct gatehouse_rule *rule = header->rule_count == 0 ? NULL : rule_image_first_rule(image);

    side->count = 0;
    side->places = calloc(header->rule_count + 1u, sizeof(*side->places));
    if (side->places == NULL)
        return false;
    for (uint32_t i = 0; rule != NULL; i++, rule = rule_image_next_rule(image, rule)) {
        if (!file_only || rule->place == GATEHOUSE_PLACE_FILE)
            side->places[side->count++] = (struct place){rule, i, NONE, false};
    }
    return true;
}

static int compare_ids(const void *one, const void *other)
{
    const struct place *a = *(const struct place *const *)one, *b = *(const struct place *const *)other;

    return a->rule->id < b->rule->id ? -1 : a->rule->id > b->rule->id;
}

static struct place **sorted(const struct side *side)
{
    struct place **list = calloc(side->count + 1u, sizeof(*list));

    for (uint32_t i = 0; list != NULL && i < side->count; i++)
        list[i] = &side->places[i];
    if (list != NULL)
        qsort(list, side->count, sizeof(struct place *), compare_ids);
    return list;
}

/* Who is who. */
static bool pair(struct side *one, struct side *other)
{
    struct place **a = sorted(one), **b = sorted(other);
    bool good = a != NULL && b != NULL;

    for (uint32_t i = 0, k = 0; good && i < one->count && k < other->count;) {
        if (a[i]->rule->id < b[k]->rule->id) {
            i++;
        } else if (a[i]->rule->id > b[k]->rule->id) {
            k++;
        } else {
            a[i]->other = (uint32_t)(b[k] - other->places);
            b[k]->other = (uint32_t)(a[i] - one->places);
            i++;
            k++;
        }
    }
    free(a);
    free(b);
    return good;
}

/* The longest row of new places whose old places ascend: marked as kept in both. */
static bool keep_longest(struct side *one, struct side *other)
{
    uint32_t *ends = calloc(other->count + 1u, sizeof(*ends)), *before = calloc(other->count + 1u, sizeof(*before));
    uint32_t length = 0;

    for (uint32_t i = 0; ends != NULL && before != NULL && i < other->count; i++) {
        uint32_t low = 0, high = length;

        if (other->places[i].other == NONE)
            continue;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;

            if (other->places[ends[middle]].other < other->places[i].other)
                low = middle + 1;
            else
                high = middle;
        }
        before[i] = low == 0 ? NONE : ends[low - 1];
        ends[low] = i;
        if (low == length)
            length++;
    }
    for (uint32_t i = length == 0 ? NONE : ends[length - 1]; i != NONE; i = before[i]) {
        other->places[i].kept = true;
        one->places[other->places[i].other].kept = true;
    }
    free(ends);
    free(before);
    return ends != NULL && before != NULL;
}

static void add(struct bytes *list, enum policy_difference_kind kind, const struct place *old_place,
                const struct place *new_place)
{
    struct policy_difference difference = {kind, old_place == NULL ? NONE : old_place->number,
                                           new_place == NULL ? NONE : new_place->number,
                                           new_place == NULL ? old_place->rule : new_place->rule};

    bytes_add(list, &difference, sizeof(difference));
}

/* Along the rows that both keep: first what left the old one here, then what came into the new one. */
static void tell(const struct side *one, const struct side *other, struct bytes *list)
{
    uint32_t i = 0, k = 0;

    while (i < one->count || k < other->count) {
        for (; i < one->count && !one->places[i].kept; i++) {
            if (one->places[i].other == NONE)
                add(list, POLICY_REMOVED, &one->places[i], NULL);
        }
        for (; k < other->count && !other->places[k].kept; k++) {
            const struct place *place = &other->places[k];

            if (place->other == NONE)
                add(list, POLICY_ADDED, NULL, place);
            else
                add(list, POLICY_MOVED, &one->places[place->other], place);
        }
        i += i < one->count;
        k += k < other->count;
    }
}

bool policy_diff(const void *old_image, const void *new_image, bool file_only, struct policy_difference **list,
                 size_t *count)
{
    struct side one = {0}, other = {0};
    struct bytes found = {0};
    bool good = side_init(&one, old_image, file_only) && side_init(&other, new_image, file_only) &&
                pair(&one, &other) && keep_longest(&one, &other);

    if (good)
        tell(&one, &other, &found);
    good = good && !found.failed;
    free(one.places);
    free(other.places);
    if (!good) {
        bytes_cleanup(&found);
        return false;
    }
    *list = (struct policy_difference *)(void *)found.at;
    *count = found.size / sizeof(**list);
    return true;
}

char *policy_difference_text(const struct policy_difference *difference, const struct policy_sets *sets,
                             const struct policy_print_options *options)
{
    static const char marks[] = {[POLICY_ADDED] = '+', [POLICY_REMOVED] = '-', [POLICY_MOVED] = '>'};
    char *rule = policy_print_rule(sets, difference->rule, options);
    struct bytes text = {0};

    if (rule == NULL)
        return NULL;
    bytes_print(&text, "%c ", marks[difference->kind]);
    bytes_add(&text, rule, strlen(rule));
    free(rule);
    return bytes_string(&text);
}
