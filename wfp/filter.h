/* SPDX-License-Identifier: MIT */
/*
 * filter.h - one filter: the management object and what classify needs of it.
 *
 * Immutable once committed, but for run.context, which the callout sets in notifyFn before that.
 */
#ifndef WFP_FILTER_H
#define WFP_FILTER_H

#include "wfp/callout.h"
#include "wfp/object.h"

#include <fwpstypes.h>

#include <stdbool.h>

struct wfp_condition_set;

#define WFP_MAX_CONDITIONS 1024    /* of one filter */
#define WFP_MAX_FILTERS    4000000 /* in all */

struct wfp_filter {
    struct wfp_object object;
    struct wfp_node by_id;
    unsigned layer; /* enum wfp_layer_index */
    UINT32 place;   /* in the segment (policy.c) that it stands in */
    struct wfp_object *sublayer;
    struct wfp_object *callout;    /* management object; NULL: none */
    struct wfp_callout_slot *slot; /* of the callout; NULL: none */
    UINT64 sublayer_id;            /* stays readable when the sublayer is gone */
    UINT64 weight;
    FWPS_FILTER3 run;               /* what callouts get; conditions sorted by fieldId */
    FWPM_FILTER0 *template;         /* deep copy as added, with filterId and effectiveWeight */
    struct wfp_condition_set *sets; /* NULL: no field has many conditions */
    struct wfp_filter *retired_next;
    _Atomic(UINT64) hits; /* classifies that met its conditions; counted while the verifier is on */
    atomic_bool missed;   /* filter-without-callout was reported */
};

/* Called by transactions with the gate held. */
void wfp_filter_link(struct wfp_filter *filter);
void wfp_filter_unlink(struct wfp_filter *filter);

/* Memory and its reference to the callout slot. Any IRQL <= DISPATCH_LEVEL. */
void wfp_filter_free(struct wfp_filter *filter);

/* NULL: none. With the gate held. */
struct wfp_filter *wfp_filter_find(UINT64 id);

void wfp_filter_init(void);
void wfp_filter_reset(void);
void wfp_filter_enum_reset(void);
void wfp_filter_forget(void); /* see wfp_forget */
void wfp_filter_enum_forget(void);

#endif
