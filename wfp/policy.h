/* SPDX-License-Identifier: MIT */
/*
 * policy.h - the filters of one layer as classify sees them: immutable, in up to four levels (segment.h).
 *
 * A commit copies as little as it can: deleted filters lose their bits, added ones make a small level of their own.
 * Only when that has grown is it merged into the next larger one, and its index made anew. Few filters are one level.
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
#include "wfp/segment.h"

#include <stdatomic.h>

struct wfp_policy {
    _Atomic(INT64) held; /* readers that outlived the swap, + the predecessor, + a large number while current */
    struct wfp_policy *newer;
    struct wfp_filter *retired; /* by retired_next */
    BOOLEAN from_heap;          /* see wfp_policy_build: certain */
    UINT64 generation;
    unsigned level_count;
    struct wfp_level levels[WFP_LEVELS]; /* the largest first; bits behind the structure */
};

/* NULL: the layer has no filters. Any IRQL. */
struct wfp_policy *wfp_policy_acquire(struct wfp_live_layer *layer);
void wfp_policy_release(struct wfp_live_layer *layer, struct wfp_policy *policy);

/* What a commit changes in one layer. */
struct wfp_policy_change {
    struct wfp_filter **added; /* any order; gets sorted */
    UINT32 added_count;
    struct wfp_filter *deleted; /* by retired_next; they are in the layer's policy */
};

/*
 * The successor of layer's policy. NULL with *built FALSE: no memory. With *built TRUE: no filters are left. certain: a
 * deletion finds its memory even if the pool has none.
 */
struct wfp_policy *wfp_policy_build(struct wfp_live_layer *layer, struct wfp_policy_change *change, BOOLEAN certain,
                                    BOOLEAN *built);

/* For tests: how many filters the small and the middle level have at most (the large one: three times that); 0: as
 * usual. With no commit going on. */
void wfp_policy_set_steps(UINT32 small_count, UINT32 middle_count);

/* Makes policy current (NULL: none) with generation; retired go with the old one. */
void wfp_policy_swap(struct wfp_live_layer *layer, struct wfp_policy *policy, UINT64 generation,
                     struct wfp_filter *retired);

/* Every layer without a policy, as at the start; policies are not freed. See wfp_forget. */
void wfp_policies_forget(void);

/* Frees one that was built but never became current. */
void wfp_policy_drop(struct wfp_policy *policy);

#endif
