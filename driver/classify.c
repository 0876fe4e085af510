/* SPDX-License-Identifier: MIT */
/*
 * classify.c - see classify.h.
 */
#include "driver/classify.h"

/* The fields used here stand at the same place in IPv4 and IPv6 and, up to the remote port, at all layers. */
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
SAME_FIELD(AUTH_RECV_ACCEPT_V4, ALE_APP_ID);
SAME_FIELD(AUTH_RECV_ACCEPT_V4, ALE_USER_ID);
SAME_FIELD(AUTH_RECV_ACCEPT_V4, IP_LOCAL_ADDRESS);
SAME_FIELD(AUTH_RECV_ACCEPT_V4, IP_LOCAL_PORT);
SAME_FIELD(AUTH_RECV_ACCEPT_V4, IP_PROTOCOL);
SAME_FIELD(AUTH_RECV_ACCEPT_V4, IP_REMOTE_ADDRESS);
SAME_FIELD(AUTH_RECV_ACCEPT_V4, IP_REMOTE_PORT);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, ALE_APP_ID);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, ALE_USER_ID);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, IP_LOCAL_ADDRESS);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, IP_LOCAL_PORT);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, IP_PROTOCOL);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, IP_REMOTE_ADDRESS);
SAME_FIELD(AUTH_RECV_ACCEPT_V6, IP_REMOTE_PORT);
SAME_FIELD(FLOW_ESTABLISHED_V4, IP_PROTOCOL);
SAME_FIELD(FLOW_ESTABLISHED_V4, IP_REMOTE_ADDRESS);
SAME_FIELD(FLOW_ESTABLISHED_V4, IP_REMOTE_PORT);
SAME_FIELD(FLOW_ESTABLISHED_V6, IP_PROTOCOL);
SAME_FIELD(FLOW_ESTABLISHED_V6, IP_REMOTE_ADDRESS);
SAME_FIELD(FLOW_ESTABLISHED_V6, IP_REMOTE_PORT);
#define SAME_ACCEPT(name)                                                                                              \
    _Static_assert((int)FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V6_##name == (int)FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_##name,   \
                   "field order of AUTH_RECV_ACCEPT")
SAME_ACCEPT(FLAGS);
SAME_ACCEPT(INTERFACE_INDEX);
_Static_assert((int)FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION == (int)FWPS_FIELD_ALE_FLOW_ESTABLISHED_V6_DIRECTION,
               "field order of FLOW_ESTABLISHED");

void classify_answer(FWPS_CLASSIFY_OUT0 *out, const FWPS_FILTER3 *filter, enum classify_action action)
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

const FWP_VALUE0 *classify_field(const FWPS_INCOMING_VALUES0 *values, UINT32 index, FWP_DATA_TYPE type)
{
    if (index >= values->valueCount || values->incomingValue[index].value.type != type)
        return NULL;
    return &values->incomingValue[index].value;
}

UINT32 classify_uint32(const FWPS_INCOMING_VALUES0 *values, UINT32 index)
{
    const FWP_VALUE0 *value = classify_field(values, index, FWP_UINT32);

    return value == NULL ? 0 : value->uint32;
}

/* FALSE: not there; address is untouched then. */
static BOOLEAN read_address(const FWPS_INCOMING_VALUES0 *values, UINT32 index, uint8_t ip_version, uint8_t *address)
{
    const FWP_VALUE0 *value = classify_field(values, index, ip_version == 6 ? FWP_BYTE_ARRAY16_TYPE : FWP_UINT32);

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

BOOLEAN classify_destination(const FWPS_INCOMING_VALUES0 *values, uint8_t ip_version, struct destination *to)
{
    const FWP_VALUE0 *protocol = classify_field(values, FIELD(IP_PROTOCOL), FWP_UINT8);
    const FWP_VALUE0 *port = classify_field(values, FIELD(IP_REMOTE_PORT), FWP_UINT16);

    RtlZeroMemory(to, sizeof(*to));
    if (protocol == NULL || port == NULL || !read_address(values, FIELD(IP_REMOTE_ADDRESS), ip_version, to->address))
        return FALSE;
    to->ip_version = ip_version;
    to->protocol = protocol->uint8;
    to->port = port->uint16;
    return TRUE;
}

UINT64 classify_endpoint(const FWPS_INCOMING_METADATA_VALUES0 *metadata)
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

const SID_AND_ATTRIBUTES_HASH *classify_sids(const FWPS_INCOMING_VALUES0 *values)
{
    const FWP_VALUE0 *value = classify_field(values, FIELD(ALE_USER_ID), FWP_TOKEN_ACCESS_INFORMATION_TYPE);
    const TOKEN_ACCESS_INFORMATION *token;

    if (value == NULL || value->tokenAccessInformation == NULL || value->tokenAccessInformation->data == NULL ||
        value->tokenAccessInformation->size < RTL_SIZEOF_THROUGH_FIELD(TOKEN_ACCESS_INFORMATION, SidHash))
        return NULL;
    token = (const TOKEN_ACCESS_INFORMATION *)(const void *)value->tokenAccessInformation->data;
    if (token->SidHash == NULL || token->SidHash->SidCount == 0 || token->SidHash->SidAttr == NULL)
        return NULL;
    return token->SidHash;
}

ULONG classify_sid_size(const SID *sid)
{
    if (sid == NULL || sid->Revision != SID_REVISION || sid->SubAuthorityCount > SID_MAX_SUB_AUTHORITIES)
        return 0;
    return FIELD_OFFSET(SID, SubAuthority) + sid->SubAuthorityCount * (ULONG)sizeof(ULONG);
}

/* The first SID of the token. */
static void read_user(const FWPS_INCOMING_VALUES0 *values, struct connection *connection)
{
    const SID_AND_ATTRIBUTES_HASH *sids = classify_sids(values);
    ULONG size = sids == NULL ? 0 : classify_sid_size(sids->SidAttr[0].Sid);

    if (size == 0)
        return;
    RtlCopyMemory(connection->user_sid, sids->SidAttr[0].Sid, size);
    connection->user_sid_size = (uint16_t)size;
}

const uint8_t *classify_program(const FWPS_INCOMING_VALUES0 *values, size_t *path_size)
{
    const FWP_VALUE0 *value = classify_field(values, FIELD(ALE_APP_ID), FWP_BYTE_BLOB_TYPE);
    size_t size;

    if (value == NULL || value->byteBlob == NULL || value->byteBlob->data == NULL)
        return NULL;
    size = value->byteBlob->size;
    if (size >= sizeof(WCHAR) && value->byteBlob->data[size - 1] == 0 && value->byteBlob->data[size - 2] == 0)
        size -= sizeof(WCHAR);
    if (size == 0 || size > PROGRAM_PATH_MAX)
        return NULL;
    *path_size = size;
    return value->byteBlob->data;
}

static BOOLEAN is_v6(UINT16 layer)
{
    return layer == FWPS_LAYER_ALE_AUTH_CONNECT_V6 || layer == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6;
}

BOOLEAN classify_inbound(const FWPS_INCOMING_VALUES0 *values)
{
    return values->layerId == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4 ||
           values->layerId == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6;
}

UINT32 classify_flags(const FWPS_INCOMING_VALUES0 *values)
{
    return classify_uint32(values, classify_inbound(values) ? (UINT32)FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS
                                                            : (UINT32)FIELD(FLAGS));
}

BOOLEAN classify_arrival(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                         struct hold_arrival *arrival)
{
    struct connection *connection = &arrival->connection;
    const FWP_VALUE0 *local_port = classify_field(values, FIELD(IP_LOCAL_PORT), FWP_UINT16);
    struct destination to;
    BOOLEAN known;

    RtlZeroMemory(arrival, sizeof(*arrival));
    connection->layer = values->layerId;
    connection->ip_version = is_v6(values->layerId) ? 6 : 4;
    known = classify_destination(values, connection->ip_version, &to);
    connection->protocol = to.protocol;
    connection->remote_port = to.port;
    RtlCopyMemory(connection->remote_address, to.address, sizeof(to.address));
    (void)read_address(values, FIELD(IP_LOCAL_ADDRESS), connection->ip_version, connection->local_address);
    connection->local_port = local_port == NULL ? 0 : local_port->uint16;
    connection->interface_index =
        classify_uint32(values, classify_inbound(values) ? (UINT32)FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_INTERFACE_INDEX
                                                         : (UINT32)FIELD(INTERFACE_INDEX));
    if ((classify_flags(values) & FWP_CONDITION_FLAG_IS_LOOPBACK) != 0)
        connection->flags |= GATEHOUSE_REQUEST_LOOPBACK;
    connection->endpoint = classify_endpoint(metadata);
    read_process(metadata, connection);
    read_user(values, connection);
    arrival->path = classify_program(values, &arrival->path_size);
    if (arrival->path == NULL)
        connection->flags |= GATEHOUSE_REQUEST_NO_PROGRAM;
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE))
        arrival->completion_handle = metadata->completionHandle;
    return known;
}
