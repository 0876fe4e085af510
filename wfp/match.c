/* SPDX-License-Identifier: MIT */
/*
 * match.c - conditions met, with what was looked at. See match.h. wfp_conditions_match is the plain twin.
 */
#include "wfp/match.h"
#include "wfp/condition_set.h"

/* What one field took. */
struct proof {
    UINT16 field;
    UINT16 bits;  /* leading ones */
    UINT32 flags; /* of FLAGS */
};

static void note(struct wfp_looked *looked, const UINT8 *roles, const struct proof *proof)
{
    if (roles[proof->field] == WFP_ROLE_FLAGS)
        wfp_look_flags(looked, proof->field, proof->flags);
    else
        wfp_look(looked, roles, proof->field, proof->bits);
}

/* The flags that a condition on FLAGS reads. */
static UINT32 flags_of(const FWPS_FILTER_CONDITION0 *condition)
{
    return condition->matchType >= FWP_MATCH_FLAGS_ALL_SET && condition->matchType <= FWP_MATCH_FLAGS_NONE_SET &&
                   condition->conditionValue.type == FWP_UINT32
               ? condition->conditionValue.uint32
               : ~0u;
}

/* So many leading bits of value tell whether it meets the condition. */
static unsigned bits_of(const FWPS_FILTER_CONDITION0 *condition, const FWP_VALUE0 *value, unsigned width)
{
    const FWP_CONDITION_VALUE0 *wanted = &condition->conditionValue;
    struct wfp_span span, side = {0, wfp_number_most(width)};
    wfp_number number;

    if (wanted->type == FWP_V4_ADDR_MASK && value->type == FWP_UINT32) {
        UINT32 apart = (value->uint32 ^ wanted->v4AddrMask->addr) & wanted->v4AddrMask->mask;

        return apart != 0 ? (unsigned)__builtin_clz(apart) + 1 : (unsigned)__builtin_popcount(wanted->v4AddrMask->mask);
    }
    if (!wfp_value_number(value, &number) || !wfp_condition_span(condition, width, &span))
        return width;
    if (number < span.low)
        side.high = span.low - 1;
    else if (number > span.high)
        side.low = span.high + 1;
    else
        side = span;
    return wfp_span_bits(number, side, width);
}

static unsigned width_of(enum wfp_role role, const FWP_VALUE0 *value)
{
    switch (role) {
    case WFP_ROLE_REMOTE_PORT:
    case WFP_ROLE_LOCAL_PORT:
        return 16;
    case WFP_ROLE_REMOTE_ADDRESS:
    case WFP_ROLE_LOCAL_ADDRESS:
        return value->type == FWP_UINT32 ? 32 : 128;
    default:
        return 0; /* counts as a whole */
    }
}

/* Conditions from *at on, all on one field, one by one; *at goes behind them. */
static BOOLEAN try_each(const struct wfp_filter *filter, UINT32 *at, const FWP_VALUE0 *value, enum wfp_role role,
                        struct proof *proof)
{
    unsigned width = width_of(role, value);
    UINT32 i = *at;
    BOOLEAN met = FALSE;

    for (; i < filter->condition_count && wfp_filter_field(filter, i) == proof->field; i++) {
        struct wfp_unpacked room;
        const FWPS_FILTER_CONDITION0 *condition;
        unsigned bits;

        if (met)
            continue;
        condition = wfp_filter_condition(filter, i, &room);
        met = wfp_condition_met(condition, value);
        if (width != 0) {
            bits = bits_of(condition, value, width);
            proof->bits = (UINT16)(met || bits > proof->bits ? bits : proof->bits);
        } else if (role == WFP_ROLE_FLAGS) {
            proof->flags = met ? flags_of(condition) : proof->flags | flags_of(condition);
        }
    }
    *at = i;
    return met;
}

/* The field whose conditions begin at *at. */
static BOOLEAN try_field(const struct wfp_filter *filter, UINT32 *at, const FWP_VALUE0 *value, enum wfp_role role,
                         struct proof *proof)
{
    const struct wfp_condition_set *set = wfp_condition_set_of(wfp_filter_sets(filter), proof->field);
    unsigned bits;
    BOOLEAN met;

    if (set == NULL)
        return try_each(filter, at, value, role, proof);
    met = wfp_condition_set_has(set, value, &bits);
    proof->bits = (UINT16)bits;
    *at = set->end;
    return met;
}

static void skip_field(const struct wfp_filter *filter, UINT32 *at, UINT16 field)
{
    const struct wfp_condition_set *set = wfp_condition_set_of(wfp_filter_sets(filter), field);

    if (set != NULL) {
        *at = set->end;
        return;
    }
    while (*at < filter->condition_count && wfp_filter_field(filter, *at) == field)
        ++*at;
}

BOOLEAN wfp_match(const struct wfp_filter *filter, UINT64 fields, const FWPS_INCOMING_VALUE0 *values,
                  struct wfp_looked *looked)
{
    const UINT8 *roles = wfp_roles[filter->layer];
    struct proof proofs[WFP_MAX_FIELDS];
    unsigned count = 0;
    UINT32 at = 0;

    while (at < filter->condition_count) {
        UINT16 field = wfp_filter_field(filter, at);

        if ((fields & 1ull << field) == 0) {
            skip_field(filter, &at, field);
            continue;
        }
        proofs[count] = (struct proof){.field = field};
        if (!try_field(filter, &at, &values[field].value, (enum wfp_role)roles[field], &proofs[count])) {
            note(looked, roles, &proofs[count]);
            return FALSE;
        }
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        note(looked, roles, &proofs[i]);
    return TRUE;
}
