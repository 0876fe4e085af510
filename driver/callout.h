/* SPDX-License-Identifier: MIT */
/*
 * callout.h - what the filter engine calls.
 *
 * These functions only read (classify.h). What they find goes to holds.h as plain data; what comes back is written to
 * classifyOut in one place. Everything they are handed is valid during the call only, so it is copied.
 *
 * classifyFn and flowDeleteFn: IRQL <= DISPATCH_LEVEL, any thread, many at once. notifyFn: PASSIVE_LEVEL.
 */
#ifndef DRIVER_CALLOUT_H
#define DRIVER_CALLOUT_H

#include "driver/driver.h"

/* Where each callout stands in driver_state.callout_ids. */
enum callout_index {
    CALLOUT_CONNECT_V4,
    CALLOUT_CONNECT_V6,
    CALLOUT_FLOW_V4,
    CALLOUT_FLOW_V6,
    CALLOUT_CLOSURE_V4,
    CALLOUT_CLOSURE_V6,
    CALLOUT_RULE, /* rule_callout.h: in the order of enum gatehouse_rule_layer */
    CALLOUT_LOG = CALLOUT_RULE + 4,
    CALLOUT_NAME = CALLOUT_LOG + 4, /* outgoing layers alone */
    CALLOUT_COUNT = CALLOUT_NAME + 2
};

/* ALE_AUTH_CONNECT_V4/_V6: holds, decides, or answers a reauthorization. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NTAPI callout_connect(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                           UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out);

/* The same for who was called with a filter of his own there: counts nothing. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void callout_ask(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                 const FWPS_FILTER3 *filter, FWPS_CLASSIFY_OUT0 *out);

/* ALE_FLOW_ESTABLISHED_V4/_V6, in either direction: keeps the flow's verdict as long as the flow lives. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NTAPI callout_flow_established(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                    void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                                    UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out);

/* ALE_ENDPOINT_CLOSURE_V4/_V6: completes what is held for the endpoint. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NTAPI callout_endpoint_closed(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                   void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                                   UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out);

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI callout_notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER3 *filter);

_IRQL_requires_max_(DISPATCH_LEVEL)
void NTAPI callout_flow_deleted(UINT16 layer, UINT32 callout_id, UINT64 flow_context);

/* The callout whose contexts hang on flows of this layer (FWPS_LAYER_ALE_FLOW_ESTABLISHED_*). */
UINT32 callout_flow_id(UINT16 layer);

#endif
