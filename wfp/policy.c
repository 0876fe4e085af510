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

/* Arbitration order: sublayers by weight, then filters by weight, high to low; older first among equals. */
static int compare(const struct wfp_filter *a, const struct wfp_filter *b)
{
    if (a->run.subLayerWeight != b->run.subLayerWeight)
        return a->run.subLayerWeight > b->run.subLayerWeight ? -1 : 1;
    if (a->sublayer_id != b->sublayer_id)
        return a->sublayer_id < b->sublayer_id ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return a->run.filterId < b->run.filterId ? -1 : a->run.filterId > b->run.filterId;
}

static int compare_links(const void *a, const void *b)
{
    return compare(*(struct wfp_filter *const *)a, *(struct wfp_filter *const *)b);
}

struct wfp_policy *wfp_policy_build(struct wfp_live_layer *layer, struct wfp_filter **added, UINT32 count,
                                    BOOLEAN certain, BOOLEAN *built)
{
    struct wfp_policy *old = policy_of(atomic_load_explicit(&layer->current, memory_order_relaxed));
    struct wfp_policy *policy;
    UINT32 old_count = old == NULL ? 0 : old->count;
    UINT32 kept = 0;
    UINT32 next = 0;

    for (UINT32 i = 0; i < old_count; i++)
        kept += !old->filters[i]->object.deleted;
    *built = TRUE;
    if (kept + count == 0)
        return NULL;
    size_t size = sizeof(*policy) + (kept + count) * sizeof(policy->filters[0]);
    policy = wfp_alloc(size);
    if (policy == NULL && certain) {
        policy = calloc(1, size);
        if (policy != NULL)
            policy->from_heap = TRUE;
    }
    if (policy == NULL) {
        *built = FALSE;
        return NULL;
    }
    if (count != 0)
        qsort(added, count, sizeof(added[0]), compare_links);
    for (UINT32 i = 0; i < old_count; i++) {
        if (old->filters[i]->object.deleted)
            continue;
        while (next < count && compare(added[next], old->filters[i]) < 0)
            policy->filters[policy->count++] = added[next++];
        policy->filters[policy->count++] = old->filters[i];
    }
    while (next < count)
        policy->filters[policy->count++] = added[next++];
    return policy;
}

void wfp_policy_swap(struct wfp_live_layer *layer, struct wfp_policy *policy, UINT64 generation,
                     struct wfp_filter *retired)
{
    struct wfp_policy *old = policy_of(atomic_load_explicit(&layer->current, memory_order_relaxed));
    UINT64 word;

    if (policy != NULL) {
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
