/* SPDX-License-Identifier: MIT */
/*
 * segment.c - building segments, and the walk through one run. See segment.h.
 */
#include "wfp/segment.h"
#include "wfp/sublayer.h"

/* While the sublayer lives: in commits. */
static UINT64 sublayer_id(const struct wfp_filter *filter)
{
    return CONTAINING_RECORD(filter->sublayer, const struct wfp_sublayer, object)->id;
}

int wfp_filter_compare(const struct wfp_filter *a, const struct wfp_filter *b)
{
    if (a->sublayer_weight != b->sublayer_weight)
        return a->sublayer_weight > b->sublayer_weight ? -1 : 1;
    if (a->sublayer != b->sublayer)
        return sublayer_id(a) < sublayer_id(b) ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return wfp_filter_id(a) < wfp_filter_id(b) ? -1 : wfp_filter_id(a) > wfp_filter_id(b);
}

static UINT32 count_runs(struct wfp_filter *const *filters, UINT32 count)
{
    UINT32 runs = 0;

    for (UINT32 i = 0; i < count; i++)
        runs += i == 0 || filters[i]->sublayer != filters[i - 1]->sublayer;
    return runs;
}

static BOOLEAN make_runs(struct wfp_segment *segment)
{
    struct wfp_run *run = NULL;

    for (UINT32 i = 0; i < segment->count; i++) {
        const struct wfp_filter *filter = segment->filters[i];

        if (i + 16 < segment->count)
            __builtin_prefetch(&segment->filters[i + 16]->sublayer);
        if (run == NULL || run->sublayer_id != sublayer_id(filter)) {
            run = &segment->runs[segment->run_count++];
            *run = (struct wfp_run){sublayer_id(filter), i, i, filter->sublayer_weight, FALSE, NULL};
        }
        run->end = i + 1;
        segment->mass += wfp_filter_mass(filter);
        run->has_callouts = run->has_callouts || filter->call != NULL;
    }
    for (UINT32 i = 0; i < segment->run_count; i++) {
        run = &segment->runs[i];
        if (run->end - run->begin <= WFP_RUN_LINEAR)
            continue;
        run->index = wfp_index_build(segment->filters, run->begin, run->end, segment->filters[0]->layer);
        if (run->index == NULL)
            return FALSE;
    }
    return TRUE;
}

struct wfp_segment *wfp_segment_build(struct wfp_filter *const *filters, UINT32 count)
{
    size_t runs = count_runs(filters, count);
    struct wfp_segment *segment =
        wfp_alloc(sizeof(*segment) + runs * sizeof(segment->runs[0]) + count * sizeof(segment->filters[0]));

    if (segment == NULL)
        return NULL;
    segment->runs = (struct wfp_run *)(segment + 1);
    segment->filters = (struct wfp_filter **)(segment->runs + runs);
    segment->count = count;
    memcpy(segment->filters, filters, count * sizeof(filters[0]));
    atomic_store_explicit(&segment->refs, 1, memory_order_relaxed);
    if (make_runs(segment))
        return segment;
    wfp_segment_put(segment);
    return NULL;
}

void wfp_segment_put(struct wfp_segment *segment)
{
    if (atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (UINT32 i = 0; i < segment->run_count; i++)
        wfp_index_free(segment->runs[i].index);
    wfp_free(segment);
}

void wfp_source_begin(struct wfp_source *source, const struct wfp_level *level, const struct wfp_run *run)
{
    source->level = level;
    source->run = run;
    source->at = run->begin;
    if (run->index != NULL)
        wfp_search_begin(&source->search, run->index);
}

const struct wfp_filter *wfp_source_bound(const struct wfp_source *source)
{
    UINT32 place = source->run->index == NULL ? source->at : wfp_search_bound(&source->search);

    while (place < source->run->end && !wfp_level_has(source->level, place))
        place++;
    return place < source->run->end ? source->level->segment->filters[place] : NULL;
}

static BOOLEAN step_linear(struct wfp_source *source, struct wfp_query *query, struct wfp_filter **found)
{
    const struct wfp_level *level = source->level;
    UINT32 place = source->at;

    if (place == source->run->end)
        return FALSE;
    source->at++;
    if (wfp_level_has(level, place) && wfp_match(level->segment->filters[place], ~0ull, query->values, query->looked))
        *found = level->segment->filters[place];
    return TRUE;
}

BOOLEAN wfp_source_step(struct wfp_source *source, struct wfp_query *query, struct wfp_filter **found)
{
    const struct wfp_level *level = source->level;
    UINT32 place, condition;

    *found = NULL;
    if (source->run->index == NULL)
        return step_linear(source, query, found);
    if (wfp_search_bound(&source->search) == WFP_NONE)
        return FALSE;
    wfp_search_step(&source->search, query, &place, &condition);
    if (place != WFP_NONE && wfp_level_has(level, place) &&
        wfp_search_check(&source->search, query, place, condition, level->segment->filters[place]))
        *found = level->segment->filters[place];
    return TRUE;
}
