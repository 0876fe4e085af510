/* SPDX-License-Identifier: MIT */
/*
 * match.h - whether a filter's conditions are met, and what had to be looked at to know it.
 */
#ifndef WFP_MATCH_H
#define WFP_MATCH_H

#include "wfp/condition.h"
#include "wfp/filter.h"
#include "wfp/looked.h"

/*
 * As wfp_conditions_match, for the conditions on these fields (a bit each) alone. A filter that is met looked at all of
 * them; one that is not, at the first field that says so. Any IRQL, no lock.
 */
BOOLEAN wfp_match(const struct wfp_filter *filter, UINT64 fields, const FWPS_INCOMING_VALUE0 *values,
                  struct wfp_looked *looked);

#endif
