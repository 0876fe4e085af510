/* SPDX-License-Identifier: MIT */
/*
 * segment.h - filters of one layer in arbitration order, cut into runs of one sublayer each, every run with its index.
 *
 * Immutable, shared by the policies that hold a reference. A policy knows which of a segment's filters it still has
 * (struct wfp_level): the others may be freed, and only their places are left.
 */
#ifndef WFP_SEGMENT_H
#define WFP_SEGMENT_H

#include "wfp/condition_set.h"
#include "wfp/index.h"

#include <stdatomic.h>

#define WFP_RUN_LINEAR 4u /* filters up to which a run is walked one by one */

struct wfp_run {
    UINT64 sublayer_id;
    UINT32 begin, end; /* places */
    UINT16 sublayer_weight;
    BOOLEAN has_callouts;
    struct wfp_index *index; /* NULL: few filters */
};

struct wfp_segment {
    _Atomic(UINT32) refs;
    UINT32 count, run_count;
    UINT64 mass;      /* what building it costs: wfp_filter_mass of all */
    BOOLEAN numbered; /* its filters know their places (policy.c) */
    struct wfp_run *runs;
    struct wfp_filter **filters;
};

/* One segment of a policy. */
struct wfp_level {
    struct wfp_segment *segment;
    UINT32 live;        /* filters that it still has */
    const UINT64 *kept; /* their places, a bit each; NULL: all */
};

static inline BOOLEAN wfp_level_has(const struct wfp_level *level, UINT32 place)
{
    return level->kept == NULL || (level->kept[place / 64] >> place % 64 & 1) != 0;
}

/* 1 for most filters, more for those with long lists. */
static inline UINT64 wfp_filter_mass(const struct wfp_filter *filter)
{
    return 1 + filter->condition_count / WFP_SET_LEAST;
}

/* Arbitration order: sublayers by weight, then filters by weight, high to low; older first among equals.
 * Readers compare filters of one sublayer only. */
int wfp_filter_compare(const struct wfp_filter *a, const struct wfp_filter *b);

/* Of count filters in arbitration order, which are copied; with one reference. NULL: no memory. */
struct wfp_segment *wfp_segment_build(struct wfp_filter *const *filters, UINT32 count);
void wfp_segment_put(struct wfp_segment *segment);

/* The walk through the filters of one sublayer in one level. */
#define WFP_LEVELS 4
struct wfp_source {
    const struct wfp_level *level;
    const struct wfp_run *run;
    UINT32 at; /* of a run without index: the next place */
    struct wfp_search search;
};

void wfp_source_begin(struct wfp_source *source, const struct wfp_level *level, const struct wfp_run *run);

/* The first filter that it could still find; NULL: none. With several levels, the one whose is first goes on. */
const struct wfp_filter *wfp_source_bound(const struct wfp_source *source);

/* FALSE: it is over. TRUE: one step, as little as can be looked at; *found is a filter that matches, or NULL. */
BOOLEAN wfp_source_step(struct wfp_source *source, struct wfp_query *query, struct wfp_filter **found);

#endif
