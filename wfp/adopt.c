/* SPDX-License-Identifier: MIT */
/*
 * adopt.c - connections that were permitted before the engine knew them (ale.h).
 *
 * Pages: ALE Re-authorization (win32 desktop-src/FWP): after a policy change, connections that were authorized before
 * are authorized again at their next packet.
 */
#include "wfp/ale.h"
#include "wfp/endpoint.h"
#include "wfp/flow.h"

/* No policy has this generation. */
#define NO_POLICY (~0ull)

/* The endpoint is not kept past the flow: its host may never tell of the socket's end. */
UINT64 wfp_ale_adopt(const struct wfp_ale_connect *connect)
{
    struct wfp_authorization *flow = wfp_authorization_make(connect);
    UINT64 id;

    if (flow == NULL)
        return 0;
    if (!wfp_endpoint_join(flow)) {
        wfp_authorization_put(flow);
        return 0;
    }
    id = flow->flow.key;
    atomic_store_explicit(&flow->generation, NO_POLICY, memory_order_relaxed);
    wfp_flow_begin(flow);
    return id;
}
