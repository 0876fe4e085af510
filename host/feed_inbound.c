/* SPDX-License-Identifier: MIT */
/*
 * feed_inbound.c - see feed_inbound.h.
 *
 * A permitted UDP flow also permits what its socket sends back to the peer: an answer is no connection of its own.
 * A TCP flow ends when its socket is closed (gate_stream_end). One without a connection, because the handshake never
 * ended or nobody accepted it, is forgotten after HANDSHAKE_NS, longer than the kernel keeps a half-open one.
 */
#include "host/feed_inbound.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "host/hash_table.h"
#include "host/log.h"
#include "wfp/packet.h"

#define TIDY_STEP    16u
#define HANDSHAKE_NS 180000000000ull
#define UDP_IDLE_NS  240000000000ull /* twice the kernel's */
#define OWN_ENDPOINT (UINT64_C(3) << 62)

struct listener {
    uint64_t cookie;
    TAILQ_HEAD(, accept_flow) flows;
    UT_hash_handle hh;
};

struct accept_flow {
    struct gate_peer key; /* zeroed before it is filled: it is hashed as bytes */
    enum flow_state state;
    bool gone;       /* forgotten while pended: only done is still to come */
    bool fresh;      /* permitted, ALE_FLOW_ESTABLISHED not yet classified */
    uint64_t cookie; /* of who listens; 0: not known */
    UINT64 endpoint, wfp_flow, filter;
    struct flow_record *record;
    uint64_t seen; /* ns: the last packet that came here */
    unsigned packet_count;
    uint32_t packets[FEED_PACKETS_MAX];
    struct feed_inbound *inbound;
    struct accept_flow *late_next;
    struct wfp_decision late;
    struct listener *listener;
    TAILQ_ENTRY(accept_flow) of_listener;
    TAILQ_ENTRY(accept_flow) of_live;
    UT_hash_handle hh;
};

struct feed_inbound {
    struct feed_parts feed;
    pthread_t owner;
    struct accept_flow *late; /* atomic */
    struct accept_flow *flows;
    struct listener *listeners;
    TAILQ_HEAD(accept_flows, accept_flow) live; /* the longest unseen first */
    size_t live_count, fresh_count;
    struct accept_flow *reauth_next;
    bool policy_dirty, told;
    bool watching[GATE_WATCH_RAW + 1];
    uint64_t endpoints;
    uint32_t packets_held;
    uint64_t packets_seen, packets_unknown, overflow;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- The flow table -------------------------------------------------------------------------------- */

/* The sequence number is no part of the look-up: a tuple has one connection at a time. */
static struct accept_flow *flow_find(struct feed_inbound *inbound, const struct gate_peer *peer)
{
    struct gate_peer key = *peer;
    struct accept_flow *flow;

    key.sequence = 0;
    HASH_FIND(hh, inbound->flows, &key, offsetof(struct gate_peer, sequence), flow);
    return flow;
}

static struct listener *listener_get(struct feed_inbound *inbound, uint64_t cookie)
{
    struct listener *listener;

    HASH_FIND(hh, inbound->listeners, &cookie, sizeof(cookie), listener);
    if (listener)
        return listener;
    listener = calloc(1, sizeof(*listener));
    if (!listener)
        return NULL;
    listener->cookie = cookie;
    TAILQ_INIT(&listener->flows);
    HASH_ADD(hh, inbound->listeners, cookie, sizeof(cookie), listener);
    if (!listener->hh.tbl) {
        free(listener);
        return NULL;
    }
    return listener;
}

static void listener_put(struct feed_inbound *inbound, struct listener *listener)
{
    if (!TAILQ_EMPTY(&listener->flows))
        return;
    HASH_DEL(inbound->listeners, listener);
    free(listener);
}

static struct accept_flow *flow_new(struct feed_inbound *inbound, const struct gate_peer *peer, uint64_t cookie)
{
    struct accept_flow *flow = calloc(1, sizeof(*flow));
    struct listener *listener = flow ? listener_get(inbound, cookie) : NULL;

    if (!listener) {
        free(flow);
        return NULL;
    }
    flow->key = *peer;
    flow->inbound = inbound;
    flow->listener = listener;
    flow->cookie = cookie;
    flow->endpoint = cookie && peer->protocol == IPPROTO_UDP ? cookie : OWN_ENDPOINT + ++inbound->endpoints;
    HASH_ADD(hh, inbound->flows, key, offsetof(struct gate_peer, sequence), flow);
    if (!flow->hh.tbl) {
        listener_put(inbound, listener);
        free(flow);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&listener->flows, flow, of_listener);
    return flow;
}

static bool has_own_endpoint(const struct accept_flow *flow)
{
    return flow->endpoint >= OWN_ENDPOINT;
}

/* Takes the flow out of every list, and ends it in the engine; a pended one is freed by its done. */
static void flow_forget(struct accept_flow *flow)
{
    struct feed_inbound *inbound = flow->inbound;
    enum flow_state state = flow->state;

    flows_end(inbound->feed.records, flow->record);
    flow->record = NULL;
    HASH_DEL(inbound->flows, flow);
    TAILQ_REMOVE(&flow->listener->flows, flow, of_listener);
    listener_put(inbound, flow->listener);
    if (state == FLOW_LIVE) {
        if (inbound->reauth_next == flow)
            inbound->reauth_next = TAILQ_NEXT(flow, of_live);
        TAILQ_REMOVE(&inbound->live, flow, of_live);
        inbound->live_count--;
        if (flow->fresh)
            inbound->fresh_count--;
        wfp_ale_flow_end(flow->wfp_flow);
    }
    flow->gone = state == FLOW_PENDED;
    UINT64 endpoint = has_own_endpoint(flow) && state != FLOW_NEW ? flow->endpoint : 0;
    if (state != FLOW_PENDED)
        free(flow);
    if (endpoint)
        wfp_ale_endpoint_closed(endpoint); /* may free a pended one */
}

/* --- Packets of a flow ----------------------------------------------------------------------------- */

static void flow_keep_packet(struct accept_flow *flow, uint32_t id)
{
    /* A SYN that came again while it is held is the same connection. */
    unsigned most = flow->key.protocol == IPPROTO_TCP ? 1 : FEED_PACKETS_MAX;

    if (flow->packet_count >= most) {
        gate_drop(flow->inbound->feed.gate, id);
        flow->inbound->overflow += most > 1;
        return;
    }
    flow->packets[flow->packet_count++] = id;
    flow->inbound->packets_held++;
}

static void flow_packets_gone(struct accept_flow *flow)
{
    flow->inbound->packets_held -= flow->packet_count;
    flow->packet_count = 0;
}

static void flow_drop_packets(struct accept_flow *flow)
{
    feed_drop_packets(&flow->inbound->feed, flow->packets, flow->packet_count);
    flow_packets_gone(flow);
}

static struct gate_flow answers_of(const struct accept_flow *flow)
{
    struct gate_flow answers = {.cookie = flow->cookie,
                                .ip_version = flow->key.ip_version,
                                .protocol = flow->key.protocol,
                                .remote_port = flow->key.remote_port};

    memcpy(answers.remote_address, flow->key.remote_address, sizeof(answers.remote_address));
    return answers;
}

static void flow_apply(struct accept_flow *flow, enum gate_answer answer)
{
    struct gate *gate = flow->inbound->feed.gate;
    int failed, result = 0;

    if (flow->key.protocol == IPPROTO_UDP && flow->cookie) {
        struct gate_flow answers = answers_of(flow);

        result = answer == GATE_ANSWER_PERMIT ? gate_decide(gate, &answers, true, NULL) : gate_forget(gate, &answers);
        if (answer == GATE_ANSWER_PERMIT)
            gate_tell_end(gate, flow->cookie);
    }
    if (result < 0)
        log_say("a verdict could not be stored in the kernel: %s; answers are asked about.", strerror(-result));
    result = gate_settle_inbound(gate, &flow->key, answer, flow->packets, flow->packet_count, &failed);
    if (result < 0)
        log_say("a verdict could not be stored in the kernel: %s; its packets are held again.", strerror(-result));
    if (failed)
        feed_say_unreleased(failed);
    flow_packets_gone(flow);
}

static void flow_live(struct accept_flow *flow, UINT64 wfp_flow)
{
    struct feed_inbound *inbound = flow->inbound;
    GUID key;

    flow->state = FLOW_LIVE;
    flow->wfp_flow = wfp_flow;
    flows_live(inbound->feed.records, flow->record, feed_filter_key(flow->filter, &key));
    flow->fresh = true;
    inbound->fresh_count++;
    TAILQ_INSERT_TAIL(&inbound->live, flow, of_live);
    if (++inbound->live_count > FEED_FLOWS_MAX)
        flow_forget(TAILQ_FIRST(&inbound->live));
}

static void flow_settle(struct accept_flow *flow, bool permit, UINT64 wfp_flow)
{
    flow_apply(flow, permit ? GATE_ANSWER_PERMIT : GATE_ANSWER_BLOCK);
    *(permit ? &flow->inbound->feed.counts->permitted : &flow->inbound->feed.counts->blocked) += 1;
    if (permit)
        flow_live(flow, wfp_flow);
    else
        flow_forget(flow);
}

static void flow_decided(struct accept_flow *flow, const struct wfp_decision *decision)
{
    flow->state = FLOW_NEW;
    flow->inbound->feed.counts->held--;
    keep_hit(flow->inbound->feed.keep, decision);
    flow->filter = decision->filter_id;
    if (flow->gone) {
        if (decision->outcome == WFP_PERMIT)
            wfp_ale_flow_end(decision->flow);
        free(flow);
        return;
    }
    flow_settle(flow, decision->outcome == WFP_PERMIT, decision->flow);
}

static void flow_done(void *context, const struct wfp_decision *decision)
{
    struct accept_flow *flow = context;
    struct feed_inbound *inbound = flow->inbound;

    if (pthread_equal(pthread_self(), inbound->owner)) {
        flow_decided(flow, decision);
        return;
    }
    flow->late = *decision;
    flow->late_next = __atomic_load_n(&inbound->late, __ATOMIC_RELAXED);
    while (
        !__atomic_compare_exchange_n(&inbound->late, &flow->late_next, flow, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    inbound->feed.wake(inbound->feed.wake_context);
}

static void take_late(struct feed_inbound *inbound)
{
    struct accept_flow *flow = __atomic_exchange_n(&inbound->late, NULL, __ATOMIC_ACQUIRE);

    while (flow) {
        struct accept_flow *next = flow->late_next;
        struct wfp_decision decision = flow->late;

        flow_decided(flow, &decision);
        flow = next;
    }
}

/* --- From packet to authorization ------------------------------------------------------------------ */

static void flow_tell_blocked(struct accept_flow *flow, const struct gate_owner *owner, bool by_callout)
{
    GUID key;

    flows_block(flow->inbound->feed.records, flow->record, owner, feed_filter_key(flow->filter, &key), by_callout);
    flow->record = NULL;
}

static void flow_authorize(struct accept_flow *flow, const struct gate_packet *packet, const FWP_BYTE_BLOB *package)
{
    struct feed_inbound *inbound = flow->inbound;
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    struct wfp_packet indicated = {.size = (UINT32)packet->data_size,
                                   .ip_header_size = packet->ip_header_size,
                                   .transport_header_size = packet->transport_header_size};
    struct wfp_ale_connect accept = feed_connect_of(&inbound->feed, packet, package);

    accept.endpoint = flow->endpoint;
    if (packet->echo) { /* page ALE Layers: ICMP type and code */
        accept.local_port = packet->ip_version == 4 ? 8 : 128;
        accept.remote_port = 0;
    }
    if (packet->inbound) {
        accept.inbound = TRUE;
        accept.layer_data = &indicated;
    }
    inbound->packets_unknown += !accept.has_process;
    inbound->feed.counts->connections++;
    inbound->feed.counts->held++;
    flow->record = flows_make(inbound->feed.records, packet, inbound->feed.identity);
    flow->state = FLOW_PENDED; /* done may come before wfp_ale_connect returns, and free the flow */
    wfp_ale_connect(&accept, flow_done, flow, &decision);
    if (decision.outcome == WFP_PENDED) {
        if (packet->cookie)
            gate_tell_end(inbound->feed.gate, packet->cookie);
        return;
    }
    inbound->feed.counts->held--;
    flow->state = FLOW_NEW;
    flow->filter = decision.filter_id;
    keep_hit(inbound->feed.keep, &decision);
    if (decision.outcome != WFP_PERMIT)
        flow_tell_blocked(flow, &packet->owner, decision.by_callout);
    flow_settle(flow, decision.outcome == WFP_PERMIT, decision.flow);
}

/* Of a live flow. True: it is permitted still, or again. */
static bool flow_ask_again(const struct accept_flow *flow, bool inbound)
{
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    BOOLEAN reauthorized = FALSE;

    wfp_ale_flow_packet(flow->wfp_flow, inbound, NULL, &decision, &reauthorized);
    return decision.outcome == WFP_PERMIT;
}

/* A datagram of a live flow: its policy changed, it was queued before its verdict was stored, or it was idle. */
static void flow_again(struct accept_flow *flow, const struct gate_packet *packet)
{
    bool permit = flow_ask_again(flow, packet->inbound);

    flow_keep_packet(flow, packet->id);
    flow_apply(flow, permit ? GATE_ANSWER_PERMIT : GATE_ANSWER_BLOCK);
    if (!permit) {
        flow_forget(flow);
        return;
    }
    TAILQ_REMOVE(&flow->inbound->live, flow, of_live);
    if (flow->inbound->reauth_next == flow)
        flow->inbound->reauth_next = NULL;
    TAILQ_INSERT_TAIL(&flow->inbound->live, flow, of_live);
}

static struct gate_peer peer_of(const struct gate_packet *packet)
{
    struct gate_peer peer;

    memset(&peer, 0, sizeof(peer));
    peer.ip_version = packet->tuple_keyed && !packet->echo ? packet->ip_version | GATE_PEER_RAW : packet->ip_version;
    peer.protocol = packet->protocol;
    peer.local_port = packet->local_port;
    peer.remote_port = packet->remote_port;
    memcpy(peer.local_address, packet->local_address, 16);
    memcpy(peer.remote_address, packet->remote_address, 16);
    peer.sequence = packet->sequence;
    return peer;
}

static void pass_once(struct feed_inbound *inbound, const struct gate_peer *peer, uint32_t id)
{
    int failed, result = gate_settle_inbound(inbound->feed.gate, peer, GATE_ANSWER_ONCE, &id, 1, &failed);

    if (result < 0 || failed)
        feed_say_unreleased(result < 0 ? result : failed);
}

void feed_inbound_packet(struct feed_inbound *inbound, const struct gate_packet *packet, const FWP_BYTE_BLOB *package)
{
    struct gate_peer peer = peer_of(packet);
    struct accept_flow *flow = flow_find(inbound, &peer);
    enum gate_watched what = !packet->tuple_keyed ? GATE_WATCH_INBOUND
                             : !packet->echo      ? GATE_WATCH_RAW
                             : packet->inbound    ? GATE_WATCH_ECHO_IN
                                                  : GATE_WATCH_ECHO;

    inbound->packets_seen++;
    if (flow && (flow->key.sequence != peer.sequence || flow->cookie != packet->cookie)) {
        flow_drop_packets(flow); /* another connection, or another listener */
        flow_forget(flow);
        flow = NULL;
    }
    if (!inbound->watching[what] || packet->nobody) {
        pass_once(inbound, &peer, packet->id);
        return;
    }
    if (flow && flow->state == FLOW_PENDED) {
        flow_keep_packet(flow, packet->id);
        return;
    }
    if (flow) {
        flow->seen = now_ns();
        flow_again(flow, packet);
        return;
    }
    flow = flow_new(inbound, &peer, packet->cookie);
    if (!flow) {
        gate_drop(inbound->feed.gate, packet->id);
        log_say("out of memory: a packet that came in was dropped.");
        return;
    }
    flow->seen = now_ns();
    flow_keep_packet(flow, packet->id);
    flow_authorize(flow, packet, package);
}

/* --- Ends ------------------------------------------------------------------------------------------ */

/* A listener's established connections live on; what waits for it, and all that a UDP socket has, ends. */
void feed_inbound_socket_closed(struct feed_inbound *inbound, uint64_t cookie)
{
    struct listener *listener;
    struct accept_flow *flow, *next;

    HASH_FIND(hh, inbound->listeners, &cookie, sizeof(cookie), listener);
    for (flow = listener ? TAILQ_FIRST(&listener->flows) : NULL; flow; flow = next) {
        next = TAILQ_NEXT(flow, of_listener);
        if (flow->state == FLOW_LIVE && flow->key.protocol == IPPROTO_TCP)
            continue;
        flow_drop_packets(flow);
        gate_forget_inbound(inbound->feed.gate, &flow->key);
        flow_forget(flow); /* the last takes the listener along */
    }
}

void feed_inbound_stream_ended(struct feed_inbound *inbound, const struct gate_stream_end *end)
{
    struct accept_flow *flow = end->inbound ? flow_find(inbound, &end->peer) : NULL;

    if (!flow || flow->state != FLOW_LIVE)
        return;
    flows_stream_end(inbound->feed.records, end, flow->record, NULL);
    flow->record = NULL;
    flow_forget(flow);
}

static bool is_idle(const struct accept_flow *flow, uint64_t now)
{
    if (flow->key.protocol == IPPROTO_TCP)
        return now - flow->seen > HANDSHAKE_NS && !gate_is_established(flow->inbound->feed.gate, &flow->key);
    return now - flow->seen > UDP_IDLE_NS;
}

/* A UDP flow that the kernel passes is not seen here: it is authorized anew when it was forgotten, which costs a queued
 * datagram in four minutes. */
static void forget_idle(struct feed_inbound *inbound)
{
    struct accept_flow *flow = TAILQ_FIRST(&inbound->live), *next;
    uint64_t now = flow ? now_ns() : 0;

    for (unsigned i = 0; flow && i < TIDY_STEP; i++, flow = next) {
        next = TAILQ_NEXT(flow, of_live);
        if (now - flow->seen <= HANDSHAKE_NS)
            break;
        if (is_idle(flow, now)) {
            gate_forget_inbound(inbound->feed.gate, &flow->key);
            flow_forget(flow);
            continue;
        }
        flow->seen = now;
        TAILQ_REMOVE(&inbound->live, flow, of_live);
        TAILQ_INSERT_TAIL(&inbound->live, flow, of_live);
        if (inbound->reauth_next == flow)
            inbound->reauth_next = next;
    }
}

/* --- Turns ----------------------------------------------------------------------------------------- */

static void flow_reauthorize(struct accept_flow *flow)
{
    struct gate_flow stream = answers_of(flow);
    struct gate *gate = flow->inbound->feed.gate;

    if (flow_ask_again(flow, true))
        return;
    stream.cookie = GATE_COOKIE_BY_TUPLE; /* the connection has another socket than the listener */
    /* What else comes in has no socket but the one that everybody comes to. */
    int result = flow->key.protocol == IPPROTO_TCP
                     ? gate_destroy_socket(gate, &stream, flow->key.local_address, flow->key.local_port)
                     : 0;
    if (result < 0 && result != -ENOENT)
        log_say("a connection that the new policy blocks could not be ended: %s.", strerror(-result));
    gate_forget_inbound(gate, &flow->key);
    flow_forget(flow);
}

static void establish(struct feed_inbound *inbound)
{
    struct accept_flow *flow = TAILQ_LAST(&inbound->live, accept_flows);

    for (; flow && inbound->fresh_count; flow = TAILQ_PREV(flow, accept_flows, of_live)) {
        if (!flow->fresh)
            continue;
        flow->fresh = false;
        inbound->fresh_count--;
        wfp_ale_flow_established(flow->wfp_flow);
    }
}

static void watch(struct feed_inbound *inbound, enum gate_watched what, bool wanted)
{
    char error[512];

    if (inbound->told && wanted == inbound->watching[what])
        return;
    inbound->watching[what] = wanted;
    if (gate_watch_inbound(inbound->feed.gate, what, wanted, error, sizeof(error)) < 0)
        log_say("%s.", error);
}

/* Nothing is looked at, and nothing costs, that no filter could stop. */
static void watch_all(struct feed_inbound *inbound)
{
    watch(inbound, GATE_WATCH_INBOUND,
          wfp_layer_filters(FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4) != 0 ||
              wfp_layer_filters(FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6) != 0);
    watch(inbound, GATE_WATCH_ECHO,
          wfp_layer_may_stop(FWPS_LAYER_ALE_AUTH_CONNECT_V4, IPPROTO_ICMP) ||
              wfp_layer_may_stop(FWPS_LAYER_ALE_AUTH_CONNECT_V6, IPPROTO_ICMPV6));
    watch(inbound, GATE_WATCH_ECHO_IN,
          wfp_layer_may_stop(FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4, IPPROTO_ICMP) ||
              wfp_layer_may_stop(FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6, IPPROTO_ICMPV6));
    watch(inbound, GATE_WATCH_RAW,
          wfp_layer_may_stop_raw(FWPS_LAYER_ALE_AUTH_CONNECT_V4) ||
              wfp_layer_may_stop_raw(FWPS_LAYER_ALE_AUTH_CONNECT_V6));
    inbound->told = true;
}

bool feed_inbound_tidy(struct feed_inbound *inbound)
{
    if (__atomic_load_n(&inbound->late, __ATOMIC_RELAXED))
        take_late(inbound);
    establish(inbound);
    if (__atomic_exchange_n(&inbound->policy_dirty, false, __ATOMIC_ACQUIRE) || !inbound->told) {
        watch_all(inbound);
        inbound->reauth_next = TAILQ_FIRST(&inbound->live);
    }
    for (unsigned i = 0; i < FEED_REAUTH_STEP && inbound->reauth_next; i++) {
        struct accept_flow *flow = inbound->reauth_next;

        inbound->reauth_next = TAILQ_NEXT(flow, of_live);
        if (flow->key.protocol == IPPROTO_TCP) /* the next datagram of a UDP flow comes by itself */
            flow_reauthorize(flow);
    }
    forget_idle(inbound);
    return inbound->reauth_next || inbound->policy_dirty;
}

void feed_inbound_policy_changed(struct feed_inbound *inbound)
{
    __atomic_store_n(&inbound->policy_dirty, true, __ATOMIC_RELEASE);
}

struct feed_inbound *feed_inbound_new(const struct feed_parts *parts)
{
    struct feed_inbound *inbound = calloc(1, sizeof(*inbound));

    if (!inbound)
        return NULL;
    inbound->feed = *parts;
    inbound->owner = pthread_self();
    TAILQ_INIT(&inbound->live);
    return inbound;
}

void feed_inbound_free(struct feed_inbound *inbound)
{
    struct accept_flow *flow, *next;

    if (!inbound)
        return;
    take_late(inbound);
    HASH_ITER(hh, inbound->flows, flow, next)
    {
        flow_drop_packets(flow);
        if (flow->state == FLOW_PENDED)
            flow->state = FLOW_NEW; /* the driver is gone: no done will come */
        flow_forget(flow);
    }
    free(inbound);
}

void feed_inbound_status(const struct feed_inbound *inbound, struct gatehouse_platform_status *status)
{
    status->packets_held += inbound->packets_held;
    status->packets_seen += inbound->packets_seen;
    status->packets_unknown += inbound->packets_unknown;
    status->datagrams_overflow += inbound->overflow;
    status->flows += inbound->live_count;
}
