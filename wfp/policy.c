/* SPDX-License-Identifier: MIT */
/*
 * policy.c - published filter lists, and who may free them when.
 *
 * current packs the pointer (low 48 bits: user-space addresses fit) and the number of readers that took
 * it since the swap (high 16 bits: readers inside classify at one moment, far below 65,536). A reader
 * gives back either there, if the policy is still current, or in held. held starts at CURRENT, so it
 * cannot reach 0 before the swap has moved the outside count into it.
 */
#include "wfp/policy.h"
#include "wfp/memory.h"

#include <stdlib.h>
#include <string.h>

#define READER  (1ull << 48)
#define POINTER (READER - 1)
#define CURRENT ((INT64)1 << 40)

/*
 * Filters (by wfp_filter_mass) of the smallest level, which each commit makes anew, and of those between it and the
 * largest: a change of one filter among 100,000 is mostly microseconds, each 1,024th one milliseconds, and only each
 * 16,384th makes the largest level anew.
 */
#define SMALL  32u
#define MIDDLE 1024u
#define LARGE  16384u
static UINT32 small = SMALL, middle = MIDDLE, large = LARGE;

static struct wfp_policy *policy_of(UINT64 word)
{
    return (struct wfp_policy *)(uintptr_t)(word & POINTER);
}

static void free_policy(struct wfp_policy *policy)
{
    while (policy->retired != NULL) {
        struct wfp_filter *filter = policy->retired;

        policy->retired = filter->retired_next;
        wfp_filter_free(filter);
    }
    wfp_policy_drop(policy);
}

/* Takes count from held and frees what that leaves unheld: the policy, then perhaps its successors. */
static void unhold(struct wfp_policy *policy, INT64 count)
{
    while (policy != NULL && atomic_fetch_sub_explicit(&policy->held, count, memory_order_acq_rel) == count) {
        struct wfp_policy *newer = policy->newer;

        free_policy(policy);
        policy = newer;
        count = 1;
    }
}

struct wfp_policy *wfp_policy_acquire(struct wfp_live_layer *layer)
{
    return policy_of(atomic_fetch_add_explicit(&layer->current, READER, memory_order_acquire));
}

void wfp_policy_release(struct wfp_live_layer *layer, struct wfp_policy *policy)
{
    UINT64 word = atomic_load_explicit(&layer->current, memory_order_relaxed);

    while (policy_of(word) == policy && word >= READER) {
        if (atomic_compare_exchange_weak_explicit(&layer->current, &word, word - READER, memory_order_release,
                                                  memory_order_relaxed))
            return;
    }
    unhold(policy, 1);
}

static int compare_links(const void *a, const void *b)
{
    return wfp_filter_compare(*(struct wfp_filter *const *)a, *(struct wfp_filter *const *)b);
}

static size_t word_count(const struct wfp_level *level)
{
    return ((size_t)level->segment->count + 63) / 64;
}

void wfp_policy_set_steps(UINT32 small_count, UINT32 middle_count)
{
    small = small_count != 0 ? small_count : SMALL;
    middle = middle_count != 0 ? middle_count : MIDDLE;
    large = middle_count != 0 ? 3 * middle_count : LARGE;
}

/* What the successor keeps of one level of the old policy. */
struct kept {
    struct wfp_level level; /* of the old policy; live as it will be */
    UINT64 *bits;           /* in the new policy, if it stays a level there */
    BOOLEAN merged;
    BOOLEAN changed;
};

struct plan {
    struct kept kept[WFP_LEVELS];
    unsigned count;
    struct wfp_policy_change *change;
};

/* The level that the filter is in. */
static struct kept *level_of(struct plan *plan, const struct wfp_filter *filter)
{
    unsigned i = 0;

    /* A kept level has a segment: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    while (filter->place >= plan->kept[i].level.segment->count ||
           plan->kept[i].level.segment->filters[filter->place] != filter ||
           !wfp_level_has(&plan->kept[i].level, filter->place))
        i++;
    return &plan->kept[i];
}

/* Sizes below a step are one kind: there is one level of each. */
static unsigned kind_of(UINT64 mass)
{
    return mass <= small ? 0 : mass <= middle ? 1 : mass <= large ? 2 : 3;
}

/* Which levels the added filters take with them: those no larger in kind, and those that are mostly gaps. */
static void choose_merged(struct plan *plan)
{
    UINT64 total = 0;

    for (UINT32 i = 0; i < plan->change->added_count; i++)
        total += wfp_filter_mass(plan->change->added[i]);
    for (unsigned i = plan->count; total != 0 && i-- != 0;) {
        struct kept *kept = &plan->kept[i];
        UINT64 mass = kept->level.segment->mass * kept->level.live / kept->level.segment->count;

        if (kind_of(mass) <= kind_of(total) || kept->level.live < kept->level.segment->count / 2) {
            kept->merged = TRUE;
            total += mass;
        }
    }
}

static void make_plan(struct plan *plan, const struct wfp_policy *old, struct wfp_policy_change *change)
{
    plan->change = change;
    for (unsigned i = 0; old != NULL && i < old->level_count; i++)
        plan->kept[plan->count++] = (struct kept){.level = old->levels[i]};
    for (struct wfp_filter *filter = change->deleted; filter != NULL; filter = filter->retired_next) {
        struct kept *kept = level_of(plan, filter);

        kept->level.live--;
        kept->changed = TRUE;
    }
    choose_merged(plan);
}

static BOOLEAN stays(const struct kept *kept)
{
    return !kept->merged && kept->level.live != 0;
}

/* All filters of the level that are not deleted, behind those in to, both in order: merged in place from the end. */
static UINT32 merge_level(struct wfp_filter **to, UINT32 count, const struct wfp_level *level)
{
    UINT32 at = count + level->live;
    UINT32 total = at;

    for (UINT32 place = level->segment->count; place-- != 0;) {
        struct wfp_filter *filter = level->segment->filters[place];

        if (!wfp_level_has(level, place) || filter->object.deleted)
            continue;
        while (count != 0 && wfp_filter_compare(to[count - 1], filter) > 0)
            to[--at] = to[--count];
        to[--at] = filter;
    }
    return total;
}

/* The added filters and the merged levels as one segment. NULL: no memory. */
static struct wfp_segment *build_segment(struct plan *plan)
{
    UINT32 total = plan->change->added_count;
    UINT32 count = total;
    struct wfp_filter **all;
    struct wfp_segment *segment;

    for (unsigned i = 0; i < plan->count; i++)
        total += plan->kept[i].merged ? plan->kept[i].level.live : 0;
    all = wfp_alloc(total * sizeof(all[0]));
    if (all == NULL)
        return NULL;
    memcpy(all, plan->change->added, count * sizeof(all[0]));
    qsort(all, count, sizeof(all[0]), compare_links);
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->kept[i].merged)
            count = merge_level(all, count, &plan->kept[i].level);
    segment = wfp_segment_build(all, total);
    wfp_free(all);
    return segment;
}

static struct wfp_policy *get_memory(size_t words, BOOLEAN certain)
{
    size_t size = sizeof(struct wfp_policy) + words * sizeof(UINT64);
    struct wfp_policy *policy = wfp_alloc(size);

    if (policy == NULL && certain) {
        policy = calloc(1, size);
        if (policy != NULL)
            policy->from_heap = TRUE;
    }
    return policy;
}

/* A level goes over as it is, or with bits for what it still has. */
static UINT64 *keep_level(struct wfp_policy *policy, struct kept *kept, UINT64 *bits)
{
    struct wfp_level *level = &policy->levels[policy->level_count++];
    size_t words = word_count(&kept->level);

    *level = kept->level;
    atomic_fetch_add_explicit(&level->segment->refs, 1, memory_order_relaxed);
    if (kept->level.kept == NULL && !kept->changed)
        return bits;
    if (kept->level.kept != NULL)
        memcpy(bits, kept->level.kept, words * sizeof(bits[0]));
    else
        memset(bits, 0xff, words * sizeof(bits[0]));
    kept->bits = bits;
    level->kept = bits;
    return bits + words;
}

static void add_level(struct wfp_policy *policy, struct wfp_segment *segment)
{
    unsigned at = policy->level_count++;

    for (; at != 0 && policy->levels[at - 1].segment->mass < segment->mass; at--)
        policy->levels[at] = policy->levels[at - 1];
    policy->levels[at] = (struct wfp_level){segment, segment->count, NULL};
}

struct wfp_policy *wfp_policy_build(struct wfp_live_layer *layer, struct wfp_policy_change *change, BOOLEAN certain,
                                    BOOLEAN *built)
{
    struct plan plan = {0};
    struct wfp_segment *segment = NULL;
    struct wfp_policy *policy;
    unsigned levels = change->added_count != 0;
    size_t words = 0;

    make_plan(&plan, policy_of(atomic_load_explicit(&layer->current, memory_order_relaxed)), change);
    for (unsigned i = 0; i < plan.count; i++) {
        words += stays(&plan.kept[i]) ? word_count(&plan.kept[i].level) : 0;
        levels += stays(&plan.kept[i]);
    }
    *built = TRUE;
    if (levels == 0)
        return NULL;
    if (change->added_count != 0)
        segment = build_segment(&plan);
    policy = segment == NULL && change->added_count != 0 ? NULL : get_memory(words, certain);
    if (policy == NULL) {
        if (segment != NULL)
            wfp_segment_put(segment);
        *built = FALSE;
        return NULL;
    }
    UINT64 *bits = (UINT64 *)(policy + 1);
    for (unsigned i = 0; i < plan.count; i++)
        if (stays(&plan.kept[i]))
            bits = keep_level(policy, &plan.kept[i], bits);
    for (struct wfp_filter *filter = change->deleted; filter != NULL; filter = filter->retired_next) {
        struct kept *kept = level_of(&plan, filter);

        if (kept->bits != NULL)
            kept->bits[filter->place / 64] &= ~(1ull << filter->place % 64);
    }
    if (segment != NULL)
        add_level(policy, segment);
    return policy;
}

/* Only writers read places, so that it may be done while others classify. */
static void number_places(struct wfp_segment *segment)
{
    if (segment->numbered)
        return;
    for (UINT32 i = 0; i < segment->count; i++)
        segment->filters[i]->place = i;
    segment->numbered = TRUE;
}

void wfp_policy_swap(struct wfp_live_layer *layer, struct wfp_policy *policy, UINT64 generation,
                     struct wfp_filter *retired)
{
    struct wfp_policy *old = policy_of(atomic_load_explicit(&layer->current, memory_order_relaxed));
    UINT64 word;

    if (policy != NULL) {
        for (unsigned i = 0; i < policy->level_count; i++)
            if (policy->levels[i].kept == NULL)
                number_places(policy->levels[i].segment);
        policy->generation = generation;
        atomic_store_explicit(&policy->held, CURRENT + (old != NULL), memory_order_relaxed);
    }
    if (old != NULL) {
        old->newer = policy;
        old->retired = retired;
    }
    /* In this order: a reader that sees the new generation also gets the new policy. */
    word = atomic_exchange_explicit(&layer->current, (UINT64)(uintptr_t)policy, memory_order_acq_rel);
    atomic_store_explicit(&layer->generation, generation, memory_order_release);
    if (old != NULL) {
        atomic_fetch_add_explicit(&old->held, (INT64)(word / READER), memory_order_relaxed);
        unhold(old, CURRENT);
    }
}

void wfp_policy_drop(struct wfp_policy *policy)
{
    for (unsigned i = 0; policy != NULL && i < policy->level_count; i++)
        wfp_segment_put(policy->levels[i].segment);
    if (policy != NULL && policy->from_heap)
        free(policy);
    else
        wfp_free(policy);
}

void wfp_policies_forget(void)
{
    for (unsigned i = 0; i < WFP_LAYER_COUNT; i++) {
        atomic_store_explicit(&wfp_live_layers[i].current, 0, memory_order_relaxed);
        atomic_store_explicit(&wfp_live_layers[i].generation, 0, memory_order_relaxed);
    }
}
