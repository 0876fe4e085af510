/* SPDX-License-Identifier: MIT */
/*
 * callout.c - see callout.h.
 */
#include "driver/callout.h"

#include "driver/holds.h"

/* The fields used here stand at the same place in IPv4 and IPv6 and, up to the remote port, at all three layers. */
#define FIELD(name) FWPS_FIELD_ALE_AUTH_CONNECT_V4_##name
#define SAME_FIELD(layer, name)                                                                                        \
    _Static_assert((int)FWPS_FIELD_ALE_##layer##_##name == (int)FIELD(name), "field order of " #layer)
SAME_FIELD(AUTH_CONNECT_V6, ALE_APP_ID);
SAME_FIELD(AUTH_CONNECT_V6, ALE_USER_ID);
SAME_FIELD(AUTH_CONNECT_V6, IP_LOCAL_ADDRESS);
SAME_FIELD(AUTH_CONNECT_V6, IP_LOCAL_PORT);
SAME_FIELD(AUTH_CONNECT_V6, IP_PROTOCOL);
SAME_FIELD(AUTH_CONNECT_V6, IP_REMOTE_ADDRESS);
SAME_FIELD(AUTH_CONNECT_V6, IP_REMOTE_PORT);
SAME_FIELD(AUTH_CONNECT_V6, FLAGS);
SAME_FIELD(AUTH_CONNECT_V6, INTERFACE_INDEX);
SAME_FIELD(AUTH_CONNECT_V6, REAUTHORIZE_REASON);
SAME_FIELD(FLOW_ESTABLISHED_V4, IP_PROTOCOL);
SAME_FIELD(FLOW_ESTABLISHED_V4, IP_REMOTE_ADDRESS);
SAME_FIELD(FLOW_ESTABLISHED_V4, IP_REMOTE_PORT);
SAME_FIELD(FLOW_ESTABLISHED_V6, IP_PROTOCOL);
SAME_FIELD(FLOW_ESTABLISHED_V6, IP_REMOTE_ADDRESS);
SAME_FIELD(FLOW_ESTABLISHED_V6, IP_REMOTE_PORT);
_Static_assert((int)FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION == (int)FWPS_FIELD_ALE_FLOW_ESTABLISHED_V6_DIRECTION,
               "field order of FLOW_ESTABLISHED");

enum action { ACTION_PERMIT, ACTION_BLOCK, ACTION_PENDED, ACTION_CONTINUE };

/* The only place that writes classifyOut. Without ACTION_WRITE the one legal write is a block over a permit: a veto
 * (page FWPS_CLASSIFY_OUT0). */
static void classify_answer(FWPS_CLASSIFY_OUT0 *out, const FWPS_FILTER3 *filter, enum action action)
{
    BOOLEAN may_write = (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0;

    switch (action) {
    case ACTION_PENDED:
        out->actionType = FWP_ACTION_BLOCK;
        out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
        break;
    case ACTION_BLOCK:
        if (may_write || out->actionType == FWP_ACTION_PERMIT) {
            out->actionType = FWP_ACTION_BLOCK;
            out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
        }
        break;
    case ACTION_PERMIT:
        if (may_write) {
            out->actionType = FWP_ACTION_PERMIT;
            if ((filter->flags & FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0)
                out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
        }
        break;
    case ACTION_CONTINUE:
        if (may_write)
            out->actionType = FWP_ACTION_CONTINUE;
        break;
    }
}

/* NULL: not there, or not of this type. */
static const FWP_VALUE0 *field(const FWPS_INCOMING_VALUES0 *values, UINT32 index, FWP_DATA_TYPE type)
{
    if (index >= values->valueCount || values->incomingValue[index].value.type != type)
        return NULL;
    return &values->incomingValue[index].value;
}

static UINT32 field_uint32(const FWPS_INCOMING_VALUES0 *values, UINT32 index)
{
    const FWP_VALUE0 *value = field(values, index, FWP_UINT32);

    return value == NULL ? 0 : value->uint32;
}

/* FALSE: not there; address is untouched then. */
static BOOLEAN read_address(const FWPS_INCOMING_VALUES0 *values, UINT32 index, uint8_t ip_version, uint8_t *address)
{
    const FWP_VALUE0 *value = field(values, index, ip_version == 6 ? FWP_BYTE_ARRAY16_TYPE : FWP_UINT32);

    if (value == NULL || (ip_version == 6 && value->byteArray16 == NULL))
        return FALSE;
    if (ip_version == 6) {
        RtlCopyMemory(address, value->byteArray16->byteArray16, 16);
    } else {
        address[0] = (uint8_t)(value->uint32 >> 24);
        address[1] = (uint8_t)(value->uint32 >> 16);
        address[2] = (uint8_t)(value->uint32 >> 8);
        address[3] = (uint8_t)value->uint32;
    }
    return TRUE;
}

static BOOLEAN read_destination(const FWPS_INCOMING_VALUES0 *values, uint8_t ip_version, struct destination *to)
{
    const FWP_VALUE0 *protocol = field(values, FIELD(IP_PROTOCOL), FWP_UINT8);
    const FWP_VALUE0 *port = field(values, FIELD(IP_REMOTE_PORT), FWP_UINT16);

    RtlZeroMemory(to, sizeof(*to));
    if (protocol == NULL || port == NULL || !read_address(values, FIELD(IP_REMOTE_ADDRESS), ip_version, to->address))
        return FALSE;
    to->ip_version = ip_version;
    to->protocol = protocol->uint8;
    to->port = port->uint16;
    return TRUE;
}

/* 0: the platform gave none. */
static UINT64 read_endpoint(const FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    return FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE)
               ? metadata->transportEndpointHandle
               : 0;
}

static void read_process(const FWPS_INCOMING_METADATA_VALUES0 *metadata, struct connection *connection)
{
    if (!FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_ID)) {
        connection->flags |= GATEHOUSE_REQUEST_NO_PROCESS;
        return;
    }
    connection->process_id = metadata->processId;
    /* The classify need not run in the connecting process; its start time is only known if it does. */
    if ((UINT64)(ULONG_PTR)PsGetCurrentProcessId() == metadata->processId)
        connection->process_start = (uint64_t)PsGetProcessCreateTimeQuadPart(PsGetCurrentProcess());
}

/* The first SID of the token. Each length is checked before anything behind it is read. */
static void read_user(const FWPS_INCOMING_VALUES0 *values, struct connection *connection)
{
    const FWP_VALUE0 *value = field(values, FIELD(ALE_USER_ID), FWP_TOKEN_ACCESS_INFORMATION_TYPE);
    const TOKEN_ACCESS_INFORMATION *token;
    const SID *sid;
    ULONG size;

    if (value == NULL || value->tokenAccessInformation == NULL || value->tokenAccessInformation->data == NULL ||
        value->tokenAccessInformation->size < RTL_SIZEOF_THROUGH_FIELD(TOKEN_ACCESS_INFORMATION, SidHash))
        return;
    token = (const TOKEN_ACCESS_INFORMATION *)(const void *)value->tokenAccessInformation->data;
    if (token->SidHash == NULL || token->SidHash->SidCount == 0 || token->SidHash->SidAttr == NULL ||
        token->SidHash->SidAttr[0].Sid == NULL)
        return;
    sid = token->SidHash->SidAttr[0].Sid;
    if (sid->Revision != SID_REVISION || sid->SubAuthorityCount > SID_MAX_SUB_AUTHORITIES)
        return;
    size = FIELD_OFFSET(SID, SubAuthority) + sid->SubAuthorityCount * (ULONG)sizeof(ULONG);
    RtlCopyMemory(connection->user_sid, sid, size);
    connection->user_sid_size = (uint16_t)size;
}

static void read_program(const FWPS_INCOMING_VALUES0 *values, struct hold_arrival *arrival)
{
    const FWP_VALUE0 *value = field(values, FIELD(ALE_APP_ID), FWP_BYTE_BLOB_TYPE);
    size_t size;

    arrival->connection.flags |= GATEHOUSE_REQUEST_NO_PROGRAM;
    if (value == NULL || value->byteBlob == NULL || value->byteBlob->data == NULL)
        return;
    size = value->byteBlob->size;
    if (size >= sizeof(WCHAR) && value->byteBlob->data[size - 1] == 0 && value->byteBlob->data[size - 2] == 0)
        size -= sizeof(WCHAR);
    if (size == 0 || size > PROGRAM_PATH_MAX)
        return;
    arrival->connection.flags &= ~GATEHOUSE_REQUEST_NO_PROGRAM;
    arrival->path = value->byteBlob->data;
    arrival->path_size = size;
}

/* FALSE: there is no destination to decide by. */
static BOOLEAN read_arrival(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                            struct hold_arrival *arrival)
{
    struct connection *connection = &arrival->connection;
    const FWP_VALUE0 *local_port = field(values, FIELD(IP_LOCAL_PORT), FWP_UINT16);
    struct destination to;
    BOOLEAN known;

    RtlZeroMemory(arrival, sizeof(*arrival));
    connection->layer = values->layerId;
    connection->ip_version = values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V6 ? 6 : 4;
    known = read_destination(values, connection->ip_version, &to);
    connection->protocol = to.protocol;
    connection->remote_port = to.port;
    RtlCopyMemory(connection->remote_address, to.address, sizeof(to.address));
    (void)read_address(values, FIELD(IP_LOCAL_ADDRESS), connection->ip_version, connection->local_address);
    connection->local_port = local_port == NULL ? 0 : local_port->uint16;
    connection->interface_index = field_uint32(values, FIELD(INTERFACE_INDEX));
    if ((field_uint32(values, FIELD(FLAGS)) & FWP_CONDITION_FLAG_IS_LOOPBACK) != 0)
        connection->flags |= GATEHOUSE_REQUEST_LOOPBACK;
    connection->endpoint = read_endpoint(metadata);
    read_process(metadata, connection);
    read_user(values, connection);
    read_program(values, arrival);
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE))
        arrival->completion_handle = metadata->completionHandle;
    return known;
}

static enum hold_result decide(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                               const FWPS_CLASSIFY_OUT0 *out)
{
    struct hold_arrival arrival;
    BOOLEAN known = read_arrival(values, metadata, &arrival);
    UINT32 flags = field_uint32(values, FIELD(FLAGS));

    if (!known)
        return holds_cannot_pend(&arrival);
    if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
        UINT32 reason = field_uint32(values, FIELD(REAUTHORIZE_REASON));
        return holds_reauthorize(&arrival, (reason & FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION) != 0);
    }
    /* Without an endpoint a reauthorization could not be told from another connection's to the same place. */
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || arrival.completion_handle == NULL ||
        arrival.connection.endpoint == 0)
        return holds_cannot_pend(&arrival);
    return holds_pend(&arrival);
}

_Use_decl_annotations_
void NTAPI callout_connect(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                           UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    enum action action = ACTION_BLOCK;

    UNREFERENCED_PARAMETER(layer_data);
    UNREFERENCED_PARAMETER(classify_context);
    UNREFERENCED_PARAMETER(flow_context);
    DRIVER_COUNT(classified);
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
void NTAPI callout_flow_established(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                    void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                                    UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    BOOLEAN v6 = values->layerId == FWPS_LAYER_ALE_FLOW_ESTABLISHED_V6;
    const FWP_VALUE0 *direction = field(values, FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION, FWP_UINT32);
    BOOLEAN outbound = direction == NULL || direction->uint32 == FWP_DIRECTION_OUTBOUND;
    UINT64 endpoint = read_endpoint(metadata);
    struct destination to;

    UNREFERENCED_PARAMETER(layer_data);
    UNREFERENCED_PARAMETER(classify_context);
    UNREFERENCED_PARAMETER(flow_context);
    if (outbound && endpoint != 0 && FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_FLOW_HANDLE) &&
        read_destination(values, v6 ? 6 : 4, &to))
        holds_flow_established(endpoint, &to, metadata->flowHandle, values->layerId, callout_flow_id(values->layerId));
    classify_answer(out, filter, ACTION_CONTINUE);
}

_Use_decl_annotations_
void NTAPI callout_endpoint_closed(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                   void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter,
                                   UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    UINT64 endpoint = read_endpoint(metadata);

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
