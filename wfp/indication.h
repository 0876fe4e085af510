/* SPDX-License-Identifier: MIT */
/*
 * indication.h - what one classify shows: fixed values and metadata, built afresh and poisoned afterwards.
 *
 * Which metadata is present: Metadata Fields at Each Filtering Layer (windows-driver-docs). FLOW_HANDLE
 * is given only when the flow exists, header sizes only with a packet. IPv4 addresses and ports are in host byte order.
 * The user appears as FWP_TOKEN_ACCESS_INFORMATION_TYPE. No interface LUIDs or profiles here: those fields are
 * FWP_EMPTY. COMPARTMENT_ID is 1.
 *
 * Callers keep it on their stack. Any IRQL; allocates only for long app ids and tokens.
 */
#ifndef WFP_INDICATION_H
#define WFP_INDICATION_H

#include "wfp/authorization.h"

#define WFP_INLINE_BYTES 1536 /* a token with the groups of a service, and a path */

/* What is indicated. */
struct wfp_request {
    struct wfp_authorization *authorization;
    unsigned layer;
    UINT32 reason; /* FWP_CONDITION_REAUTHORIZE_REASON_*; 0: not a reauthorization */
    FWP_DIRECTION direction;
    BOOLEAN has_flow;
    void *layer_data;
    const struct wfp_net_buffer *packet; /* layer_data is its list; NULL: it is not a net buffer list */
};

struct wfp_indication {
    FWPS_INCOMING_VALUES0 fixed;
    FWPS_INCOMING_METADATA_VALUES0 metadata;
    FWPS_INCOMING_VALUE0 values[WFP_MAX_FIELDS];
    FWP_BYTE_ARRAY16 local, remote;
    FWP_BYTE_BLOB app_id, path, user;
    UINT8 *bytes; /* inline_bytes, or allocated */
    size_t byte_count;
    BOOLEAN trapped; /* lies on a trap page, with its bytes */
    UINT8 inline_bytes[WFP_INLINE_BYTES] __attribute__((aligned(16)));
};

/*
 * One that is given to classifyFn. spare is on the caller's stack. While the verifier is on it lies on a trap page
 * instead (nt/verify/trap_page.h) together with classifyOut and a copy of the filter, and faults when it is used after
 * end; and metadata whose bit is not set holds WFP_NO_METADATA in every byte, or a pointer that faults.
 */
struct wfp_trapped {
    struct wfp_indication indication;
    FWPS_CLASSIFY_OUT0 out;
    FWPS_FILTER3 filter; /* of the callout that is asked */
};
#define WFP_NO_METADATA        0xbd
#define WFP_NO_METADATA_UINT64 0xbdbdbdbdbdbdbdbdull

/* NULL: no memory. */
struct wfp_indication *wfp_indication_begin(struct wfp_indication *spare, const struct wfp_request *request);
void wfp_indication_end(struct wfp_indication *indication);

/* FALSE: no memory. bytes: room for long ones, or NULL to allocate it. */
BOOLEAN wfp_indication_build(struct wfp_indication *indication, const struct wfp_request *request, UINT8 *bytes);
void wfp_indication_poison(struct wfp_indication *indication);

/* The bytes that app id and token take beside the structure. */
size_t wfp_indication_bytes(const struct wfp_ale_connect *facts);

#endif
