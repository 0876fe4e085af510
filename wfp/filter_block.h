/* SPDX-License-Identifier: MIT */
/*
 * filter_block.h - memory for filters, many to one pool block.
 *
 * A filter is a few hundred bytes, and the pool keeps some hundred beside each block: for 100,000 filters that counts.
 * Blocks of like size share a page-sized slab, which goes back to the pool with its last block. Large ones, and all of
 * them while the verifier is on, are pool blocks of their own. A leaf lock; IRQL <= DISPATCH_LEVEL.
 */
#ifndef WFP_FILTER_BLOCK_H
#define WFP_FILTER_BLOCK_H

#include "wfp/memory.h"

/* Zeroed; NULL: no memory. */
void *wfp_filter_block_get(size_t size);
void wfp_filter_block_put(void *block);

/* See wfp_forget. */
void wfp_filter_blocks_forget(void);

#endif
