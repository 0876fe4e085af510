/* SPDX-License-Identifier: MIT */
/*
 * filter.h - one filter: the management object and what classify needs of it.
 *
 * Immutable once committed, but for call->run.context, which the callout sets in notifyFn before that.
 */
#ifndef WFP_FILTER_H
#define WFP_FILTER_H

#include "wfp/callout.h"
#include "wfp/object.h"
#include "wfp/packed.h"

#include <stdbool.h>

struct wfp_condition_set;

#define WFP_MAX_CONDITIONS 1000000 /* of one filter */
#define WFP_MAX_FILTERS    4000000 /* in all */

/* What few filters have. */
struct wfp_filter_more {
    const wchar_t *description;
    FWP_BYTE_BLOB data;  /* providerData */
    const UINT32 *added; /* where the conditions are, in the order in which they were added; NULL: as they are */
    struct wfp_condition_set *sets; /* of fields with many conditions; NULL: none */
    UINT64 raw_context;             /* as added: a callout may have changed run.context */
};

/* What a filter with a callout has. */
struct wfp_filter_call {
    struct wfp_object *callout; /* management object */
    struct wfp_callout_slot *slot;
    FWPS_FILTER3 run; /* what callouts get */
};

/* With what it points to in one block (filter_copy.c), but for name. As small as can be: there may be very many. */
struct wfp_filter {
    struct wfp_object object;
    union {
        struct wfp_node by_id;
        struct wfp_filter *retired_next; /* once it is deleted */
    };
    struct wfp_object *sublayer; /* classify may hold a filter longer than this lives */
    UINT64 weight;
    struct wfp_filter_name *name; /* shared with others (filter_name.h) */
    struct wfp_filter_more *more; /* or NULL */
    struct wfp_filter_call *call; /* NULL: it has no callout */
    _Atomic(UINT64) hits;         /* classifies that met its conditions; counted while the verifier is on */
    FWP_ACTION_TYPE action;
    UINT32 condition_count;
    UINT32 place;     /* in the segment (policy.c) that it stands in */
    UINT32 flags;     /* FWPM_FILTER_FLAG_* */
    UINT16 run_flags; /* FWPS_FILTER_FLAG_* */
    UINT16 sublayer_weight;
    UINT8 layer;        /* enum wfp_layer_index */
    UINT8 asked_weight; /* as added: FWP_EMPTY, FWP_UINT8 (asked_class) or FWP_UINT64 */
    UINT8 asked_class;
    atomic_bool missed;         /* filter-without-callout was reported */
    struct wfp_packed packed[]; /* without a callout: the conditions, sorted by field */
};

static inline UINT64 wfp_filter_id(const struct wfp_filter *filter)
{
    return filter->by_id.key;
}

/* NULL: it has no callout. */
static inline struct wfp_callout_slot *wfp_filter_slot(const struct wfp_filter *filter)
{
    return filter->call == NULL ? NULL : filter->call->slot;
}

/* The field of its i-th condition. */
static inline UINT16 wfp_filter_field(const struct wfp_filter *filter, UINT32 i)
{
    return filter->call == NULL ? filter->packed[i].field : filter->call->run.filterCondition[i].fieldId;
}

/* Its i-th condition, which may point into room. */
static inline const FWPS_FILTER_CONDITION0 *wfp_filter_condition(const struct wfp_filter *filter, UINT32 i,
                                                                 struct wfp_unpacked *room)
{
    return filter->call == NULL ? wfp_unpack_condition(filter, &filter->packed[i], room)
                                : &filter->call->run.filterCondition[i];
}

/* NULL: it has none. */
static inline struct wfp_condition_set *wfp_filter_sets(const struct wfp_filter *filter)
{
    return filter->more == NULL ? NULL : filter->more->sets;
}

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
