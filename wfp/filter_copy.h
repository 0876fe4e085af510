/* SPDX-License-Identifier: MIT */
/*
 * filter_copy.h - a filter in one block: what classify needs of it, and the rest packed; and its management structure,
 * made from that when somebody asks for it.
 */
#ifndef WFP_FILTER_COPY_H
#define WFP_FILTER_COPY_H

#include "wfp/filter.h"
#include "wfp/memory.h"

/* Besides its block: lists of this many bytes are no filter of anybody. */
#define WFP_MAX_FILTER_BYTES ((size_t)128 << 20)

/* Zeroed but for what stands in source alone; its conditions were checked for layer. The block's size goes to *size.
 * NULL: no memory, or more than WFP_MAX_FILTER_BYTES. */
struct wfp_filter *wfp_filter_pack(const FWPM_FILTER0 *source, unsigned layer, size_t *size);

/* The management structure, deep, in an arena that may hold more. NULL while measuring. */
FWPM_FILTER0 *wfp_filter_copy_into(struct wfp_arena *arena, const struct wfp_filter *filter);

/* In a block of its own, at its start, so that FwpmFreeMemory0 frees it. NULL: no memory. */
FWPM_FILTER0 *wfp_filter_copy(const struct wfp_filter *filter);

#endif
