/* SPDX-License-Identifier: MIT */
/*
 * filter_copy.h - a filter's management structure, deep, in one pool block.
 */
#ifndef WFP_FILTER_COPY_H
#define WFP_FILTER_COPY_H

#include "wfp/layer.h"
#include "wfp/memory.h"

/*
 * With run: also its filterCondition array, sorted by field of layer, in the same block. The result is at
 * the block's start, so that FwpmFreeMemory0 frees it. NULL: no memory.
 */
FWPM_FILTER0 *wfp_filter_copy(const FWPM_FILTER0 *source, const struct wfp_layer *layer, FWPS_FILTER3 *run);

/* The block's size. */
size_t wfp_filter_copy_size(const FWPM_FILTER0 *source, const struct wfp_layer *layer, FWPS_FILTER3 *run);

/* The same into an arena that holds more; NULL while measuring. */
FWPM_FILTER0 *wfp_filter_copy_into(struct wfp_arena *arena, const FWPM_FILTER0 *source, const struct wfp_layer *layer,
                                   FWPS_FILTER3 *run);

#endif
