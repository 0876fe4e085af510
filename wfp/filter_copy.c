/* SPDX-License-Identifier: MIT */
/*
 * filter_copy.c - packing filters and unpacking FWPM_FILTER0. Two passes over one function: measure, then fill.
 *
 * Conditions are kept once, sorted by field; a list says in which order they were added if that was another.
 */
#include "wfp/filter_copy.h"
#include "wfp/condition_set.h"
#include "wfp/filter_block.h"
#include "wfp/filter_name.h"

#include <string.h>

static BOOLEAN has_callout(const FWPM_FILTER0 *source)
{
    return (source->action.type & FWP_ACTION_FLAG_CALLOUT) != 0;
}

/* Where each condition of source goes: next[field] is the place of the field's next one. FALSE: all stay. */
static BOOLEAN places_of(const FWPM_FILTER0 *source, const struct wfp_layer *layer, UINT32 next[WFP_MAX_FIELDS])
{
    UINT32 counts[WFP_MAX_FIELDS] = {0}, total = 0;
    BOOLEAN moved = FALSE;
    int field = -1;

    for (UINT32 i = 0; i < source->numFilterConditions; i++) {
        int before = field;

        field = wfp_layer_field_near(layer, &source->filterCondition[i].fieldKey, before);
        moved = moved || field < before;
        counts[field]++;
    }
    for (unsigned i = 0; i < WFP_MAX_FIELDS; i++) {
        next[i] = total;
        total += counts[i];
    }
    return moved;
}

/* As a callout gets it. to: NULL while measuring. */
static void pack_shown(struct wfp_arena *arena, const FWPM_FILTER_CONDITION0 *from, int field,
                       FWPS_FILTER_CONDITION0 *to)
{
    FWPS_FILTER_CONDITION0 measured;

    to = to == NULL ? &measured : to;
    to->fieldId = (UINT16)field;
    to->reserved = 0;
    to->matchType = from->matchType;
    wfp_condition_copy(arena, &from->conditionValue, &to->conditionValue);
}

static void pack_small(struct wfp_arena *arena, const FWPM_FILTER_CONDITION0 *from, int field, struct wfp_packed *to)
{
    if (to != NULL) {
        to->field = (UINT8)field;
        to->match = (UINT8)from->matchType;
    }
    wfp_pack_condition(arena, &from->conditionValue, to);
}

/* packed: without a callout, the array; shown: with one. NULL while measuring. */
static void pack_conditions(struct wfp_arena *arena, const FWPM_FILTER0 *source, struct wfp_filter *filter,
                            struct wfp_packed *packed, FWPS_FILTER_CONDITION0 *shown)
{
    const struct wfp_layer *layer = &wfp_layers[filter->layer];
    UINT32 count = source->numFilterConditions;
    UINT32 next[WFP_MAX_FIELDS];
    UINT32 *added = places_of(source, layer, next) ? wfp_arena_take(arena, count * sizeof(*added)) : NULL;
    int field = -1;

    filter->condition_count = count;
    for (UINT32 i = 0; i < count; i++) {
        const FWPM_FILTER_CONDITION0 *from = &source->filterCondition[i];

        field = wfp_layer_field_near(layer, &from->fieldKey, field);
        UINT32 place = next[field]++;
        if (has_callout(source))
            pack_shown(arena, from, field, shown == NULL ? NULL : &shown[place]);
        else
            pack_small(arena, from, field, packed == NULL ? NULL : &packed[place]);
        if (added != NULL)
            added[i] = place;
    }
    if (filter->more != NULL)
        filter->more->added = added;
}

/* What only a filter with a callout has. The conditions, or NULL while measuring. */
static FWPS_FILTER_CONDITION0 *pack_call(struct wfp_arena *arena, const FWPM_FILTER0 *source, struct wfp_filter *filter)
{
    struct wfp_filter_call *call = wfp_arena_take(arena, sizeof(*call));
    FWPS_FILTER_CONDITION0 *shown =
        wfp_arena_take(arena, source->numFilterConditions * sizeof(call->run.filterCondition[0]));

    filter->call = call;
    if (call != NULL) {
        call->run.context = source->rawContext;
        call->run.numFilterConditions = source->numFilterConditions;
        call->run.filterCondition = source->numFilterConditions == 0 ? NULL : shown;
    }
    return shown;
}

static BOOLEAN needs_more(const FWPM_FILTER0 *source, unsigned layer)
{
    UINT32 next[WFP_MAX_FIELDS];

    return source->displayData.description != NULL || source->providerData.size != 0 || source->rawContext != 0 ||
           source->numFilterConditions > WFP_SET_LEAST || places_of(source, &wfp_layers[layer], next);
}

/* Into filter, which is to stand at the arena's start (and anywhere while measuring). */
static void pack(struct wfp_arena *arena, const FWPM_FILTER0 *source, unsigned layer, struct wfp_filter *filter)
{
    struct wfp_filter_more measured = {0};
    struct wfp_packed *packed = NULL;
    FWPS_FILTER_CONDITION0 *shown = NULL;

    wfp_arena_take(arena, sizeof(*filter));
    if (has_callout(source))
        shown = pack_call(arena, source, filter);
    else
        packed = wfp_arena_take(arena, source->numFilterConditions * sizeof(*packed));
    filter->layer = (UINT8)layer;
    filter->action = source->action.type;
    filter->flags = source->flags;
    filter->asked_weight = (UINT8)source->weight.type;
    filter->asked_class = source->weight.type == FWP_UINT8 ? source->weight.uint8 : 0;
    if (needs_more(source, layer)) {
        filter->more = wfp_arena_take(arena, sizeof(*filter->more));
        struct wfp_filter_more *more = filter->more == NULL ? &measured : filter->more;

        more->raw_context = source->rawContext;
        more->description = wfp_arena_string(arena, source->displayData.description);
        more->data.size = source->providerData.size;
        more->data.data = wfp_arena_copy(arena, source->providerData.data, source->providerData.size);
    }
    pack_conditions(arena, source, filter, packed, shown);
}

struct wfp_filter *wfp_filter_pack(const FWPM_FILTER0 *source, unsigned layer, size_t *size)
{
    struct wfp_filter measured = {0};
    struct wfp_filter *filter;
    struct wfp_arena arena = {0};

    pack(&arena, source, layer, &measured);
    if (arena.used > WFP_MAX_FILTER_BYTES)
        return NULL;
    filter = wfp_filter_block_get(arena.used);
    if (filter == NULL)
        return NULL;
    *size = arena.used;
    arena = (struct wfp_arena){(UINT8 *)filter, 0};
    pack(&arena, source, layer, filter);
    filter->name = wfp_filter_name_get(source->displayData.name);
    if (filter->name == NULL) {
        wfp_filter_block_put(filter);
        return NULL;
    }
    return filter;
}

static void copy_weight(struct wfp_arena *arena, UINT64 weight, FWP_VALUE0 *copy)
{
    copy->type = FWP_UINT64;
    copy->uint64 = wfp_arena_copy(arena, &weight, sizeof(weight));
}

static void copy_conditions(struct wfp_arena *arena, const struct wfp_filter *filter, FWPM_FILTER0 *copy)
{
    const struct wfp_layer *layer = &wfp_layers[filter->layer];
    const UINT32 *added = filter->more == NULL ? NULL : filter->more->added;
    UINT32 count = filter->condition_count;
    FWPM_FILTER_CONDITION0 *conditions = count == 0 ? NULL : wfp_arena_take(arena, count * sizeof(*conditions));

    copy->numFilterConditions = count;
    copy->filterCondition = conditions;
    for (UINT32 i = 0; i < count; i++) {
        struct wfp_unpacked room;
        const FWPS_FILTER_CONDITION0 *from = wfp_filter_condition(filter, added == NULL ? i : added[i], &room);
        FWPM_FILTER_CONDITION0 measured;
        FWPM_FILTER_CONDITION0 *to = conditions == NULL ? &measured : &conditions[i];

        to->fieldKey = *layer->fields[from->fieldId].key;
        to->matchType = from->matchType;
        wfp_condition_copy(arena, &from->conditionValue, &to->conditionValue);
    }
}

FWPM_FILTER0 *wfp_filter_copy_into(struct wfp_arena *arena, const struct wfp_filter *filter)
{
    FWPM_FILTER0 measured;
    FWPM_FILTER0 *result = wfp_arena_take(arena, sizeof(*result));
    FWPM_FILTER0 *copy = result == NULL ? &measured : result;

    memset(copy, 0, sizeof(*copy));
    copy->filterKey = filter->object.key;
    copy->displayData.name = wfp_arena_string(arena, filter->name->text);
    if (filter->more != NULL) {
        copy->displayData.description = wfp_arena_string(arena, filter->more->description);
        copy->providerData.size = filter->more->data.size;
        copy->providerData.data = wfp_arena_copy(arena, filter->more->data.data, filter->more->data.size);
    }
    copy->flags = filter->flags;
    if (filter->object.provider != NULL)
        copy->providerKey = wfp_arena_copy(arena, &filter->object.provider->key, sizeof(GUID));
    copy->layerKey = *wfp_layers[filter->layer].key;
    copy->subLayerKey = filter->sublayer->key;
    copy->weight.type = (FWP_DATA_TYPE)filter->asked_weight;
    if (copy->weight.type == FWP_UINT64)
        copy_weight(arena, filter->weight, &copy->weight);
    else if (copy->weight.type == FWP_UINT8)
        copy->weight.uint8 = filter->asked_class;
    copy->action.type = filter->action;
    if (filter->call != NULL)
        copy->action.calloutKey = filter->call->callout->key;
    copy->rawContext = filter->more != NULL ? filter->more->raw_context : 0;
    copy->filterId = wfp_filter_id(filter);
    copy_weight(arena, filter->weight, &copy->effectiveWeight);
    copy_conditions(arena, filter, copy);
    return result;
}

FWPM_FILTER0 *wfp_filter_copy(const struct wfp_filter *filter)
{
    struct wfp_arena arena = {0};

    wfp_filter_copy_into(&arena, filter);
    arena.base = wfp_alloc(arena.used);
    if (arena.base == NULL)
        return NULL;
    arena.used = 0;
    return wfp_filter_copy_into(&arena, filter);
}
