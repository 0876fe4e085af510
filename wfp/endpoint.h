/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h - sockets: which authorizations belong to one, until it is closed.
 *
 * An endpoint is remembered from its first connect that is permitted or pended until it is closed; a
 * host has to close every such endpoint. Lock: the endpoint's shard.
 */
#ifndef WFP_ENDPOINT_H
#define WFP_ENDPOINT_H

#include "wfp/authorization.h"

void wfp_endpoint_init(void);

/* FALSE: no memory. */
BOOLEAN wfp_endpoint_join(struct wfp_authorization *authorization);

/* The authorization ended. Forgets the endpoint if it never had a flow and this was its last. */
void wfp_endpoint_leave(struct wfp_authorization *authorization);

/* It had a flow: remember it until it is closed. */
void wfp_endpoint_keep(struct wfp_authorization *authorization);

size_t wfp_endpoint_count(void);
void wfp_endpoint_reset(void);
void wfp_endpoint_forget(void); /* see wfp_forget */

#endif
