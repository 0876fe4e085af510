/* SPDX-License-Identifier: MIT */
/*
 * condition_set.h - many conditions of one filter on one numeric field, as sorted spans: found by halves, not one by
 * one.
 *
 * Made when the filter is added, for each field with more than WFP_SET_LEAST conditions that are all spans. Immutable.
 */
#ifndef WFP_CONDITION_SET_H
#define WFP_CONDITION_SET_H

#include "wfp/condition.h"
#include "wfp/filter.h"

#define WFP_SET_LEAST 8u

struct wfp_condition_set {
    struct wfp_condition_set *next;
    UINT16 field;
    UINT8 width;
    UINT32 begin, end; /* its conditions in the filter */
    UINT32 count;
    struct wfp_span spans[]; /* ascending, apart */
};

/* For filter's conditions, sorted by fieldId: *sets, NULL if it needs none. FALSE: no memory. */
BOOLEAN wfp_condition_sets_make(const struct wfp_filter *filter, struct wfp_condition_set **sets);
void wfp_condition_sets_free(struct wfp_condition_set *sets);

/* NULL: the field has none. */
const struct wfp_condition_set *wfp_condition_set_of(const struct wfp_condition_set *sets, unsigned field);

/* Whether value is in a span; *bits: so many of its leading bits tell. */
BOOLEAN wfp_condition_set_has(const struct wfp_condition_set *set, const FWP_VALUE0 *value, unsigned *bits);

#endif
