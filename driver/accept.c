/* SPDX-License-Identifier: MIT */
/*
 * accept.c - see accept.h.
 */
#include "driver/accept.h"

#define FAMILY_INET  2 /* AF_INET, AF_INET6 of Windows */
#define FAMILY_INET6 23

#define FIELD(name) FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_##name
_Static_assert((int)FIELD(REAUTHORIZE_REASON) == (int)FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V6_REAUTHORIZE_REASON &&
                   (int)FIELD(SUB_INTERFACE_INDEX) == (int)FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V6_SUB_INTERFACE_INDEX,
               "field order of AUTH_RECV_ACCEPT");

/* What is needed to let the packet go on. */
struct hold_packet {
    NET_BUFFER_LIST *clone;
    ADDRESS_FAMILY family;
    COMPARTMENT_ID compartment;
    IF_INDEX interface_index, sub_interface_index;
};

_Use_decl_annotations_
NTSTATUS accept_start(void)
{
    NTSTATUS status = FwpsInjectionHandleCreate0(0, FWPS_INJECTION_TYPE_TRANSPORT, &driver_state.injection);

    if (!NT_SUCCESS(status))
        driver_state.injection = NULL;
    return status;
}

_Use_decl_annotations_
void accept_stop(void)
{
    if (driver_state.injection != NULL)
        (void)FwpsInjectionHandleDestroy0(driver_state.injection);
    driver_state.injection = NULL;
}

NET_BUFFER_LIST *accept_clone(const struct hold_packet *packet)
{
    return packet == NULL ? NULL : packet->clone;
}

static void packet_free(struct hold_packet *packet)
{
    FwpsFreeCloneNetBufferList0(packet->clone, 0);
    ExFreePoolWithTag(packet, DRIVER_POOL_TAG);
}

/* The list begins behind the transport header; a clone that is to be injected begins with the IP header. */
static NTSTATUS clone_whole(NET_BUFFER_LIST *list, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                            NET_BUFFER_LIST **clone)
{
    NET_BUFFER *buffer = NET_BUFFER_LIST_FIRST_NB(list);
    ULONG headers = metadata->ipHeaderSize + metadata->transportHeaderSize;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (NdisRetreatNetBufferDataStart(buffer, headers, 0, NULL) != NDIS_STATUS_SUCCESS)
        return status;
    status = FwpsAllocateCloneNetBufferList0(list, NULL, NULL, 0, clone);
    NdisAdvanceNetBufferDataStart(buffer, headers, FALSE, NULL);
    return status;
}

/* NULL: there is no packet to clone, or no memory. */
static struct hold_packet *packet_make(const FWPS_INCOMING_VALUES0 *values,
                                       const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *layer_data)
{
    struct hold_packet *packet;

    if (layer_data == NULL || !FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_IP_HEADER_SIZE) ||
        !FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_HEADER_SIZE))
        return NULL;
    packet = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*packet), DRIVER_POOL_TAG);
    if (packet == NULL)
        return NULL;
    if (!NT_SUCCESS(clone_whole(layer_data, metadata, &packet->clone))) {
        ExFreePoolWithTag(packet, DRIVER_POOL_TAG);
        return NULL;
    }
    packet->family = values->layerId == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6 ? FAMILY_INET6 : FAMILY_INET;
    packet->compartment = FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPARTMENT_ID)
                              ? (COMPARTMENT_ID)metadata->compartmentId
                              : UNSPECIFIED_COMPARTMENT_ID;
    packet->interface_index = classify_uint32(values, FIELD(INTERFACE_INDEX));
    packet->sub_interface_index = classify_uint32(values, FIELD(SUB_INTERFACE_INDEX));
    return packet;
}

static void NTAPI injected(void *context, NET_BUFFER_LIST *list, BOOLEAN dispatch_level)
{
    UNREFERENCED_PARAMETER(list);
    UNREFERENCED_PARAMETER(dispatch_level);
    packet_free(context);
}

_Use_decl_annotations_
void accept_finish(struct hold_packet *packet, BOOLEAN permit)
{
    if (packet == NULL)
        return;
    if (!permit || !NT_SUCCESS(FwpsInjectTransportReceiveAsync0(
                       driver_state.injection, NULL, NULL, 0, packet->family, packet->compartment,
                       packet->interface_index, packet->sub_interface_index, packet->clone, injected, packet)))
        packet_free(packet);
}

/* We injected it, so it was permitted. */
static BOOLEAN is_ours(void *layer_data)
{
    FWPS_PACKET_INJECTION_STATE state;

    if (layer_data == NULL)
        return FALSE;
    state = FwpsQueryPacketInjectionState0(driver_state.injection, layer_data, NULL);
    return state == FWPS_PACKET_INJECTED_BY_SELF || state == FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF;
}

static enum hold_result hold(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                             void *layer_data, const FWPS_CLASSIFY_OUT0 *out, struct hold_arrival *arrival)
{
    enum hold_result result;

    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || arrival->completion_handle == NULL ||
        arrival->connection.endpoint == 0)
        return holds_cannot_pend(arrival);
    arrival->packet = packet_make(values, metadata, layer_data);
    if (arrival->packet == NULL)
        return holds_cannot_pend(arrival);
    result = holds_pend(arrival);
    if (result != HOLD_PENDED)
        packet_free(arrival->packet);
    return result;
}

_Use_decl_annotations_
enum classify_action accept_ask(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                void *layer_data, const FWPS_CLASSIFY_OUT0 *out)
{
    struct hold_arrival arrival;
    enum hold_result result;

    if (is_ours(layer_data))
        return ACTION_PERMIT;
    if (!classify_arrival(values, metadata, &arrival))
        result = holds_cannot_pend(&arrival);
    else if ((classify_flags(values) & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0)
        result = holds_reauthorize(&arrival, FALSE);
    else
        result = hold(values, metadata, layer_data, out, &arrival);
    if (result == HOLD_PENDED)
        return ACTION_PENDED;
    return result == HOLD_PERMIT ? ACTION_PERMIT : ACTION_BLOCK;
}
