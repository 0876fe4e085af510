/* SPDX-License-Identifier: MIT */
/*
 * packed.h - the conditions of a filter without callout: 8 bytes each, and behind them what does not fit there.
 *
 * Nobody is shown such a filter's FWPS_FILTER_CONDITION0s: they would be 24 bytes each, and twice that for a range.
 * wfp_filter_condition gives one back while it is looked at. The conditions of filters with a callout lie as that gets
 * them.
 */
#ifndef WFP_PACKED_H
#define WFP_PACKED_H

#include "wfp/memory.h"

#include <fwpstypes.h>

struct wfp_filter;

struct wfp_packed {
    UINT8 field;  /* its id in the layer */
    UINT8 match;  /* FWP_MATCH_TYPE */
    UINT16 type;  /* FWP_DATA_TYPE; of a range, that of its ends + WFP_PACKED_RANGE */
    UINT32 value; /* up to 32 bits; of larger ones the place, from the beginning of the filter */
};

#define WFP_PACKED_RANGE 0x200u

/* One condition, and what it points to that is not in the filter. */
struct wfp_unpacked {
    FWPS_FILTER_CONDITION0 condition;
    FWP_RANGE0 range;
    FWP_BYTE_BLOB blob[2];
};

/* The arena's start is the filter's. Into packed, unless that is NULL (measuring). */
void wfp_pack_condition(struct wfp_arena *arena, const FWP_CONDITION_VALUE0 *value, struct wfp_packed *packed);

/* Into room, which *condition then points into. */
const FWPS_FILTER_CONDITION0 *wfp_unpack_condition(const struct wfp_filter *filter, const struct wfp_packed *packed,
                                                   struct wfp_unpacked *room);

#endif
