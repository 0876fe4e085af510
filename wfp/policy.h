/* SPDX-License-Identifier: MIT */
/*
 * policy.h - the filters of one layer as classify sees them: immutable, in arbitration order.
 *
 * A reader takes the current policy with one atomic add and gives it back with one; no lock. A commit
 * swaps the pointer. The old policy carries the filters that this commit removed and keeps its
 * successor alive, so policies die oldest first and a removed filter is freed exactly when the last
 * classify that could meet it has ended.
 */
#ifndef WFP_POLICY_H
#define WFP_POLICY_H

#include "wfp/filter.h"
#include "wfp/layer.h"

#include <stdatomic.h>

struct wfp_policy {
    _Atomic(INT64) held; /* readers that outlived the swap, + the predecessor, + a large number while current */
    struct wfp_policy *newer;
    struct wfp_filter *retired; /* by retired_next */
    BOOLEAN from_heap;          /* see wfp_policy_build: certain */
    UINT64 generation;
    UINT32 count;
    struct wfp_filter *filters[]; /* sublayer weight, sublayer, weight: high to low */
};

/* NULL: the layer has no filters. Any IRQL. */
struct wfp_policy *wfp_policy_acquire(struct wfp_live_layer *layer);
void wfp_policy_release(struct wfp_live_layer *layer, struct wfp_policy *policy);

/*
 * The successor of layer's policy: without filters marked object.deleted, with the count in added (any order; gets
 * sorted). NULL with *built FALSE: no memory.
 */
struct wfp_policy *wfp_policy_build(struct wfp_live_layer *layer, struct wfp_filter **added, UINT32 count,
                                    BOOLEAN certain, BOOLEAN *built);

/* Makes policy current (NULL: none) with generation; retired go with the old one. */
void wfp_policy_swap(struct wfp_live_layer *layer, struct wfp_policy *policy, UINT64 generation,
                     struct wfp_filter *retired);

/* Every layer without a policy, as at the start; policies are not freed. See wfp_forget. */
void wfp_policies_forget(void);

/* Frees one that was built but never became current. */
void wfp_policy_drop(struct wfp_policy *policy);

#endif
