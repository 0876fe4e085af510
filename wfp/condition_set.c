/* SPDX-License-Identifier: MIT */
/*
 * condition_set.c - sorting and searching the spans of a field. See condition_set.h.
 */
#include "wfp/condition_set.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const struct wfp_span *x = a, *y = b;

    return (x->low > y->low) - (x->low < y->low);
}

/* Sorted, those that touch become one. */
static UINT32 merge(struct wfp_span *spans, UINT32 count)
{
    UINT32 kept = 0;

    for (UINT32 i = 0; i < count; i++) {
        if (kept != 0 && (spans[i].low <= spans[kept - 1].high || spans[i].low == spans[kept - 1].high + 1)) {
            if (spans[i].high > spans[kept - 1].high)
                spans[kept - 1].high = spans[i].high;
        } else {
            spans[kept++] = spans[i];
        }
    }
    return kept;
}

/* Of the conditions from begin to end. FALSE: no memory. *set stays NULL when one is no span. */
static BOOLEAN make(const struct wfp_filter *filter, UINT32 begin, UINT32 end, unsigned width,
                    struct wfp_condition_set **set)
{
    struct wfp_condition_set *made = wfp_alloc(sizeof(*made) + (size_t)(end - begin) * sizeof(made->spans[0]));
    BOOLEAN ascending = TRUE;

    if (made == NULL)
        return FALSE;
    for (UINT32 i = begin; i < end; i++) {
        struct wfp_unpacked room;

        if (!wfp_condition_span(wfp_filter_condition(filter, i, &room), width, &made->spans[i - begin])) {
            wfp_free(made);
            return TRUE;
        }
        ascending = ascending && (i == begin || made->spans[i - begin - 1].low <= made->spans[i - begin].low);
    }
    if (!ascending)
        qsort(made->spans, end - begin, sizeof(made->spans[0]), compare);
    made->count = merge(made->spans, end - begin);
    made->field = wfp_filter_field(filter, begin);
    made->width = (UINT8)width;
    made->begin = begin;
    made->end = end;
    *set = made;
    return TRUE;
}

BOOLEAN wfp_condition_sets_make(const struct wfp_filter *filter, struct wfp_condition_set **sets)
{
    const struct wfp_layer *layer = &wfp_layers[filter->layer];
    UINT32 count = filter->condition_count;
    UINT32 end;

    *sets = NULL;
    for (UINT32 begin = 0; begin < count; begin = end) {
        UINT16 field = wfp_filter_field(filter, begin);
        unsigned width = wfp_field_width(layer->fields[field].type);
        struct wfp_condition_set *set = NULL;

        for (end = begin; end < count && wfp_filter_field(filter, end) == field;)
            end++;
        if (end - begin <= WFP_SET_LEAST || width == 0 || &layer->fields[field] == &layer->fields[layer->flags_field])
            continue;
        if (!make(filter, begin, end, width, &set)) {
            wfp_condition_sets_free(*sets);
            *sets = NULL;
            return FALSE;
        }
        if (set != NULL) {
            set->next = *sets;
            *sets = set;
        }
    }
    return TRUE;
}

void wfp_condition_sets_free(struct wfp_condition_set *sets)
{
    while (sets != NULL) {
        struct wfp_condition_set *next = sets->next;

        wfp_free(sets);
        sets = next;
    }
}

const struct wfp_condition_set *wfp_condition_set_of(const struct wfp_condition_set *sets, unsigned field)
{
    while (sets != NULL && sets->field != field)
        sets = sets->next;
    return sets;
}

BOOLEAN wfp_condition_set_has(const struct wfp_condition_set *set, const FWP_VALUE0 *value, unsigned *bits)
{
    wfp_number number;
    struct wfp_span gap = {0, wfp_number_most(set->width)};
    UINT32 from = 0, to = set->count; /* from: spans that begin at or before number */

    if (!wfp_value_number(value, &number)) {
        *bits = set->width;
        return FALSE;
    }
    while (from < to) {
        UINT32 middle = from + (to - from) / 2;

        if (set->spans[middle].low <= number)
            from = middle + 1;
        else
            to = middle;
    }
    if (from != 0 && number <= set->spans[from - 1].high) {
        *bits = wfp_span_bits(number, set->spans[from - 1], set->width);
        return TRUE;
    }
    if (from != 0)
        gap.low = set->spans[from - 1].high + 1;
    if (from != set->count)
        gap.high = set->spans[from].low - 1;
    *bits = wfp_span_bits(number, gap, set->width);
    return FALSE;
}
