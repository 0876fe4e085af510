/* SPDX-License-Identifier: MIT */
/*
 * flow.h - permitted connections: the flow table, contexts that callouts keep with a flow, and its end.
 *
 * Lock: the flow's shard, over the node and the context list; no driver is called under it.
 */
#ifndef WFP_FLOW_H
#define WFP_FLOW_H

#include "wfp/callout.h"
#include "wfp/indication.h"

void wfp_flow_init(void);

/* Makes the authorization a flow; takes over the caller's reference. */
void wfp_flow_begin(struct wfp_authorization *authorization);

/* Referenced; NULL: no such flow. */
struct wfp_authorization *wfp_flow_find(UINT64 id);

/* TRUE for the one caller that ended it: contexts are deleted, the flow's reference is dropped. */
BOOLEAN wfp_flow_end(UINT64 id);

/* The slot's context at the request's layer; 0: none. */
UINT64 wfp_flow_context(const struct wfp_request *request, struct wfp_callout_slot *slot);

size_t wfp_flow_count(void);
struct wfp_table *wfp_flow_table(void);
size_t wfp_flow_context_count(struct wfp_authorization *flow);

/* Reports left-flow-context and takes away, without a call, each context that this callout has with a flow. */
void wfp_flow_abandon(UINT32 callout_id);

void wfp_flow_reset(void);
void wfp_flow_forget(void); /* see wfp_forget */

#endif
