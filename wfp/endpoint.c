/* SPDX-License-Identifier: MIT */
/*
 * endpoint.c - the endpoint table and wfp_ale_endpoint_closed.
 *
 * Page: ALE Endpoint Lifetime Management (windows-driver-docs): ENDPOINT_CLOSURE is indicated once an endpoint.
 */
#include "wfp/endpoint.h"
#include "wfp/classify.h"
#include "wfp/flow.h"
#include "wfp/history.h"
#include "wfp/memory.h"

struct wfp_endpoint {
    struct wfp_node node;
    BOOLEAN keep;
    LIST_ENTRY members;
    struct wfp_authorization *latest; /* referenced; what the closure shows */
};

static struct wfp_table endpoints;

void wfp_endpoint_init(void)
{
    wfp_table_init(&endpoints);
}

BOOLEAN wfp_endpoint_join(struct wfp_authorization *authorization)
{
    UINT64 key = authorization->facts.endpoint;
    struct wfp_shard *shard = wfp_table_lock(&endpoints, key);
    struct wfp_node *node = wfp_shard_find(shard, key);
    struct wfp_authorization *previous = NULL;
    struct wfp_endpoint *endpoint;

    if (node != NULL) {
        endpoint = CONTAINING_RECORD(node, struct wfp_endpoint, node);
        previous = endpoint->latest;
    } else {
        endpoint = wfp_alloc(sizeof(*endpoint));
        if (endpoint == NULL) {
            wfp_table_unlock(shard);
            return FALSE;
        }
        endpoint->node.key = key;
        InitializeListHead(&endpoint->members);
        wfp_shard_insert(shard, &endpoint->node);
    }
    wfp_authorization_hold(authorization);
    endpoint->latest = authorization;
    authorization->endpoint = endpoint;
    InsertTailList(&endpoint->members, &authorization->endpoint_link);
    wfp_table_unlock(shard);
    if (previous != NULL)
        wfp_authorization_put(previous);
    return TRUE;
}

void wfp_endpoint_leave(struct wfp_authorization *authorization)
{
    struct wfp_shard *shard = wfp_table_lock(&endpoints, authorization->facts.endpoint);
    struct wfp_endpoint *endpoint = authorization->endpoint;
    BOOLEAN forget = FALSE;

    if (endpoint != NULL) {
        RemoveEntryList(&authorization->endpoint_link);
        authorization->endpoint = NULL;
        forget = !endpoint->keep && IsListEmpty(&endpoint->members);
        if (forget)
            wfp_shard_remove(shard, &endpoint->node);
    }
    wfp_table_unlock(shard);
    if (forget) {
        wfp_authorization_put(endpoint->latest);
        wfp_free(endpoint);
    }
}

void wfp_endpoint_keep(struct wfp_authorization *authorization)
{
    struct wfp_shard *shard = wfp_table_lock(&endpoints, authorization->facts.endpoint);

    if (authorization->endpoint != NULL)
        authorization->endpoint->keep = TRUE;
    wfp_table_unlock(shard);
}

/* Takes the endpoint out; its members are dead, referenced, and in nobody's hands but the caller's list. */
static struct wfp_endpoint *take_out(UINT64 key)
{
    struct wfp_shard *shard = wfp_table_lock(&endpoints, key);
    struct wfp_node *node = wfp_shard_find(shard, key);
    struct wfp_endpoint *endpoint = node == NULL ? NULL : CONTAINING_RECORD(node, struct wfp_endpoint, node);

    if (endpoint != NULL) {
        wfp_shard_remove(shard, node);
        for (LIST_ENTRY *link = endpoint->members.Flink; link != &endpoint->members; link = link->Flink) {
            struct wfp_authorization *member = CONTAINING_RECORD(link, struct wfp_authorization, endpoint_link);

            wfp_authorization_hold(member);
            member->endpoint = NULL;
            atomic_store(&member->dead, true);
        }
    }
    wfp_table_unlock(shard);
    return endpoint;
}

static void end_members(struct wfp_endpoint *endpoint)
{
    while (!IsListEmpty(&endpoint->members)) {
        LIST_ENTRY *link = RemoveHeadList(&endpoint->members);
        struct wfp_authorization *member = CONTAINING_RECORD(link, struct wfp_authorization, endpoint_link);

        WFP_NOTE(member, "its endpoint is closed");
        wfp_flow_end(member->flow.key);
        wfp_authorization_put(member);
    }
    wfp_authorization_put(endpoint->latest);
    wfp_free(endpoint);
}

void wfp_ale_endpoint_closed(UINT64 key)
{
    struct wfp_endpoint *endpoint = take_out(key);
    struct wfp_verdict verdict;

    if (endpoint == NULL)
        return;
    struct wfp_request request = {
        .authorization = endpoint->latest,
        .layer = endpoint->latest->facts.ip_version == 6 ? WFP_ENDPOINT_CLOSURE_V6 : WFP_ENDPOINT_CLOSURE_V4,
    };
    wfp_classify(&request, &verdict);
    end_members(endpoint);
}

size_t wfp_endpoint_count(void)
{
    return wfp_table_count(&endpoints);
}

static void end_endpoint(UINT64 key)
{
    struct wfp_endpoint *endpoint = take_out(key);

    if (endpoint != NULL)
        end_members(endpoint);
}

void wfp_endpoint_reset(void)
{
    wfp_table_end_all(&endpoints, end_endpoint);
    wfp_table_trim(&endpoints);
}

void wfp_endpoint_forget(void)
{
    wfp_table_forget(&endpoints);
}
