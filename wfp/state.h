/* SPDX-License-Identifier: MIT */
/*
 * state.h - what the engine holds at one moment, copied: what `netsh wfp show state` gives.
 *
 * Sorted so that the same state always reads the same: by number; filters as they are asked, layer by layer. Nobody is
 * kept from working meanwhile, so that a snapshot of an engine that runs is of no single moment: each part of it was.
 * Takes no gate: a transaction that is open shows what it did so far. PASSIVE_LEVEL. Names are ASCII, shortened.
 */
#ifndef WFP_STATE_H
#define WFP_STATE_H

#include "wfp/ale.h"

#define WFP_STATE_NAME 48

struct wfp_state_session {
    UINT64 id;
    BOOLEAN dynamic, in_transaction;
    char driver[WFP_STATE_NAME]; /* who opened it; empty: no driver */
};

struct wfp_state_provider {
    GUID key;
    BOOLEAN persistent;
    char name[WFP_STATE_NAME], driver[WFP_STATE_NAME];
};

struct wfp_state_sublayer {
    GUID key;
    UINT16 weight;
    BOOLEAN persistent, builtin;
    UINT32 filters; /* that name it */
    char name[WFP_STATE_NAME], driver[WFP_STATE_NAME];
};

struct wfp_state_callout {
    UINT32 id;
    GUID key;
    BOOLEAN registered; /* FwpsCalloutRegister */
    BOOLEAN added;      /* FwpmCalloutAdd0 */
    BOOLEAN persistent;
    const char *layer; /* "ALE_AUTH_CONNECT_V4"; NULL: not added */
    UINT64 flow_contexts;
    char name[WFP_STATE_NAME], driver[WFP_STATE_NAME]; /* of the registration, or else of the object */
};

struct wfp_state_filter {
    UINT64 id;
    GUID key, sublayer;
    const char *layer;
    UINT16 sublayer_weight;
    UINT64 weight;
    FWP_ACTION_TYPE action;
    UINT32 callout; /* id; 0: none */
    BOOLEAN callout_registered;
    UINT32 flags; /* FWPM_FILTER_FLAG_* */
    UINT32 conditions;
    UINT64 hits; /* classifies that met its conditions while the verifier was on */
    char name[WFP_STATE_NAME], driver[WFP_STATE_NAME];
};

/* The facts of a connection. */
struct wfp_state_connection {
    UINT8 ip_version, protocol;
    UINT16 local_port, remote_port;
    UINT8 local_address[16], remote_address[16];
    UINT64 endpoint, process_id; /* process 0: not known */
    char app[96];                /* empty: not known */
};

struct wfp_state_operation {
    UINT64 context;   /* completion context */
    UINT64 operation; /* wfp_decision.operation */
    UINT64 age;       /* 100 ns; counted while the verifier is on, else 0 */
    UINT32 callout;
    BOOLEAN endpoint_closed;
    struct wfp_state_connection connection;
    char driver[WFP_STATE_NAME];
};

struct wfp_state_flow {
    UINT64 id;
    const char *layer; /* where it was authorized */
    UINT32 contexts;
    BOOLEAN established;
    BOOLEAN is_current; /* authorized by the policy that the layer has now; else its next packet is classified */
    struct wfp_state_connection connection;
};

struct wfp_state {
    size_t sessions, providers, sublayers, callouts, filters, operations, flows;
    struct wfp_state_session *session;
    struct wfp_state_provider *provider;
    struct wfp_state_sublayer *sublayer;
    struct wfp_state_callout *callout;
    struct wfp_state_filter *filter;
    struct wfp_state_operation *operation;
    struct wfp_state_flow *flow;
};

/* NULL: no memory. */
struct wfp_state *wfp_state_take(void);
void wfp_state_free(struct wfp_state *state); /* NULL is fine */

/* "192.0.2.7:443", "[2001:db8:0:0:0:0:0:7]:443"; gives text back. */
#define WFP_PEER_TEXT 64
const char *wfp_peer_text(const struct wfp_state_connection *connection, char text[WFP_PEER_TEXT]);

#endif
