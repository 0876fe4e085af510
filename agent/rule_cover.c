/* SPDX-License-Identifier: MIT */
/*
 * rule_cover.c - see rule_cover.h.
 */
#include "agent/rule_cover.h"

#include <stdlib.h>
#include <string.h>

#include "core/name_pattern.h"
#include "core/path_pattern.h"
#include "core/rule_image.h"

#define WORK_MOST UINT64_C(40000000)

/* Parts of one kind are alternatives: programs, patterns and digests are one. */
static unsigned kind_of(unsigned type)
{
    return type == GATEHOUSE_PART_PATTERN || type == GATEHOUSE_PART_SHA256 ? GATEHOUSE_PART_PROGRAM : type;
}

static bool is_set(unsigned type)
{
    return type >= GATEHOUSE_PART_REMOTE && type <= GATEHOUSE_PART_LOCAL_PORT && type != GATEHOUSE_PART_PROTOCOL;
}

/* Does it say which connections? */
static bool says(unsigned type)
{
    return type != GATEHOUSE_PART_TEXT && type != GATEHOUSE_PART_FILE;
}

/* The kinds that a rule asks about, as bits. */
static uint32_t kinds_of(const struct gatehouse_rule *rule)
{
    uint32_t kinds = 0;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part))
        if (says(part->type))
            kinds |= 1u << kind_of(part->type);
    return kinds;
}

/* Cheap, and enough to drop most pairs. */
static bool may_cover(const struct gatehouse_rule *wide, uint32_t wide_kinds, const struct gatehouse_rule *narrow,
                      uint32_t narrow_kinds)
{
    return wide->until == GATEHOUSE_UNTIL_REMOVED && (wide_kinds & ~narrow_kinds) == 0 &&
           (narrow->direction & ~wide->direction) == 0 && (wide->family == 0 || wide->family == narrow->family) &&
           ((wide->flags & GATEHOUSE_RULE_RAW) == 0 || (narrow->flags & GATEHOUSE_RULE_RAW) != 0);
}

static bool spend(uint64_t *work, uint64_t amount)
{
    if (*work < amount) {
        *work = 0;
        return false;
    }
    *work -= amount;
    return true;
}

/* low and high of a range as bytes in an order that memcmp knows. */
static void read_range(const struct gatehouse_set *set, uint32_t at, uint8_t low[16], uint8_t high[16])
{
    memset(low, 0, 16);
    memset(high, 0, 16);
    if (set->kind == GATEHOUSE_SET_V6) {
        memcpy(low, set_ranges_v6(set)[at].low, 16);
        memcpy(high, set_ranges_v6(set)[at].high, 16);
    } else if (set->kind == GATEHOUSE_SET_V4) {
        for (unsigned i = 0; i < 4; i++) {
            low[i] = (uint8_t)(set_ranges_v4(set)[at].low >> (24 - 8 * i));
            high[i] = (uint8_t)(set_ranges_v4(set)[at].high >> (24 - 8 * i));
        }
    } else {
        low[0] = (uint8_t)(set_ranges_port(set)[at].low >> 8);
        low[1] = (uint8_t)set_ranges_port(set)[at].low;
        high[0] = (uint8_t)(set_ranges_port(set)[at].high >> 8);
        high[1] = (uint8_t)set_ranges_port(set)[at].high;
    }
}

/* Ranges rise and do not touch: one walk over both. */
static bool set_covers(const struct gatehouse_set *wide, const struct gatehouse_set *narrow, uint64_t *work)
{
    uint32_t at = 0;

    if (wide == narrow)
        return true;
    if (wide->kind != narrow->kind || !spend(work, (uint64_t)wide->count + narrow->count))
        return false;
    for (uint32_t i = 0; i < narrow->count; i++) {
        uint8_t low[16], high[16], from[16], to[16];

        read_range(narrow, i, low, high);
        for (;; at++) {
            if (at == wide->count)
                return false;
            read_range(wide, at, from, to);
            if (memcmp(to, low, 16) >= 0)
                break;
        }
        if (memcmp(from, low, 16) > 0 || memcmp(high, to, 16) > 0)
            return false;
    }
    return true;
}

static bool part_covers(const struct policy_sets *sets, const struct gatehouse_rule_part *wide,
                        const struct gatehouse_rule_part *narrow, uint64_t *work)
{
    bool same = wide->data_size == narrow->data_size &&
                memcmp(rule_part_data(wide), rule_part_data(narrow), wide->data_size) == 0;

    if (wide->type == GATEHOUSE_PART_PATTERN && narrow->type == GATEHOUSE_PART_PROGRAM)
        return spend(work, 64) &&
               path_pattern_matches(rule_part_data(wide), wide->data_size, rule_part_data(narrow), narrow->data_size);
    if (wide->type != narrow->type)
        return false;
    /* "*.b" matches all that "*.a.b" does: its text ends so, too. */
    if (wide->type == GATEHOUSE_PART_NAME)
        return same || (spend(work, 16) && name_pattern_matches(rule_part_data(wide), wide->data_size,
                                                                rule_part_data(narrow), narrow->data_size));
    if (!is_set(wide->type))
        return same;
    return set_covers(sets->sets[rule_part_set(wide)], sets->sets[rule_part_set(narrow)], work);
}

static bool part_is_covered(const struct policy_sets *sets, const struct gatehouse_rule *wide,
                            const struct gatehouse_rule_part *narrow, uint64_t *work)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(wide); part != NULL;
         part = rule_next_part(wide, part)) {
        if (!spend(work, 1))
            return false;
        if (kind_of(part->type) == kind_of(narrow->type) && part_covers(sets, part, narrow, work))
            return true;
    }
    return false;
}

static bool covers(const struct policy_sets *sets, const struct gatehouse_rule *wide, uint32_t wide_kinds,
                   const struct gatehouse_rule *narrow, uint64_t *work)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(narrow); part != NULL;
         part = rule_next_part(narrow, part)) {
        if (says(part->type) && (wide_kinds >> kind_of(part->type) & 1u) != 0 &&
            !part_is_covered(sets, wide, part, work))
            return false;
    }
    return *work > 0;
}

bool rule_covers(const struct policy_sets *sets, const struct gatehouse_rule *wide, const struct gatehouse_rule *narrow,
                 uint64_t *work)
{
    uint32_t wide_kinds = kinds_of(wide);

    return may_cover(wide, wide_kinds, narrow, kinds_of(narrow)) && covers(sets, wide, wide_kinds, narrow, work);
}

bool rule_cover_find(const struct rule_index *index, const struct policy_sets *sets, struct rule_cover *cover)
{
    uint32_t *kinds = malloc((index->count + 1u) * sizeof(*kinds));
    uint64_t work = WORK_MOST;
    uint32_t i;

    if (kinds == NULL)
        return false;
    cover->count = 0;
    for (i = 0; i < index->count && work > 0 && cover->count < RULE_COVER_MOST; i++) {
        kinds[i] = kinds_of(index->rules[i]);
        for (uint32_t before = 0; before < i && spend(&work, 1); before++) {
            if (!may_cover(index->rules[before], kinds[before], index->rules[i], kinds[i]) ||
                !covers(sets, index->rules[before], kinds[before], index->rules[i], &work))
                continue;
            cover->list[cover->count++] = (struct rule_covered){i, before};
            break;
        }
    }
    cover->looked = work > 0 ? i : i - 1;
    free(kinds);
    return true;
}
