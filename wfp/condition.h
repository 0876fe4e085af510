/* SPDX-License-Identifier: MIT */
/*
 * condition.h - one condition of a filter: is it well formed for its field, does a value meet it.
 *
 * Rules: FWP_MATCH_TYPE and FWP_DATA_TYPE pages, ALE Reauthorization (FWP_EMPTY).
 * - No coercion: the condition's type must be the field's, its address-and-mask or a range of it.
 * - A field that is FWP_EMPTY meets only EQUAL to FWP_EMPTY; nothing else, NOT_EQUAL included.
 * - Conditions on different fields are ANDed, on the same field ORed.
 * - BYTE_BLOB compares byte by byte. Windows compares ALE_APP_ID without case; Linux paths have case.
 * - PREFIX means "ends with", as the page says.
 */
#ifndef WFP_CONDITION_H
#define WFP_CONDITION_H

#include "wfp/layer.h"
#include "wfp/memory.h"
#include "wfp/number.h"

#include <fwpstypes.h>

/* STATUS_FWP_TYPE_MISMATCH, MATCH_TYPE_MISMATCH, NULL_POINTER, INVALID_NET_MASK, INVALID_RANGE. */
NTSTATUS wfp_condition_check(enum wfp_field_type type, const FWPM_FILTER_CONDITION0 *condition);

/* Deep copy of the value into the arena. */
void wfp_condition_copy(struct wfp_arena *arena, const FWP_CONDITION_VALUE0 *source, FWP_CONDITION_VALUE0 *copy);

/* All conditions of filter (sorted by fieldId) against the layer's values. Any IRQL, no lock. */
BOOLEAN wfp_conditions_match(const FWPS_FILTER3 *filter, const FWPS_INCOMING_VALUE0 *values);

/* One condition against its field's value. */
BOOLEAN wfp_condition_met(const FWPS_FILTER_CONDITION0 *condition, const FWP_VALUE0 *value);

/* The numbers of width bits that meet the condition; FALSE: they are not one span. */
BOOLEAN wfp_condition_span(const FWPS_FILTER_CONDITION0 *condition, unsigned width, struct wfp_span *span);

/* How narrow one condition is: 0 (anything) to 255 (one value). For automatic weights. */
unsigned wfp_condition_narrowness(const FWPS_FILTER_CONDITION0 *condition);

#endif
