/* SPDX-License-Identifier: MIT */
/*
 * filter_copy.c - deep copies of FWPM_FILTER0. Two passes over one function: measure, then fill.
 */
#include "wfp/filter_copy.h"
#include "wfp/condition.h"

#include <string.h>

static void copy_value(struct wfp_arena *arena, const FWP_VALUE0 *source, FWP_VALUE0 *copy)
{
    *copy = *source;
    if (source->type == FWP_UINT64)
        copy->uint64 = wfp_arena_copy(arena, source->uint64, sizeof(UINT64));
}

/* Insertion sort: few conditions, mostly in order, and equal fields keep their order. */
static void sort(FWPS_FILTER_CONDITION0 *conditions, UINT32 count)
{
    for (UINT32 i = 1; i < count; i++) {
        FWPS_FILTER_CONDITION0 moved = conditions[i];
        UINT32 at = i;

        for (; at > 0 && conditions[at - 1].fieldId > moved.fieldId; at--)
            conditions[at] = conditions[at - 1];
        conditions[at] = moved;
    }
}

static void copy_conditions(struct wfp_arena *arena, const FWPM_FILTER0 *source, FWPM_FILTER0 *copy)
{
    FWPM_FILTER_CONDITION0 *conditions =
        wfp_arena_copy(arena, source->filterCondition, source->numFilterConditions * sizeof(*conditions));

    copy->filterCondition = conditions;
    for (UINT32 i = 0; i < source->numFilterConditions; i++) {
        FWP_CONDITION_VALUE0 measured;

        wfp_condition_copy(arena, &source->filterCondition[i].conditionValue,
                           conditions == NULL ? &measured : &conditions[i].conditionValue);
    }
}

static void derive_run(struct wfp_arena *arena, const FWPM_FILTER0 *copy, const struct wfp_layer *layer,
                       FWPS_FILTER3 *run)
{
    FWPS_FILTER_CONDITION0 *conditions = wfp_arena_take(arena, copy->numFilterConditions * sizeof(*conditions));

    for (UINT32 i = 0; i < copy->numFilterConditions; i++) {
        conditions[i].fieldId = (UINT16)wfp_layer_field(layer, &copy->filterCondition[i].fieldKey);
        conditions[i].reserved = 0;
        conditions[i].matchType = copy->filterCondition[i].matchType;
        conditions[i].conditionValue = copy->filterCondition[i].conditionValue;
    }
    sort(conditions, copy->numFilterConditions);
    run->numFilterConditions = copy->numFilterConditions;
    run->filterCondition = conditions;
}

FWPM_FILTER0 *wfp_filter_copy_into(struct wfp_arena *arena, const FWPM_FILTER0 *source, const struct wfp_layer *layer,
                                   FWPS_FILTER3 *run)
{
    FWPM_FILTER0 measured;
    FWPM_FILTER0 *result = wfp_arena_take(arena, sizeof(*result));
    FWPM_FILTER0 *copy = result == NULL ? &measured : result;

    *copy = *source;
    copy->displayData.name = wfp_arena_string(arena, source->displayData.name);
    copy->displayData.description = wfp_arena_string(arena, source->displayData.description);
    copy->providerKey = wfp_arena_copy(arena, source->providerKey, sizeof(GUID));
    copy->providerData.data = wfp_arena_copy(arena, source->providerData.data, source->providerData.size);
    copy->reserved = NULL;
    copy_value(arena, &source->weight, &copy->weight);
    if (run != NULL)
        memset(&copy->effectiveWeight, 0, sizeof(copy->effectiveWeight));
    else
        copy_value(arena, &source->effectiveWeight, &copy->effectiveWeight);
    copy_conditions(arena, source, copy);
    if (run != NULL && result != NULL)
        derive_run(arena, copy, layer, run);
    else if (run != NULL)
        wfp_arena_take(arena, source->numFilterConditions * sizeof(FWPS_FILTER_CONDITION0));
    return result;
}

size_t wfp_filter_copy_size(const FWPM_FILTER0 *source, const struct wfp_layer *layer, FWPS_FILTER3 *run)
{
    struct wfp_arena arena = {0};

    wfp_filter_copy_into(&arena, source, layer, run);
    return arena.used;
}

FWPM_FILTER0 *wfp_filter_copy(const FWPM_FILTER0 *source, const struct wfp_layer *layer, FWPS_FILTER3 *run)
{
    struct wfp_arena arena = {0};

    wfp_filter_copy_into(&arena, source, layer, run);
    arena.base = wfp_alloc(arena.used);
    if (arena.base == NULL)
        return NULL;
    arena.used = 0;
    return wfp_filter_copy_into(&arena, source, layer, run);
}
