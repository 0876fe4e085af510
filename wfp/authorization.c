/* SPDX-License-Identifier: MIT */
/*
 * authorization.c - memory and references of authorizations. No locks; any IRQL <= DISPATCH_LEVEL.
 */
#include "wfp/authorization.h"
#include "wfp/memory.h"
#include "wfp/net_buffer.h"
#include "wfp/token.h"

#include <string.h>

struct wfp_authorization *wfp_authorization_make(const struct wfp_ale_connect *connect)
{
    size_t app_size = connect->app_id == NULL ? 0 : connect->app_id->size;
    size_t user_size = wfp_token_size(connect->user);
    size_t package_size = connect->package == NULL ? 0 : connect->package->size;
    struct wfp_arena arena = {0};
    struct wfp_authorization *authorization;

    wfp_arena_take(&arena, sizeof(*authorization));
    wfp_arena_take(&arena, app_size);
    wfp_arena_take(&arena, user_size);
    wfp_arena_take(&arena, package_size);
    arena.base = wfp_alloc(arena.used);
    if (arena.base == NULL)
        return NULL;
    arena.used = 0;
    authorization = wfp_arena_take(&arena, sizeof(*authorization));
    atomic_init(&authorization->refs, 1);
    atomic_init(&authorization->outstanding, 1);
    authorization->flow.key = wfp_next_id();
    authorization->layer = connect->inbound ? WFP_AUTH_RECV_ACCEPT_V4 : WFP_AUTH_CONNECT_V4;
    if (connect->ip_version == 6)
        authorization->layer++;
    authorization->facts = *connect;
    authorization->facts.layer_data = NULL;
    authorization->facts.app_id = NULL;
    authorization->facts.user = NULL;
    authorization->facts.package = NULL;
    if (app_size != 0) {
        authorization->app_id.size = (UINT32)app_size;
        authorization->app_id.data = wfp_arena_copy(&arena, connect->app_id->data, app_size);
        authorization->facts.app_id = &authorization->app_id;
    }
    if (user_size != 0) {
        authorization->user.size = (UINT32)user_size;
        authorization->user.data = wfp_arena_take(&arena, user_size);
        wfp_token_copy(connect->user, authorization->user.data);
        authorization->facts.user = &authorization->user;
    }
    if (package_size != 0) {
        authorization->package.size = (UINT32)package_size;
        authorization->package.data = wfp_arena_copy(&arena, connect->package->data, package_size);
        authorization->facts.package = &authorization->package;
    }
    return authorization;
}

void wfp_authorization_hold(struct wfp_authorization *authorization)
{
    atomic_fetch_add_explicit(&authorization->refs, 1, memory_order_relaxed);
}

void wfp_authorization_put(struct wfp_authorization *authorization)
{
    if (atomic_fetch_sub_explicit(&authorization->refs, 1, memory_order_acq_rel) != 1)
        return;
    wfp_net_buffer_put(authorization->packet);
    wfp_free(authorization);
}
