/* SPDX-License-Identifier: MIT */
/*
 * ale.c - the stack's side (ale.h): connects, flows' packets, counts, reset.
 *
 * Pages: ALE Stateful Filtering, ALE Re-authorization (win32 desktop-src/FWP).
 */
#include "wfp/ale.h"
#include "nt/verify/scheduler.h"
#include "nt/verify/trap_page.h"
#include "wfp/authorization.h"
#include "wfp/classify.h"
#include "wfp/endpoint.h"
#include "wfp/filter.h"
#include "wfp/flow.h"
#include "wfp/history.h"
#include "wfp/injection.h"
#include "wfp/memory.h"
#include "wfp/notification.h"
#include "wfp/pend.h"
#include "wfp/policy.h"
#include "wfp/session.h"
#include "wfp/sublayer.h"
#include "wfp/transaction.h"
#include "wfp/verify_private.h"

#include <nt/nt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void construct(void)
{
    nt_pool_keep_tag(WFP_TAG);
    nt_schedule_keep(wfp_frame_place);
    wfp_object_init_tables();
    wfp_session_init();
    wfp_callout_init();
    wfp_filter_init();
    wfp_flow_init();
    wfp_endpoint_init();
    wfp_pend_init();
    wfp_net_buffer_init();
    wfp_injection_init();
    wfp_sublayer_init();
    wfp_verify_init();
}

static void tell(struct wfp_decision *decision, const struct wfp_verdict *verdict)
{
    memset(decision, 0, sizeof(*decision));
    decision->outcome = verdict->block ? WFP_BLOCK : WFP_PERMIT;
    decision->absorb = verdict->absorb;
    decision->by_callout = verdict->by_callout;
    decision->filter_id = verdict->filter_id;
    decision->looked = verdict->looked;
}

/*
 * A verdict becomes a flow or an end; takes the caller's reference. The flow enters the table before
 * dead is looked at, and closing sets dead before it looks in the table: one of both sees the other.
 */
static void settle(struct wfp_authorization *authorization, const struct wfp_verdict *verdict,
                   struct wfp_decision *decision)
{
    UINT64 id = authorization->flow.key;

    tell(decision, verdict);
    WFP_NOTE(authorization, "%s, by filter %llu", verdict->block ? "blocked" : "permitted",
             (unsigned long long)verdict->filter_id);
    if (verdict->block) {
        wfp_endpoint_leave(authorization);
        wfp_authorization_put(authorization);
        return;
    }
    atomic_store_explicit(&authorization->generation, verdict->generation, memory_order_relaxed);
    wfp_endpoint_keep(authorization);
    wfp_authorization_hold(authorization);
    wfp_flow_begin(authorization);
    decision->flow = id;
    if (atomic_load(&authorization->dead)) {
        wfp_flow_end(id);
        decision->outcome = WFP_BLOCK;
        decision->looked.all = TRUE;
        decision->flow = 0;
    }
    wfp_authorization_put(authorization);
}

/* The first classify of a packet, or of an injected clone. */
static void classify_packet(struct wfp_authorization *authorization, struct wfp_verdict *verdict)
{
    wfp_classify(&(struct wfp_request){.authorization = authorization,
                                       .layer = authorization->layer,
                                       .direction = FWP_DIRECTION_INBOUND,
                                       .layer_data = &authorization->packet->list,
                                       .packet = authorization->packet},
                 verdict);
}

static void tell_done(const struct wfp_authorization *authorization, wfp_ale_done **done, void **context,
                      UINT64 *operation)
{
    *done = authorization->done;
    *context = authorization->done_context;
    *operation = authorization->flow.key;
}

void wfp_authorization_lost(struct wfp_authorization *authorization)
{
    struct wfp_verdict verdict = {.block = TRUE, .absorb = TRUE, .by_callout = TRUE};
    struct wfp_decision decision;
    wfp_ale_done *done;
    void *context;
    UINT64 operation;

    tell_done(authorization, &done, &context, &operation);
    settle(authorization, &verdict, &decision);
    decision.operation = operation;
    if (done != NULL)
        done(context, &decision);
}

/* An injected clone was permitted: first, whose packet it is, has its flow through it. */
static void settle_again(struct wfp_authorization *again, struct wfp_verdict *verdict)
{
    struct wfp_authorization *first = verdict->block ? NULL : wfp_net_buffer_decide(again->packet->root);
    struct wfp_decision decision;
    wfp_ale_done *done;
    void *context;
    UINT64 operation;

    if (first == NULL) {
        wfp_endpoint_leave(again);
        wfp_authorization_put(again);
        return;
    }
    tell_done(first, &done, &context, &operation);
    wfp_endpoint_leave(first);
    wfp_authorization_put(first);
    verdict->by_callout = TRUE;
    settle(again, verdict, &decision);
    decision.operation = operation;
    if (done != NULL)
        done(context, &decision);
}

BOOLEAN wfp_authorization_again(struct wfp_net_buffer *clone, BOOLEAN held)
{
    struct wfp_authorization *first = wfp_net_buffer_undecided(clone->root);
    struct wfp_net_buffer *root = clone->root;
    struct wfp_authorization *again = NULL;
    struct wfp_verdict verdict;

    if (first == NULL || !held) {
        if (first != NULL)
            wfp_authorization_put(first);
        else if (held)
            wfp_net_buffer_drop(root);
        return first == NULL;
    }
    if (!atomic_load(&first->dead))
        again = wfp_authorization_make(&first->facts);
    if (again != NULL) {
        wfp_net_buffer_hold(clone);
        again->packet = clone;
        if (!wfp_endpoint_join(again)) {
            wfp_authorization_put(again);
            again = NULL;
        }
    }
    wfp_authorization_put(first);
    if (again == NULL)
        return FALSE;
    WFP_NOTE(again, "a clone is injected");
    wfp_net_buffer_hold(root);
    wfp_injection_shown(clone);
    classify_packet(again, &verdict);
    if (verdict.pends == 0) {
        wfp_injection_over(clone);
        settle_again(again, &verdict);
        wfp_net_buffer_drop(root);
    } else if (atomic_fetch_sub_explicit(&again->outstanding, 1, memory_order_acq_rel) == 1) {
        wfp_authorization_resume(again);
    }
    wfp_net_buffer_put(root);
    return TRUE;
}

/* The operation that an inbound classify pended is over. Nothing is classified again: what goes on is a clone. */
static void resume_inbound(struct wfp_authorization *authorization)
{
    struct wfp_net_buffer *packet = authorization->packet;

    if (packet == NULL) {
        wfp_authorization_lost(authorization);
        return;
    }
    struct wfp_net_buffer *root = packet->root;

    wfp_net_buffer_hold(root);
    wfp_net_buffer_hold(packet);
    if (packet != root) {
        wfp_endpoint_leave(authorization);
        wfp_authorization_put(authorization);
    }
    wfp_injection_over(packet);
    wfp_net_buffer_put(packet);
    wfp_net_buffer_drop(root);
    wfp_net_buffer_put(root);
}

void wfp_authorization_resume(struct wfp_authorization *authorization)
{
    if (authorization->facts.inbound) {
        resume_inbound(authorization);
        return;
    }
    struct wfp_request request = {
        .authorization = authorization,
        .layer = authorization->layer,
        .reason = FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION,
        .direction = FWP_DIRECTION_OUTBOUND,
    };
    struct wfp_verdict verdict = {.block = TRUE, .by_callout = TRUE, .looked.all = TRUE};
    wfp_ale_done *done = authorization->done;
    void *context = authorization->done_context;
    UINT64 operation = authorization->flow.key;
    struct wfp_decision decision;

    if (!atomic_load(&authorization->dead))
        wfp_classify(&request, &verdict);
    verdict.by_callout = TRUE;
    settle(authorization, &verdict, &decision);
    decision.operation = operation;
    if (done != NULL)
        done(context, &decision);
}

static void note_connect(const struct wfp_authorization *authorization)
{
    const struct wfp_ale_connect *facts = &authorization->facts;
    const UINT8 *to = facts->remote_address;
    const char *what = facts->inbound ? "accept" : "connect", *way = facts->inbound ? "from" : "to";
    const char *protocol = wfp_protocol_name(facts->protocol);

    if (facts->ip_version != 6)
        WFP_NOTE(authorization, "%s: %s %s %u.%u.%u.%u port %u", what, protocol, way, to[0], to[1], to[2], to[3],
                 facts->remote_port);
    else
        WFP_NOTE(authorization, "%s: %s %s %x:%x:%x:%x:%x:%x:%x:%x port %u", what, protocol, way, to[0] << 8 | to[1],
                 to[2] << 8 | to[3], to[4] << 8 | to[5], to[6] << 8 | to[7], to[8] << 8 | to[9], to[10] << 8 | to[11],
                 to[12] << 8 | to[13], to[14] << 8 | to[15], facts->remote_port);
    WFP_NOTE(authorization, "of process %llu, endpoint %llu, from port %u", (unsigned long long)facts->process_id,
             (unsigned long long)facts->endpoint, facts->local_port);
}

static void tell_pended(const struct wfp_authorization *authorization, struct wfp_verdict *verdict,
                        struct wfp_decision *decision)
{
    verdict->block = verdict->looked.all = TRUE;
    tell(decision, verdict);
    decision->outcome = WFP_PENDED;
    decision->operation = authorization->flow.key;
}

/* Inbound, with a packet. Takes the caller's reference. */
static void accept_packet(struct wfp_authorization *authorization, struct wfp_decision *decision)
{
    struct wfp_net_buffer *packet = authorization->packet;
    struct wfp_verdict verdict = {.block = TRUE, .looked.all = TRUE};

    if (packet == NULL) {
        settle(authorization, &verdict, decision);
        return;
    }
    wfp_net_buffer_hold(packet);
    classify_packet(authorization, &verdict);
    if (verdict.pends != 0) {
        tell_pended(authorization, &verdict, decision);
        if (atomic_fetch_sub_explicit(&authorization->outstanding, 1, memory_order_acq_rel) == 1)
            wfp_authorization_resume(authorization);
    } else if (!verdict.block) {
        settle(wfp_net_buffer_decide(packet), &verdict, decision);
        wfp_injection_over(packet);
        (void)wfp_net_buffer_release(packet);
    } else {
        tell_pended(authorization, &verdict, decision);
        wfp_injection_over(packet);
        authorization = wfp_net_buffer_release(packet);
        if (authorization != NULL)
            settle(authorization, &verdict, decision);
    }
    wfp_net_buffer_put(packet);
}

void wfp_ale_connect(const struct wfp_ale_connect *connect, wfp_ale_done *done, void *context,
                     struct wfp_decision *decision)
{
    struct wfp_authorization *authorization = wfp_authorization_make(connect);
    struct wfp_verdict verdict = {.block = TRUE, .looked.all = TRUE};

    tell(decision, &verdict);
    if (authorization == NULL)
        return;
    authorization->done = done;
    authorization->done_context = context;
    if (!wfp_endpoint_join(authorization)) {
        wfp_authorization_put(authorization);
        return;
    }
    if (NT_VERIFYING)
        note_connect(authorization);
    if (connect->inbound && connect->layer_data != NULL) {
        authorization->packet = wfp_net_buffer_make(authorization, connect->layer_data);
        accept_packet(authorization, decision);
        return;
    }
    wfp_classify(&(struct wfp_request){.authorization = authorization,
                                       .layer = authorization->layer,
                                       .direction = connect->inbound ? FWP_DIRECTION_INBOUND : FWP_DIRECTION_OUTBOUND,
                                       .layer_data = connect->layer_data},
                 &verdict);
    if (verdict.pends == 0) {
        settle(authorization, &verdict, decision);
        return;
    }
    tell_pended(authorization, &verdict, decision);
    if (atomic_fetch_sub_explicit(&authorization->outstanding, 1, memory_order_acq_rel) == 1)
        wfp_authorization_resume(authorization);
}

void wfp_ale_flow_established(UINT64 id)
{
    struct wfp_authorization *flow = wfp_flow_find(id);
    struct wfp_verdict verdict;

    if (flow == NULL)
        return;
    if (!atomic_exchange(&flow->established, true)) {
        wfp_classify(&(struct wfp_request){.authorization = flow,
                                           .layer = flow->facts.ip_version == 6 ? WFP_FLOW_ESTABLISHED_V6
                                                                                : WFP_FLOW_ESTABLISHED_V4,
                                           .has_flow = TRUE},
                     &verdict);
        if (verdict.block)
            wfp_flow_end(id);
    }
    wfp_authorization_put(flow);
}

/* The flow is asked about again; a block ends it. */
static void reauthorize(struct wfp_authorization *flow, UINT32 reason, BOOLEAN inbound, void *layer_data,
                        struct wfp_decision *decision)
{
    struct wfp_verdict verdict;

    wfp_classify(&(struct wfp_request){.authorization = flow,
                                       .layer = flow->layer,
                                       .reason = reason,
                                       .direction = inbound ? FWP_DIRECTION_INBOUND : FWP_DIRECTION_OUTBOUND,
                                       .has_flow = TRUE,
                                       .layer_data = layer_data},
                 &verdict);
    tell(decision, &verdict);
    WFP_NOTE(flow, "%s, by filter %llu", verdict.block ? "blocked" : "permitted again",
             (unsigned long long)verdict.filter_id);
    if (verdict.block) {
        wfp_flow_end(flow->flow.key);
    } else {
        decision->flow = flow->flow.key;
        atomic_store_explicit(&flow->generation, verdict.generation, memory_order_relaxed);
    }
}

void wfp_ale_flow_packet(UINT64 id, BOOLEAN inbound, void *layer_data, struct wfp_decision *decision,
                         BOOLEAN *reauthorized)
{
    struct wfp_authorization *flow = wfp_flow_find(id);
    struct wfp_verdict verdict = {.block = flow == NULL, .looked.all = TRUE};

    *reauthorized = FALSE;
    tell(decision, &verdict);
    if (flow == NULL)
        return;
    decision->flow = id;
    if (atomic_load_explicit(&flow->generation, memory_order_relaxed) !=
        atomic_load_explicit(&wfp_live_layers[flow->layer].generation, memory_order_acquire)) {
        *reauthorized = TRUE;
        reauthorize(flow, FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE, inbound, layer_data, decision);
    }
    wfp_authorization_put(flow);
}

struct flow_ids {
    UINT64 *ids;
    size_t count, room;
};

static void collect_flow(struct wfp_node *node, void *context)
{
    struct flow_ids *flows = context;

    if (flows->count < flows->room)
        flows->ids[flows->count++] = node->key;
}

static int compare_ids(const void *a, const void *b)
{
    UINT64 x = *(const UINT64 *)a, y = *(const UINT64 *)b;

    return (x > y) - (x < y);
}

void wfp_ale_reauthorize_all(UINT32 reason, wfp_reauthorized *each, void *context)
{
    struct flow_ids flows = {.room = wfp_flow_count()};

    flows.ids = flows.room == 0 ? NULL : calloc(flows.room, sizeof(*flows.ids));
    if (flows.ids == NULL)
        return;
    wfp_table_each(wfp_flow_table(), collect_flow, &flows);
    qsort(flows.ids, flows.count, sizeof(*flows.ids), compare_ids);
    for (size_t i = 0; i < flows.count; i++) {
        struct wfp_authorization *flow = wfp_flow_find(flows.ids[i]);
        struct wfp_decision decision;

        if (flow == NULL)
            continue;
        reauthorize(flow, reason, flow->facts.inbound, NULL, &decision);
        wfp_authorization_put(flow);
        if (each != NULL)
            each(context, flows.ids[i], &decision);
    }
    free(flows.ids);
}

void wfp_ale_flow_end(UINT64 id)
{
    wfp_flow_end(id);
}

size_t wfp_layer_filters(UINT16 layer)
{
    unsigned index = wfp_layer_by_id(layer);
    struct wfp_policy *policy;
    size_t count = 0;

    if (index == WFP_LAYER_COUNT)
        return 0;
    policy = wfp_policy_acquire(&wfp_live_layers[index]);
    for (unsigned i = 0; policy != NULL && i < policy->level_count; i++)
        count += policy->levels[i].live;
    wfp_policy_release(&wfp_live_layers[index], policy);
    return count;
}

/* Protocol has the same field at all layers that have it (SAME_PLACES in indication.c). */
static BOOLEAN may_stop(const struct wfp_filter *filter, UINT8 protocol)
{
    BOOLEAN named = FALSE, matches = FALSE;

    if (filter->action == FWP_ACTION_PERMIT || filter->action == FWP_ACTION_CONTINUE)
        return FALSE;
    for (UINT32 i = 0; i < filter->condition_count; i++) {
        const FWPS_FILTER_CONDITION0 *condition;
        struct wfp_unpacked room;

        if (wfp_filter_field(filter, i) != FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_PROTOCOL)
            continue;
        condition = wfp_filter_condition(filter, i, &room);
        named = TRUE;
        if (condition->matchType != FWP_MATCH_EQUAL || condition->conditionValue.type != FWP_UINT8 ||
            condition->conditionValue.uint8 == protocol)
            matches = TRUE;
    }
    return !named || matches;
}

static BOOLEAN names(const struct wfp_filter *filter, UINT32 i, UINT8 protocol)
{
    struct wfp_unpacked room;
    const FWPS_FILTER_CONDITION0 *condition = wfp_filter_condition(filter, i, &room);

    return condition->fieldId == FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_PROTOCOL &&
           condition->matchType == FWP_MATCH_EQUAL && condition->conditionValue.type == FWP_UINT8 &&
           condition->conditionValue.uint8 == protocol;
}

static BOOLEAN may_stop_raw(const struct wfp_filter *filter, UINT8 ignored)
{
    (void)ignored;
    if (filter->action == FWP_ACTION_PERMIT || filter->action == FWP_ACTION_CONTINUE)
        return FALSE;
    return (filter->action & FWP_ACTION_FLAG_CALLOUT) == 0 || filter->condition_count != 2 || !names(filter, 0, 6) ||
           !names(filter, 1, 17);
}

static BOOLEAN level_may_stop(const struct wfp_level *level, BOOLEAN (*may)(const struct wfp_filter *, UINT8),
                              UINT8 protocol)
{
    for (UINT32 place = 0; place < level->segment->count; place++)
        if (wfp_level_has(level, place) && may(level->segment->filters[place], protocol))
            return TRUE;
    return FALSE;
}

static BOOLEAN layer_may_stop(UINT16 layer, BOOLEAN (*may)(const struct wfp_filter *, UINT8), UINT8 protocol)
{
    unsigned index = wfp_layer_by_id(layer);
    struct wfp_policy *policy;
    BOOLEAN found = FALSE;

    if (index == WFP_LAYER_COUNT)
        return FALSE;
    policy = wfp_policy_acquire(&wfp_live_layers[index]);
    for (unsigned i = 0; policy != NULL && i < policy->level_count && !found; i++)
        found = level_may_stop(&policy->levels[i], may, protocol);
    wfp_policy_release(&wfp_live_layers[index], policy);
    return found;
}

BOOLEAN wfp_layer_may_stop(UINT16 layer, UINT8 protocol)
{
    return layer_may_stop(layer, may_stop, protocol);
}

BOOLEAN wfp_layer_may_stop_raw(UINT16 layer)
{
    return layer_may_stop(layer, may_stop_raw, 0);
}

void wfp_count(struct wfp_counts *counts)
{
    counts->sessions = wfp_session_count();
    counts->providers = wfp_table_count(wfp_object_table(WFP_PROVIDER));
    counts->sublayers = wfp_table_count(wfp_object_table(WFP_SUBLAYER));
    counts->callouts = wfp_table_count(wfp_object_table(WFP_CALLOUT));
    counts->filters = wfp_table_count(wfp_object_table(WFP_FILTER));
    counts->registered_callouts = wfp_registered_count();
    counts->flows = wfp_flow_count();
    counts->pended = wfp_pend_count();
    counts->endpoints = wfp_endpoint_count();
}

/* Deletes what no session owns, filters first. */
static void delete_all(void)
{
    static const enum wfp_kind order[] = {WFP_FILTER, WFP_CALLOUT, WFP_SUBLAYER, WFP_PROVIDER};
    struct wfp_changes changes = {0};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        struct wfp_node *next;

        for (struct wfp_node *node = wfp_table_drain(wfp_object_table(order[i])); node != NULL; node = next) {
            next = node->next;
            wfp_transaction_remove(CONTAINING_RECORD(node, struct wfp_object, node));
        }
    }
    wfp_transaction_commit(TRUE, &changes);
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        wfp_table_trim(wfp_object_table(order[i]));
}

/* The next life has the same numbers. */
static void restart(void)
{
    wfp_policies_forget();
    wfp_restart_ids();
    wfp_sublayer_init();
    wfp_set_classify_irql(DISPATCH_LEVEL);
    wfp_set_verify_options(NULL);
}

void wfp_forget(void)
{
    wfp_set_policy_changed(NULL, NULL);
    wfp_pend_forget();
    wfp_net_buffer_forget();
    wfp_injection_forget();
    wfp_endpoint_forget();
    wfp_flow_forget();
    wfp_session_forget();
    wfp_transaction_forget();
    wfp_object_forget();
    wfp_filter_forget();
    wfp_filter_enum_forget();
    wfp_notices_forget();
    wfp_callout_forget();
    wfp_transaction_reset();
    nt_trap_reset();
    restart();
}

void wfp_reset(void)
{
    nt_require_irql("wfp_reset", PASSIVE_LEVEL, PASSIVE_LEVEL);
    wfp_set_policy_changed(NULL, NULL);
    wfp_pend_reset();
    wfp_net_buffer_abandon(NULL, "wfp_reset");
    wfp_injection_abandon(NULL, "wfp_reset");
    wfp_endpoint_reset();
    wfp_flow_reset();
    wfp_session_close_all();
    delete_all();
    wfp_filter_reset();
    wfp_filter_enum_reset();
    wfp_notices_reset();
    wfp_callout_reset();
    wfp_transaction_reset();
    restart();
}
