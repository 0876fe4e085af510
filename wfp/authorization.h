/* SPDX-License-Identifier: MIT */
/*
 * authorization.h - one connect's life: asked, perhaps pended, then blocked or a flow.
 *
 * One block holds it from wfp_ale_connect to the flow's end: the facts (deep copy), the embedded pend
 * record, the flow's node. Its id is the operation's number, the completion handle and the flow handle.
 *
 * References: the pending operation or the flow (never both) holds one; who works with it another.
 * It leaves its endpoint's list (wfp_endpoint_leave) before its owner drops the last.
 */
#ifndef WFP_AUTHORIZATION_H
#define WFP_AUTHORIZATION_H

#include "wfp/ale.h"
#include "wfp/layer.h"
#include "wfp/table.h"

#include <stdatomic.h>
#include <stdbool.h>

struct wfp_endpoint;
struct wfp_flow_context;
struct wfp_net_buffer;

struct wfp_pend {
    struct wfp_node node; /* key: the completion context */
    struct wfp_authorization *authorization;
    UINT32 callout_id;
    PDRIVER_OBJECT driver; /* who pended; NULL: no driver of nt/ */
    UINT64 since;          /* nt_now(), while the verifier is on; 0: not known */
    BOOLEAN is_old;        /* operation-too-old was reported */
};

#define WFP_PENDERS 4

struct wfp_authorization {
    struct wfp_node flow; /* key: id. In the flow table while a flow */
    _Atomic(UINT32) refs;
    _Atomic(UINT32) outstanding;   /* the classify, and each pend not yet completed; 0: reauthorize */
    _Atomic(UINT64) generation;    /* of the policy it was last authorized by */
    atomic_bool dead;              /* its endpoint is closed */
    atomic_bool established;       /* ALE_FLOW_ESTABLISHED was indicated */
    unsigned layer;                /* WFP_AUTH_CONNECT_V4 or _V6; inbound: WFP_AUTH_RECV_ACCEPT_V4 or _V6 */
    struct wfp_net_buffer *packet; /* referenced; what it indicates, NULL: nothing (outbound) */
    struct wfp_ale_connect facts;
    FWP_BYTE_BLOB app_id; /* facts point here */
    FWP_BYTE_BLOB user;
    FWP_BYTE_BLOB package;
    wfp_ale_done *done;
    void *done_context;
    struct wfp_pend pend;              /* of the first callout that pends; others allocate */
    UINT32 penders[WFP_PENDERS];       /* callouts that pended it, while the verifier is on; 0: no more */
    struct wfp_flow_context *contexts; /* under the flow shard's lock */
    struct wfp_endpoint *endpoint;     /* under the endpoint shard's lock, as is the link */
    LIST_ENTRY endpoint_link;
};

/* With one reference; NULL: no memory. */
struct wfp_authorization *wfp_authorization_make(const struct wfp_ale_connect *connect);
void wfp_authorization_hold(struct wfp_authorization *authorization);
void wfp_authorization_put(struct wfp_authorization *authorization);

/*
 * Classifies a completed operation again (or, when its endpoint is closed, blocks it), makes it a flow or ends it,
 * and calls done. Drops the operation's reference. IRQL <= DISPATCH_LEVEL.
 */
void wfp_authorization_resume(struct wfp_authorization *authorization);

/* An inbound packet can come no more (net_buffer.h): blocks it and calls done. Takes the reference. */
void wfp_authorization_lost(struct wfp_authorization *authorization);

/*
 * Classifies an injected clone, for the packet's authorization; held: with its holder, which is taken. FALSE: not done,
 * its endpoint is closed or there is no memory.
 */
BOOLEAN wfp_authorization_again(struct wfp_net_buffer *clone, BOOLEAN held);

#endif
