/* SPDX-License-Identifier: MIT */
/*
 * packet.h - an inbound packet as its host gives it to the engine: layer_data of an inbound wfp_ale_connect.
 *
 * The bytes stay with the host, which keeps the packet until the decision. What a driver sees of it is a
 * NET_BUFFER_LIST of the engine's own (net_buffer.h). A driver that holds the packet clones it; the host is told
 * WFP_PENDED then, and done when it is decided: WFP_PERMIT when a clone was injected and permitted, WFP_BLOCK when the
 * operation is completed and no clone is left that could come.
 *
 * A plain BLOCK by a driver that kept a clone is WFP_PENDED too: it may inject it without having pended anything.
 */
#ifndef WFP_PACKET_H
#define WFP_PACKET_H

#include <ntddk.h>

/* Lives during the call. */
struct wfp_packet {
    UINT32 size; /* of the whole packet; 0: not known */
    UINT32 ip_header_size, transport_header_size;
};

#endif
