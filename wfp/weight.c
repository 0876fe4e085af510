/* SPDX-License-Identifier: MIT */
/*
 * weight.c - effective weights. Pure.
 */
#include "wfp/weight.h"
#include "wfp/condition.h"

#define SCORE_SHIFT (FWPM_AUTO_WEIGHT_BITS - 14) /* 38 fields of up to 255 fit 14 bits */

static UINT64 automatic(const struct wfp_filter *filter)
{
    UINT32 count = filter->condition_count;
    UINT64 score = 0;
    UINT32 i = 0;

    while (i < count) {
        UINT16 field = wfp_filter_field(filter, i);
        unsigned widest = 255;

        for (; i < count && wfp_filter_field(filter, i) == field; i++) {
            struct wfp_unpacked room;
            unsigned narrowness = wfp_condition_narrowness(wfp_filter_condition(filter, i, &room));

            widest = narrowness < widest ? narrowness : widest;
        }
        score += widest + 1;
    }
    return score << SCORE_SHIFT;
}

NTSTATUS wfp_weight(const FWP_VALUE0 *asked, const struct wfp_filter *filter, UINT64 *weight)
{
    switch (asked->type) {
    case FWP_UINT64:
        if (asked->uint64 == NULL)
            return STATUS_FWP_NULL_POINTER;
        *weight = *asked->uint64;
        return STATUS_SUCCESS;
    case FWP_EMPTY:
        *weight = automatic(filter);
        return STATUS_SUCCESS;
    case FWP_UINT8:
        if (asked->uint8 > 15)
            return STATUS_FWP_INVALID_WEIGHT;
        *weight = (UINT64)asked->uint8 << FWPM_AUTO_WEIGHT_BITS | automatic(filter);
        return STATUS_SUCCESS;
    default:
        return STATUS_FWP_INVALID_WEIGHT;
    }
}

_Static_assert(WFP_MAX_FIELDS * 256 < 1 << 14, "automatic weights stay below 2^60");
