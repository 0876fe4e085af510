/* SPDX-License-Identifier: MIT */
/*
 * callout.c - see callout.h.
 */
#include "driver/callout.h"

#include "driver/classify.h"

_Static_assert((int)FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON ==
                   (int)FWPS_FIELD_ALE_AUTH_CONNECT_V6_REAUTHORIZE_REASON,
               "field order of AUTH_CONNECT");

/* At ALE_AUTH_CONNECT. */
static enum hold_result decide(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                               const FWPS_CLASSIFY_OUT0 *out)
{
    struct hold_arrival arrival;
    BOOLEAN known = classify_arrival(values, metadata, &arrival);
    UINT32 flags = classify_flags(values);

    if (!known)
        return holds_cannot_pend(&arrival);
    if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
        UINT32 reason = classify_uint32(values, FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON);
        return holds_reauthorize(&arrival, (reason & FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION) != 0);
    }
    /* Without an endpoint a reauthorization could not be told from another connection's to the same place. */
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || arrival.completion_handle == NULL ||
        arrival.connection.endpoint == 0)
        return holds_cannot_pend(&arrival);
    return holds_pend(&arrival);
}

_Use_decl_annotations_
void callout_ask(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                 const FWPS_FILTER3 *filter, FWPS_CLASSIFY_OUT0 *out)
{
    enum classify_action action = ACTION_BLOCK;

    switch (decide(values, metadata, out)) {
    case HOLD_PENDED:
        action = ACTION_PENDED;
        break;
    case HOLD_PERMIT:
        action = ACTION_PERMIT;
        break;
    case HOLD_BLOCK:
        break;
    }
    classify_answer(out, filter, action);
}

_Use_decl_annotations_
void NTAPI callout_connect(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                           UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    UNREFERENCED_PARAMETER(layer_data);
    UNREFERENCED_PARAMETER(classify_context);
    UNREFERENCED_PARAMETER(flow_context);
    DRIVER_COUNT(classified);
    callout_ask(values, metadata, filter, out);
}

_Use_decl_annotations_
void NTAPI callout_flow_established(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                    void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                                    UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    BOOLEAN v6 = values->layerId == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6;
    UINT64 endpoint = classify_endpoint(metadata);
    struct destination to;

    UNREFERENCED_PARAMETER(layer_data);
    UNREFERENCED_PARAMETER(classify_context);
    UNREFERENCED_PARAMETER(flow_context);
    if (endpoint != 0 && FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_FLOW_HANDLE) &&
        classify_destination(values, v6 ? 6 : 4, &to))
        holds_flow_established(endpoint, &to, metadata->flowHandle, values->layerId, callout_flow_id(values->layerId));
    classify_answer(out, filter, ACTION_CONTINUE);
}

_Use_decl_annotations_
void NTAPI callout_endpoint_closed(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                   void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                                   UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    UINT64 endpoint = classify_endpoint(metadata);

    UNREFERENCED_PARAMETER(values);
    UNREFERENCED_PARAMETER(layer_data);
    UNREFERENCED_PARAMETER(classify_context);
    UNREFERENCED_PARAMETER(flow_context);
    if (endpoint != 0)
        holds_endpoint_closed(endpoint);
    classify_answer(out, filter, ACTION_CONTINUE);
}

_Use_decl_annotations_
NTSTATUS NTAPI callout_notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER3 *filter)
{
    UNREFERENCED_PARAMETER(filter_key);
    if (type == FWPS_CALLOUT_NOTIFY_ADD_FILTER)
        DRIVER_TRACE("filter added: %llu\n", (unsigned long long)filter->filterId);
    else if (type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER)
        DRIVER_TRACE("filter deleted: %llu\n", (unsigned long long)filter->filterId);
    return STATUS_SUCCESS;
}

_Use_decl_annotations_
void NTAPI callout_flow_deleted(UINT16 layer, UINT32 callout_id, UINT64 flow_context)
{
    UNREFERENCED_PARAMETER(layer);
    UNREFERENCED_PARAMETER(callout_id);
    holds_flow_deleted(flow_context);
}

UINT32 callout_flow_id(UINT16 layer)
{
    return driver_state.callout_ids[layer == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6 ? CALLOUT_FLOW_V6 : CALLOUT_FLOW_V4];
}
