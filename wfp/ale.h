/* SPDX-License-Identifier: MIT */
/*
 * ale.h - what a network stack tells the filter engine. Hosts, the lab and tests include it; drivers never.
 *
 * The stack brings an authorization (a connect, the first datagram to a new peer); the engine
 * classifies it through the layer's sublayers, filters and callouts and answers permit, block or
 * pended. A pended operation is finished by some driver's FwpsCompleteOperation0, which runs the
 * reauthorization classify on the completing thread and then calls done.
 *
 * Pages: ALE Layers, ALE Stateful Filtering, ALE Re-authorization (win32 desktop-src/FWP),
 * Processing Classify Callouts Asynchronously, FwpsPendOperation0 (windows-driver-docs).
 *
 * Packets stay with the stack: an outgoing operation that is pended does not lose its data here (a Windows
 * callout must clone datagrams itself). Threads: any; IRQL <= DISPATCH_LEVEL unless said otherwise.
 * classifyFn runs at DISPATCH_LEVEL by default (wfp_set_classify_irql).
 */
#ifndef WFP_ALE_H
#define WFP_ALE_H

#include <ntddk.h>
#include <fwpsk.h>

/* One authorization at ALE_AUTH_CONNECT_V4/_V6 or, inbound, ALE_AUTH_RECV_ACCEPT_V4/_V6. All pointers need live only
 * during the call: the engine copies. */
struct wfp_ale_connect {
    UINT8 ip_version; /* 4 or 6 */
    UINT8 protocol;   /* IPPROTO_* */
    UINT16 local_port;
    UINT16 remote_port;
    UINT8 local_address[16]; /* network byte order; IPv4 in the first four bytes */
    UINT8 remote_address[16];
    UINT64 endpoint; /* transport endpoint handle; never reused while the engine lives */
    BOOLEAN has_process;
    UINT64 process_id;
    UINT64 process_start;         /* 100 ns since 1601; what PsGetProcessCreateTimeQuadPart answers during classify */
    const FWP_BYTE_BLOB *app_id;  /* UTF-16LE with its NUL; NULL: FWP_EMPTY */
    const FWP_BYTE_BLOB *user;    /* a TOKEN_ACCESS_INFORMATION; NULL: FWP_EMPTY */
    UINT32 condition_flags;       /* FWP_CONDITION_FLAG_IS_LOOPBACK ...; the engine adds IS_REAUTHORIZE */
    UINT32 interface_index;       /* 0: FWP_EMPTY */
    const FWP_BYTE_BLOB *package; /* a SID for ALE_PACKAGE_ID; NULL: FWP_EMPTY */
    BOOLEAN
    inbound; /* local is the listening program's end; layer_data is a struct wfp_packet (wfp/packet.h), or NULL */
    void *layer_data; /* NULL for TCP connect */
};

/*
 * What a decision looked at: every connection at this layer that has the same values there gets the same decision, as
 * long as no filter changes. Fields are the layer's (FWPS_FIELD_*), a bit each. Of an address the first bits count, of
 * the remote port those of the mask, of FLAGS those of the mask. all: nothing can be said (a callout without
 * a promise had a say, wfp_callout_looks).
 */
struct wfp_looked {
    BOOLEAN all;
    UINT64 fields;
    UINT8 remote_address_bits, local_address_bits; /* 0..32, 0..128 */
    UINT16 remote_port_mask, local_port_mask;
    UINT32 flags_mask;
};

/*
 * What the host knows of a callout of its driver: answering CONTINUE (or nothing), it looked at these fields alone (as
 * above), and will answer so until a filter changes. answers: that is also true of PERMIT and BLOCK. Fields are those
 * of the callout's layer. Kept by key, whether the callout is there or not; wfp_reset forgets. Any thread; before
 * classifies that are to know it.
 */
void wfp_callout_looks(const GUID *callout_key, UINT64 fields, BOOLEAN answers);

/* The key of the filter with this id: FALSE when it is gone. Any IRQL <= DISPATCH_LEVEL. */
BOOLEAN wfp_filter_key(UINT64 filter_id, GUID *key);

/* The filter's providerData, if it is of this size: FALSE else, or when the filter is gone. As above. */
BOOLEAN wfp_filter_data(UINT64 filter_id, void *data, UINT32 size);

enum wfp_outcome { WFP_PERMIT = 1, WFP_BLOCK = 2, WFP_PENDED = 3 };

struct wfp_decision {
    enum wfp_outcome outcome;
    BOOLEAN absorb;     /* blocked silently */
    BOOLEAN by_callout; /* a callout had a say (a filter alone did not decide it) */
    UINT64 filter_id;   /* of the filter that decided; 0: none matched, default permit */
    UINT64 flow;        /* with WFP_PERMIT: the flow that now lives, until wfp_ale_flow_end */
    UINT64 operation;   /* with WFP_PENDED: its number, for wfp_ale_operation_* and logs */
    struct wfp_looked looked;
};

/* Called once for each pended operation, on the completing thread, IRQL <= DISPATCH_LEVEL; outcome is PERMIT or BLOCK.
 * It may call the engine but not wait. */
typedef void wfp_ale_done(void *context, const struct wfp_decision *decision);

/* Authorizes. With WFP_PENDED, done may run before this returns (a driver that completes at once on another thread). */
void wfp_ale_connect(const struct wfp_ale_connect *connect, wfp_ale_done *done, void *context,
                     struct wfp_decision *decision);

/* A connection that was permitted before the engine knew it: a flow from now on, authorized under no policy, so that
 * wfp_ale_flow_packet reauthorizes it at once. 0: no memory. */
UINT64 wfp_ale_adopt(const struct wfp_ale_connect *connect);

/* TRUE while a filter has a condition on ALE_PACKAGE_ID: only then is it worth a host's while to find out. Any IRQL. */
BOOLEAN wfp_package_wanted(void);

/* The flow's first packet is on its way: classifies ALE_FLOW_ESTABLISHED_V4/_V6 once, with the flow handle. */
void wfp_ale_flow_established(UINT64 flow);

/*
 * The next packet of a live flow, inbound or outbound. If a filter was added or deleted at the
 * layer where it was authorized since its last authorization, reclassifies it there with
 * IS_REAUTHORIZE and reason POLICY_CHANGE; a block ends the flow. Otherwise permits at once.
 * An unknown flow is blocked. *reauthorized tells which. layer_data is the packet, may be NULL.
 */
void wfp_ale_flow_packet(UINT64 flow, BOOLEAN inbound, void *layer_data, struct wfp_decision *decision,
                         BOOLEAN *reauthorized);

/* The flow is over: flowDeleteFn runs for each context. Unknown flows are ignored. */
void wfp_ale_flow_end(UINT64 flow);

/*
 * The socket is closed: classifies ALE_ENDPOINT_CLOSURE_V4/_V6 once, ends its flows, and marks its
 * pended operations dead. A dead operation's done runs with WFP_BLOCK when its driver completes it
 * (no reauthorization classify then).
 */
void wfp_ale_endpoint_closed(UINT64 endpoint);

/* Told after each committed change of filters at a layer (FWPS_LAYER_*), with the layer's new generation, at
 * PASSIVE_LEVEL. NULL: none. */
typedef void wfp_policy_changed(void *context, UINT16 layer, UINT64 generation);
void wfp_set_policy_changed(wfp_policy_changed *changed, void *context);

/*
 * A session whose holder is not trusted to end its transactions: a management call of another session, unless that
 * gives way too, aborts its transaction instead of waiting for it (STATUS_FWP_TXN_ABORTED for its later calls, until it
 * commits, aborts or closes). Its own calls wait 1 ms at most for others (STATUS_FWP_TIMEOUT), and what such sessions
 * keep is bounded (WFP_CLIENTS_BYTES, STATUS_QUOTA_EXCEEDED). in_transaction: whether it has one open now. Unknown
 * handles are ignored. Any IRQL below DISPATCH_LEVEL.
 */
void wfp_session_give_way(HANDLE engine);
BOOLEAN wfp_session_in_transaction(HANDLE engine);

/* How many filters the layer (FWPS_LAYER_*) has now. Any IRQL <= DISPATCH_LEVEL. */
size_t wfp_layer_filters(UINT16 layer);

/* FALSE: no filter of the layer could block or hold a connection of this protocol: they permit, or want another one. */
BOOLEAN wfp_layer_may_stop(UINT16 layer, UINT8 protocol);

/* The same for a raw endpoint; a callout filter that names TCP and UDP and nothing else does not count. */
BOOLEAN wfp_layer_may_stop_raw(UINT16 layer);

/* IRQL at which classifyFn is called: DISPATCH_LEVEL (default) or PASSIVE_LEVEL. */
void wfp_set_classify_irql(KIRQL irql);

/* What the engine holds now. */
struct wfp_counts {
    size_t sessions, providers, sublayers, callouts, filters, registered_callouts, flows, pended, endpoints;
};
void wfp_count(struct wfp_counts *counts);

/* Frees everything when nothing is registered or pended; otherwise reports left-operation and left-registration, and
 * frees what it can. Callout ids, filter ids and all other numbers start again. PASSIVE_LEVEL. */
void wfp_reset(void);

/* The same without telling or calling anybody, when a run was abandoned (nt_schedule_abandon): what the engine had
 * allocated is lost until nt_reset takes it back. With no thread in the engine. */
void wfp_forget(void);

#endif
