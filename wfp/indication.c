/* SPDX-License-Identifier: MIT */
/*
 * indication.c - builds FWPS_INCOMING_VALUES0 and metadata from an authorization's facts. Pure but for long blobs.
 *
 * When you add a field: its type in layer.c, its value here.
 */
#include "wfp/indication.h"
#include "nt/verify/trap_page.h"
#include "nt/verify/verify.h"
#include "wfp/memory.h"
#include "wfp/net_buffer.h"
#include "wfp/token.h"
#include "wfp/verify_private.h"

#include <string.h>

#define POISON      0xdd
#define COMPARTMENT 1

/* NL_ADDRESS_TYPE */
#define ADDRESS_UNICAST   1
#define ADDRESS_MULTICAST 3
#define ADDRESS_BROADCAST 4

/* The first eight fields have the same places at all three layers, v4 and v6. */
#define APP_ID             0
#define USER_ID            1
#define LOCAL_ADDRESS      2
#define LOCAL_ADDRESS_TYPE 3
#define LOCAL_PORT         4
#define PROTOCOL           5
#define REMOTE_ADDRESS     6
#define REMOTE_PORT        7

#define SAME_PLACES(layer)                                                                                             \
    _Static_assert(FWPS_FIELD_##layer##_ALE_APP_ID == APP_ID && FWPS_FIELD_##layer##_ALE_USER_ID == USER_ID &&         \
                       FWPS_FIELD_##layer##_IP_LOCAL_ADDRESS == LOCAL_ADDRESS &&                                       \
                       FWPS_FIELD_##layer##_IP_LOCAL_ADDRESS_TYPE == LOCAL_ADDRESS_TYPE &&                             \
                       FWPS_FIELD_##layer##_IP_LOCAL_PORT == LOCAL_PORT &&                                             \
                       FWPS_FIELD_##layer##_IP_PROTOCOL == PROTOCOL &&                                                 \
                       FWPS_FIELD_##layer##_IP_REMOTE_ADDRESS == REMOTE_ADDRESS &&                                     \
                       FWPS_FIELD_##layer##_IP_REMOTE_PORT == REMOTE_PORT,                                             \
                   #layer)

SAME_PLACES(ALE_AUTH_RECV_ACCEPT_V4);
SAME_PLACES(ALE_AUTH_RECV_ACCEPT_V6);
SAME_PLACES(ALE_AUTH_CONNECT_V4);
SAME_PLACES(ALE_AUTH_CONNECT_V6);
SAME_PLACES(ALE_FLOW_ESTABLISHED_V4);
SAME_PLACES(ALE_FLOW_ESTABLISHED_V6);
SAME_PLACES(ALE_ENDPOINT_CLOSURE_V4);
SAME_PLACES(ALE_ENDPOINT_CLOSURE_V6);

static void set8(struct wfp_indication *to, unsigned field, UINT8 value)
{
    to->values[field].value.type = FWP_UINT8;
    to->values[field].value.uint8 = value;
}

static void set16(struct wfp_indication *to, unsigned field, UINT16 value)
{
    to->values[field].value.type = FWP_UINT16;
    to->values[field].value.uint16 = value;
}

static void set32(struct wfp_indication *to, unsigned field, UINT32 value)
{
    to->values[field].value.type = FWP_UINT32;
    to->values[field].value.uint32 = value;
}

static UINT32 host_order(const UINT8 *address)
{
    return (UINT32)address[0] << 24 | (UINT32)address[1] << 16 | (UINT32)address[2] << 8 | address[3];
}

static UINT8 address_type(UINT8 ip_version, const UINT8 *address)
{
    if (ip_version == 6)
        return address[0] == 0xff ? ADDRESS_MULTICAST : ADDRESS_UNICAST;
    if (host_order(address) == 0xffffffff)
        return ADDRESS_BROADCAST;
    return (address[0] & 0xf0) == 0xe0 ? ADDRESS_MULTICAST : ADDRESS_UNICAST;
}

static void set_addresses(struct wfp_indication *to, const struct wfp_ale_connect *facts)
{
    if (facts->ip_version != 6) {
        set32(to, LOCAL_ADDRESS, host_order(facts->local_address));
        set32(to, REMOTE_ADDRESS, host_order(facts->remote_address));
        return;
    }
    memcpy(&to->local, facts->local_address, sizeof(to->local));
    memcpy(&to->remote, facts->remote_address, sizeof(to->remote));
    to->values[LOCAL_ADDRESS].value.type = FWP_BYTE_ARRAY16_TYPE;
    to->values[LOCAL_ADDRESS].value.byteArray16 = &to->local;
    to->values[REMOTE_ADDRESS].value.type = FWP_BYTE_ARRAY16_TYPE;
    to->values[REMOTE_ADDRESS].value.byteArray16 = &to->remote;
}

static size_t user_bytes(const struct wfp_ale_connect *facts)
{
    return facts->user == NULL ? 0 : (facts->user->size + 15) & ~(size_t)15;
}

static size_t package_bytes(const struct wfp_ale_connect *facts)
{
    return facts->package == NULL ? 0 : (facts->package->size + 15) & ~(size_t)15;
}

static unsigned package_field(unsigned layer)
{
    switch (layer) {
    case WFP_AUTH_RECV_ACCEPT_V4:
    case WFP_AUTH_RECV_ACCEPT_V6:
        return FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_ALE_PACKAGE_ID;
    case WFP_AUTH_CONNECT_V4:
    case WFP_AUTH_CONNECT_V6:
        return FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_PACKAGE_ID;
    case WFP_FLOW_ESTABLISHED_V4:
    case WFP_FLOW_ESTABLISHED_V6:
        return FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_ALE_PACKAGE_ID;
    default:
        return FWPS_FIELD_ALE_ENDPOINT_CLOSURE_V4_ALE_PACKAGE_ID;
    }
}

size_t wfp_indication_bytes(const struct wfp_ale_connect *facts)
{
    return user_bytes(facts) + package_bytes(facts) + (facts->app_id == NULL ? 0 : facts->app_id->size);
}

/* App id, process path, token and package: copies whose bytes go with this classify. */
static BOOLEAN set_blobs(struct wfp_indication *to, const struct wfp_request *request, UINT8 *room)
{
    const struct wfp_ale_connect *facts = &request->authorization->facts;
    size_t user_size = user_bytes(facts), package_size = package_bytes(facts);
    size_t app_size = facts->app_id == NULL ? 0 : facts->app_id->size;

    to->byte_count = user_size + package_size + app_size;
    to->bytes = to->inline_bytes;
    if (to->byte_count > WFP_INLINE_BYTES) {
        to->bytes = room != NULL ? room : wfp_alloc(to->byte_count);
        if (to->bytes == NULL)
            return FALSE;
    }
    if (user_size != 0) {
        wfp_token_copy_again(facts->user, to->bytes);
        to->user.size = facts->user->size;
        to->user.data = to->bytes;
        to->values[USER_ID].value.type = FWP_TOKEN_ACCESS_INFORMATION_TYPE;
        to->values[USER_ID].value.tokenAccessInformation = &to->user;
    }
    if (package_size != 0) {
        FWPS_INCOMING_VALUE0 *package = &to->values[package_field(request->layer)];

        memcpy(to->bytes + user_size, facts->package->data, facts->package->size);
        package->value.type = FWP_SID;
        package->value.sid = (SID *)(void *)(to->bytes + user_size);
    }
    if (app_size != 0) {
        memcpy(to->bytes + user_size + package_size, facts->app_id->data, app_size);
        to->app_id.size = (UINT32)app_size;
        to->app_id.data = to->bytes + user_size + package_size;
        to->path = to->app_id;
        to->values[APP_ID].value.type = FWP_BYTE_BLOB_TYPE;
        to->values[APP_ID].value.byteBlob = &to->app_id;
    }
    return TRUE;
}

/* Every member as if its bit were not set, until set_metadata sets those that are there. */
static void trap_metadata(FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    memset(metadata, WFP_NO_METADATA, sizeof(*metadata));
    metadata->currentMetadataValues = 0;
    metadata->flags = 0;
    metadata->reserved = 0;
    metadata->currentL2MetadataValues = 0;
    metadata->reserved1 = 0;
    metadata->processPath = nt_trap_address("metadata member processPath without its bit");
    metadata->completionHandle = nt_trap_address("metadata member completionHandle without its bit");
    metadata->controlData = nt_trap_address("metadata member controlData without its bit");
    metadata->headerIncludeHeader = nt_trap_address("metadata member headerIncludeHeader without its bit");
    metadata->originalDestination = nt_trap_address("metadata member originalDestination without its bit");
    metadata->redirectRecords = nt_trap_address("metadata member redirectRecords without its bit");
    metadata->vSwitchPacketContext = nt_trap_address("metadata member vSwitchPacketContext without its bit");
    metadata->subProcessTag = nt_trap_address("metadata member subProcessTag without its bit");
}

static void set_metadata(struct wfp_indication *to, const struct wfp_request *request)
{
    const struct wfp_ale_connect *facts = &request->authorization->facts;
    FWPS_INCOMING_METADATA_VALUES0 *metadata = &to->metadata;
    BOOLEAN closure = request->layer >= WFP_ENDPOINT_CLOSURE_V4;
    BOOLEAN established = request->layer >= WFP_FLOW_ESTABLISHED_V4 && !closure;

    metadata->currentMetadataValues = FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE;
    metadata->transportEndpointHandle = facts->endpoint;
    if (facts->has_process) {
        metadata->currentMetadataValues |= FWPS_METADATA_FIELD_PROCESS_ID;
        metadata->processId = facts->process_id;
    }
    if (!established) {
        metadata->currentMetadataValues |= FWPS_METADATA_FIELD_COMPARTMENT_ID;
        metadata->compartmentId = COMPARTMENT;
    }
    if (closure)
        return;
    if (to->path.size != 0) {
        metadata->currentMetadataValues |= FWPS_METADATA_FIELD_PROCESS_PATH;
        metadata->processPath = &to->path;
    }
    if (request->has_flow) {
        metadata->currentMetadataValues |= FWPS_METADATA_FIELD_FLOW_HANDLE;
        metadata->flowHandle = request->authorization->flow.key;
    }
    if (established)
        return;
    if (!wfp_verify_options.no_completion_handle) {
        metadata->currentMetadataValues |= FWPS_METADATA_FIELD_COMPLETION_HANDLE;
        metadata->completionHandle = (HANDLE)(uintptr_t)request->authorization->flow.key;
    }
    metadata->currentMetadataValues |= FWPS_METADATA_FIELD_PACKET_DIRECTION;
    metadata->packetDirection = request->direction;
    if (request->packet != NULL) {
        metadata->currentMetadataValues |=
            FWPS_METADATA_FIELD_IP_HEADER_SIZE | FWPS_METADATA_FIELD_TRANSPORT_HEADER_SIZE;
        metadata->ipHeaderSize = request->packet->ip_header_size;
        metadata->transportHeaderSize = request->packet->headers - request->packet->ip_header_size;
    }
}

static void set_layer_fields(struct wfp_indication *to, const struct wfp_request *request, UINT32 flags)
{
    const struct wfp_ale_connect *facts = &request->authorization->facts;
    UINT8 remote_type = address_type(facts->ip_version, facts->remote_address);

    switch (request->layer) {
    case WFP_AUTH_RECV_ACCEPT_V4:
    case WFP_AUTH_RECV_ACCEPT_V6:
        set32(to, FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS, flags);
        set32(to, FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_REAUTHORIZE_REASON, request->reason);
        set32(to, FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_COMPARTMENT_ID, COMPARTMENT);
        if (facts->interface_index != 0) {
            set32(to, FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_INTERFACE_INDEX, facts->interface_index);
            set32(to, FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_ARRIVAL_INTERFACE_INDEX, facts->interface_index);
        }
        break;
    case WFP_AUTH_CONNECT_V4:
    case WFP_AUTH_CONNECT_V6:
        set8(to, FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_DESTINATION_ADDRESS_TYPE, remote_type);
        set32(to, FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS, flags);
        set32(to, FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON, request->reason);
        set32(to, FWPS_FIELD_ALE_AUTH_CONNECT_V4_COMPARTMENT_ID, COMPARTMENT);
        if (facts->interface_index != 0)
            set32(to, FWPS_FIELD_ALE_AUTH_CONNECT_V4_INTERFACE_INDEX, facts->interface_index);
        break;
    case WFP_FLOW_ESTABLISHED_V4:
    case WFP_FLOW_ESTABLISHED_V6:
        set8(to, FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_IP_DESTINATION_ADDRESS_TYPE, remote_type);
        set32(to, FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION,
              facts->inbound ? FWP_DIRECTION_INBOUND : FWP_DIRECTION_OUTBOUND);
        set32(to, FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_FLAGS, flags);
        set32(to, FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_COMPARTMENT_ID, COMPARTMENT);
        break;
    default:
        set32(to, FWPS_FIELD_ALE_ENDPOINT_CLOSURE_V4_FLAGS, flags);
        set32(to, FWPS_FIELD_ALE_ENDPOINT_CLOSURE_V4_COMPARTMENT_ID, COMPARTMENT);
        break;
    }
}

BOOLEAN wfp_indication_build(struct wfp_indication *to, const struct wfp_request *request, UINT8 *bytes)
{
    const struct wfp_ale_connect *facts = &request->authorization->facts;
    const struct wfp_layer *layer = &wfp_layers[request->layer];
    UINT32 flags = facts->condition_flags & ~(UINT32)FWP_CONDITION_FLAG_IS_REAUTHORIZE;

    memset(to, 0, offsetof(struct wfp_indication, bytes));
    to->trapped = FALSE;
    if (!set_blobs(to, request, bytes))
        return FALSE;
    if (NT_VERIFYING)
        trap_metadata(&to->metadata);
    if (request->reason != 0)
        flags |= FWP_CONDITION_FLAG_IS_REAUTHORIZE;
    set_addresses(to, facts);
    set8(to, LOCAL_ADDRESS_TYPE, address_type(facts->ip_version, facts->local_address));
    set16(to, LOCAL_PORT, facts->local_port);
    set8(to, PROTOCOL, facts->protocol);
    set16(to, REMOTE_PORT, facts->remote_port);
    set_layer_fields(to, request, flags);
    set_metadata(to, request);
    to->fixed.layerId = layer->id;
    to->fixed.valueCount = layer->field_count;
    to->fixed.incomingValue = to->values;
    return TRUE;
}

void wfp_indication_poison(struct wfp_indication *indication)
{
    UINT8 *bytes = indication->bytes;
    BOOLEAN allocated = bytes != indication->inline_bytes && !indication->trapped;

    memset(bytes, POISON, indication->byte_count);
    memset(indication, POISON, offsetof(struct wfp_indication, bytes));
    /* The compiler may not drop writes that nobody reads. */
    __asm__ volatile("" : : "r"(indication), "r"(bytes) : "memory");
    if (allocated)
        wfp_free(bytes);
}

/* Verifying: on a trap page. NULL: there is none left. */
static struct wfp_indication *trap(const struct wfp_request *request)
{
    const struct wfp_authorization *authorization = request->authorization;
    struct wfp_trapped *trapped = nt_trap_open(sizeof(*trapped) + wfp_indication_bytes(&authorization->facts),
                                               wfp_layers[request->layer].name, authorization->flow.key);

    if (trapped == NULL)
        return NULL;
    (void)wfp_indication_build(&trapped->indication, request, (UINT8 *)(trapped + 1));
    trapped->indication.trapped = TRUE;
    nt_begin(NT_BEGAN_CLASSIFY, (uintptr_t)trapped);
    return &trapped->indication;
}

struct wfp_indication *wfp_indication_begin(struct wfp_indication *spare, const struct wfp_request *request)
{
    struct wfp_indication *trapped = NT_VERIFYING ? trap(request) : NULL;

    if (trapped != NULL)
        return trapped;
    return wfp_indication_build(spare, request, NULL) ? spare : NULL;
}

void wfp_indication_end(struct wfp_indication *indication)
{
    BOOLEAN trapped = indication->trapped;

    wfp_indication_poison(indication);
    if (trapped)
        nt_trap_close(indication);
}
