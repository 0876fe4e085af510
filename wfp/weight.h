/* SPDX-License-Identifier: MIT */
/*
 * weight.h - the effective weight of a filter. Page: Filter Weight Assignment (win32 desktop-src/FWP).
 */
#ifndef WFP_WEIGHT_H
#define WFP_WEIGHT_H

#include "wfp/filter.h"

/*
 * FWP_UINT64: as is. FWP_EMPTY: automatic, in [0, 2^60): the narrower the conditions, the heavier.
 * FWP_UINT8 from 0 to 15: the four high bits, the rest automatic. Else STATUS_FWP_INVALID_WEIGHT.
 * Its alternatives for one field count as the widest of them.
 */
NTSTATUS wfp_weight(const FWP_VALUE0 *asked, const struct wfp_filter *filter, UINT64 *weight);

#endif
