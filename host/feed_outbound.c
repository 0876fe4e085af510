/* SPDX-License-Identifier: MIT */
/*
 * feed_outbound.c - see feed_outbound.h.
 *
 * From the first held packet to the closed socket; a blocked flow is forgotten here at once, its verdict stays in the
 * kernel. The decision is stored before the packet is sent round again, else it would be queued anew.
 *
 * Callbacks of the engine come on the feed's thread too, from inside its calls. But a driver may complete an operation
 * on a thread of its own: then only the verdict is kept, in a list that feed_outbound_take_late empties.
 */
#include "host/feed_outbound.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "host/hash_table.h"
#include "host/log.h"

struct feed_flow {
    struct gate_flow key; /* zeroed before it is filled: it is hashed as bytes */
    enum flow_state state;
    bool gone;  /* socket closed while pended: only done is still to come */
    bool fresh; /* permitted, ALE_FLOW_ESTABLISHED not yet classified */
    UINT64 wfp_flow;
    UINT64 filter; /* that permitted it */
    struct flow_record *record;
    struct identity_mark mark; /* of whom it was authorized for */
    uint8_t local_address[16];
    uint16_t local_port;
    bool by_source; /* its decision depends on local_address */
    unsigned packet_count;
    uint32_t packets[FEED_PACKETS_MAX];
    struct feed_outbound *outbound;
    struct feed_flow *late_next; /* of outbound->late */
    struct wfp_decision late;
    struct feed_socket *socket;
    TAILQ_ENTRY(feed_flow) of_socket;
    TAILQ_ENTRY(feed_flow) of_live; /* LIVE */
    UT_hash_handle hh;
};

struct feed_socket {
    uint64_t cookie;
    TAILQ_HEAD(, feed_flow) flows;
    UT_hash_handle hh;
};

struct feed_outbound {
    struct feed_parts feed;
    pthread_t owner;
    struct feed_flow *late; /* decided on other threads, the last first; atomic */
    struct feed_flow *flows;
    struct feed_socket *sockets;
    TAILQ_HEAD(live_flows, feed_flow) live; /* oldest first */
    size_t live_count;
    size_t fresh_count;            /* of the live ones */
    struct feed_flow *reauth_next; /* next live flow to reauthorize; NULL: none under way */
    uint64_t kernel_endpoint;      /* packets without a socket get handles of their own */
    uint32_t packets_held;
    uint64_t packets_unknown;
    uint64_t overflow; /* datagrams dropped, since too many of their flow were held */
};

/* --- The flow table ------------------------------------------------------------------------ */

static struct feed_flow *flow_find(const struct feed_outbound *outbound, const struct gate_flow *key)
{
    struct feed_flow *flow;

    HASH_FIND(hh, outbound->flows, key, sizeof(*key), flow);
    return flow;
}

static struct feed_socket *socket_get(struct feed_outbound *outbound, uint64_t cookie)
{
    struct feed_socket *sock;

    HASH_FIND(hh, outbound->sockets, &cookie, sizeof(cookie), sock);
    if (sock)
        return sock;
    sock = malloc(sizeof(*sock)); /* not calloc, which leaves malloc's cache of freed blocks alone */
    if (!sock)
        return NULL;
    memset(sock, 0, sizeof(*sock));
    sock->cookie = cookie;
    TAILQ_INIT(&sock->flows);
    HASH_ADD(hh, outbound->sockets, cookie, sizeof(cookie), sock);
    if (!sock->hh.tbl) {
        free(sock);
        return NULL;
    }
    return sock;
}

static void socket_put(struct feed_outbound *outbound, struct feed_socket *sock)
{
    if (!TAILQ_EMPTY(&sock->flows))
        return;
    HASH_DEL(outbound->sockets, sock);
    free(sock);
}

static struct feed_flow *flow_new(struct feed_outbound *outbound, const struct gate_flow *key)
{
    struct feed_flow *flow = malloc(sizeof(*flow));
    struct feed_socket *sock = flow ? socket_get(outbound, key->cookie) : NULL;

    if (!sock) {
        free(flow);
        return NULL;
    }
    memset(flow, 0, sizeof(*flow));
    flow->key = *key;
    flow->outbound = outbound;
    flow->socket = sock;
    HASH_ADD(hh, outbound->flows, key, sizeof(*key), flow);
    if (!flow->hh.tbl) {
        socket_put(outbound, sock);
        free(flow);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&sock->flows, flow, of_socket);
    return flow;
}

/* Takes the flow out of every list; a pended one is freed by its done. */
static void flow_forget(struct feed_flow *flow)
{
    struct feed_outbound *outbound = flow->outbound;

    flows_end(outbound->feed.records, flow->record);
    flow->record = NULL;
    HASH_DEL(outbound->flows, flow);
    TAILQ_REMOVE(&flow->socket->flows, flow, of_socket);
    socket_put(outbound, flow->socket);
    if (flow->state == FLOW_LIVE) {
        if (outbound->reauth_next == flow)
            outbound->reauth_next = TAILQ_NEXT(flow, of_live);
        TAILQ_REMOVE(&outbound->live, flow, of_live);
        outbound->live_count--;
        if (flow->fresh)
            outbound->fresh_count--;
    }
    if (flow->state == FLOW_PENDED)
        flow->gone = true;
    else
        free(flow);
}

static void flow_live(struct feed_flow *flow, UINT64 wfp_flow)
{
    struct feed_outbound *outbound = flow->outbound;
    GUID key;

    flow->state = FLOW_LIVE;
    flow->wfp_flow = wfp_flow;
    flows_live(outbound->feed.records, flow->record, feed_filter_key(flow->filter, &key));
    flow->fresh = true;
    outbound->fresh_count++;
    TAILQ_INSERT_TAIL(&outbound->live, flow, of_live);
    if (++outbound->live_count > FEED_FLOWS_MAX) {
        struct feed_flow *oldest = TAILQ_FIRST(&outbound->live);
        wfp_ale_flow_end(oldest->wfp_flow);
        flow_forget(oldest);
    }
}

/* --- Packets of a flow --------------------------------------------------------------------- */

static void flow_keep_packet(struct feed_flow *flow, uint32_t id)
{
    if (flow->packet_count == FEED_PACKETS_MAX) {
        gate_drop(flow->outbound->feed.gate, id);
        flow->outbound->overflow++;
        return;
    }
    flow->packets[flow->packet_count++] = id;
    flow->outbound->packets_held++;
}

static void flow_packets_gone(struct feed_flow *flow)
{
    flow->outbound->packets_held -= flow->packet_count;
    flow->packet_count = 0;
}

static void flow_drop_packets(struct feed_flow *flow)
{
    feed_drop_packets(&flow->outbound->feed, flow->packets, flow->packet_count);
    flow_packets_gone(flow);
}

static void flow_destroy(struct feed_flow *flow, const char *why)
{
    int result = gate_destroy_socket(flow->outbound->feed.gate, &flow->key, flow->local_address, flow->local_port);

    if (result < 0 && result != -ENOENT)
        log_say("a connection %s could not be ended: %s.", why, strerror(-result));
}

/* The verdict is there: the packets meet it. */
static void flow_apply(struct feed_flow *flow, bool permit)
{
    int failed;
    int result = gate_settle(flow->outbound->feed.gate, &flow->key, permit,
                             flow->by_source ? flow->local_address : NULL, flow->packets, flow->packet_count, &failed);

    if (result < 0)
        log_say("a verdict could not be stored in the kernel: %s; its packets are held again.", strerror(-result));
    if (failed)
        feed_say_unreleased(failed);
    flow_packets_gone(flow);
}

static void flow_settle(struct feed_flow *flow, bool permit, UINT64 wfp_flow)
{
    flow_apply(flow, permit);
    *(permit ? &flow->outbound->feed.counts->permitted : &flow->outbound->feed.counts->blocked) += 1;
    if (permit) {
        flow_live(flow, wfp_flow);
        return;
    }
    if (flow->key.protocol == IPPROTO_TCP && !gate_refusals_arrive(flow->outbound->feed.gate))
        flow_destroy(flow, "that is blocked while lo is down");
    flow_forget(flow);
}

static void flow_decided(struct feed_flow *flow, const struct wfp_decision *decision)
{
    flow->state = FLOW_NEW;
    flow->outbound->feed.counts->held--;
    keep_hit(flow->outbound->feed.keep, decision);
    flow->filter = decision->filter_id;
    flow->by_source = keep_by_source(decision);
    if (flow->gone) {
        if (decision->outcome == WFP_PERMIT)
            wfp_ale_flow_end(decision->flow);
        free(flow);
        return;
    }
    flow_settle(flow, decision->outcome == WFP_PERMIT, decision->flow);
}

/* The flow is pended, so it stays until feed_outbound_take_late. */
static void flow_decided_elsewhere(struct feed_flow *flow, const struct wfp_decision *decision)
{
    struct feed_outbound *outbound = flow->outbound;

    flow->late = *decision;
    flow->late_next = __atomic_load_n(&outbound->late, __ATOMIC_RELAXED);
    while (
        !__atomic_compare_exchange_n(&outbound->late, &flow->late_next, flow, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    outbound->feed.wake(outbound->feed.wake_context);
}

static void flow_done(void *context, const struct wfp_decision *decision)
{
    struct feed_flow *flow = context;

    if (pthread_equal(pthread_self(), flow->outbound->owner))
        flow_decided(flow, decision);
    else
        flow_decided_elsewhere(flow, decision);
}

void feed_outbound_take_late(struct feed_outbound *outbound)
{
    struct feed_flow *flow = NULL;

    if (__atomic_load_n(&outbound->late, __ATOMIC_RELAXED)) /* rarely; looking costs less than exchanging */
        flow = __atomic_exchange_n(&outbound->late, NULL, __ATOMIC_ACQUIRE);
    while (flow) {
        struct feed_flow *next = flow->late_next;
        struct wfp_decision decision = flow->late; /* the flow may be gone afterwards */
        flow_decided(flow, &decision);
        flow = next;
    }
}

/* --- From packet to authorization ---------------------------------------------------------- */

static void flow_tell_blocked(struct feed_flow *flow, const struct gate_owner *owner, bool by_callout)
{
    GUID key;

    flows_block(flow->outbound->feed.records, flow->record, owner, feed_filter_key(flow->filter, &key), by_callout);
    flow->record = NULL;
}

static void flow_authorize(struct feed_flow *flow, const struct gate_packet *packet, const FWP_BYTE_BLOB *package)
{
    struct feed_outbound *outbound = flow->outbound;
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    uint32_t generation = gate_generation(outbound->feed.gate);
    struct wfp_ale_connect connect = feed_connect_of(&outbound->feed, packet, package);

    connect.endpoint = packet->cookie ? packet->cookie : (UINT64_C(1) << 63) + ++outbound->kernel_endpoint;
    if (!connect.has_process)
        outbound->packets_unknown++;

    outbound->feed.counts->connections++;
    outbound->feed.counts->held++;
    flow->mark = identity_mark_of(&packet->owner);
    flow->record = flows_make(outbound->feed.records, packet, outbound->feed.identity);
    flow->state = FLOW_PENDED; /* done may come before wfp_ale_connect returns, and free the flow */
    wfp_ale_connect(&connect, flow_done, flow, &decision);
    if (decision.outcome == WFP_PENDED)
        return;
    outbound->feed.counts->held--;
    flow->state = FLOW_NEW;
    flow->filter = decision.filter_id;
    flow->by_source = keep_by_source(&decision);
    keep_decision(outbound->feed.keep, packet, &decision, generation); /* first: the next such connect() may be quick */
    if (decision.outcome != WFP_PERMIT)
        flow_tell_blocked(flow, &packet->owner, decision.by_callout);
    flow_settle(flow, decision.outcome == WFP_PERMIT, decision.flow);
}

/* Of a live flow. True: it is permitted still, or again. */
static bool flow_ask_again(struct feed_flow *flow)
{
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    BOOLEAN reauthorized = FALSE;

    wfp_ale_flow_packet(flow->wfp_flow, FALSE, NULL, &decision, &reauthorized);
    flow->by_source = reauthorized ? keep_by_source(&decision) : flow->by_source;
    return decision.outcome == WFP_PERMIT;
}

/* Its policy changed, or it was queued before its verdict was stored. False: it has another source, which matters. */
static bool flow_again(struct feed_flow *flow, const struct gate_packet *packet)
{
    bool permit = flow_ask_again(flow);

    if (flow->by_source && memcmp(flow->local_address, packet->local_address, 16) != 0)
        return false;
    flow_keep_packet(flow, packet->id);
    flow_apply(flow, permit);
    if (!permit)
        flow_forget(flow);
    return true;
}

/*
 * A TCP socket connects once at a time: a SYN to another place or from another port says that its program has given up
 * what it began before (connect() to AF_UNSPEC), and nothing of that may leave or be decided any more.
 */
bool feed_outbound_gave_up(const struct feed_outbound *outbound, const struct gate_packet *packet,
                           const struct gate_flow *key)
{
    struct feed_socket *sock;
    struct feed_flow *flow;

    if (packet->protocol != IPPROTO_TCP || !packet->cookie)
        return false;
    HASH_FIND(hh, outbound->sockets, &packet->cookie, sizeof(packet->cookie), sock);
    flow = sock ? TAILQ_FIRST(&sock->flows) : NULL;
    return flow && (flow->local_port != packet->local_port || flow != flow_find(outbound, key));
}

bool feed_outbound_takes(struct feed_outbound *outbound, const struct gate_packet *packet, const struct gate_flow *key)
{
    struct feed_flow *flow = flow_find(outbound, key);

    if (flow && flow->state == FLOW_PENDED) {
        flow_keep_packet(flow, packet->id);
        return true;
    }
    if (flow && packet->protocol == IPPROTO_UDP && !identity_is_other(&flow->mark, &packet->owner) &&
        flow_again(flow, packet))
        return true;
    if (flow) { /* the same TCP socket connects to the same peer once more, or another sends, or from another address */
        wfp_ale_flow_end(flow->wfp_flow);
        flow_forget(flow);
    }
    return false;
}

void feed_outbound_begin(struct feed_outbound *outbound, const struct gate_packet *packet, const struct gate_flow *key,
                         const FWP_BYTE_BLOB *package)
{
    struct feed_flow *flow = flow_new(outbound, key);

    if (!flow) {
        gate_drop(outbound->feed.gate, packet->id);
        log_say("out of memory: a connection's packet was dropped; its program sends it again.");
        return;
    }
    memcpy(flow->local_address, packet->local_address, 16);
    flow->local_port = packet->local_port;
    flow_keep_packet(flow, packet->id);
    flow_authorize(flow, packet, package);
}

bool feed_outbound_knows(const struct feed_outbound *outbound, const struct gate_flow *key)
{
    return flow_find(outbound, key) != NULL;
}

/* --- Ends ---------------------------------------------------------------------------------- */

/* Nothing of it may leave any more. */
void feed_outbound_socket_closed(struct feed_outbound *outbound, uint64_t cookie)
{
    struct feed_socket *sock;

    HASH_FIND(hh, outbound->sockets, &cookie, sizeof(cookie), sock);
    while (sock) {
        struct feed_flow *flow = TAILQ_FIRST(&sock->flows);
        bool last = !TAILQ_NEXT(flow, of_socket);

        flow_drop_packets(flow);
        flow_forget(flow);
        if (last)
            break;
    }
}

/* --- Turns --------------------------------------------------------------------------------- */

void feed_outbound_establish(struct feed_outbound *outbound)
{
    struct feed_flow *flow = TAILQ_LAST(&outbound->live, live_flows);

    for (; flow && outbound->fresh_count; flow = TAILQ_PREV(flow, live_flows, of_live)) {
        if (!flow->fresh)
            continue;
        flow->fresh = false;
        outbound->fresh_count--;
        wfp_ale_flow_established(flow->wfp_flow);
    }
}

static void flow_reauthorize(struct feed_flow *flow)
{
    if (flow_ask_again(flow))
        return;
    flow_apply(flow, false);
    flow_destroy(flow, "that the new policy blocks");
    flow_forget(flow);
}

void feed_outbound_reauthorize(struct feed_outbound *outbound)
{
    outbound->reauth_next = TAILQ_FIRST(&outbound->live);
}

bool feed_outbound_reauthorize_step(struct feed_outbound *outbound)
{
    for (unsigned i = 0; i < FEED_REAUTH_STEP && outbound->reauth_next; i++) {
        struct feed_flow *flow = outbound->reauth_next;

        outbound->reauth_next = TAILQ_NEXT(flow, of_live);
        if (flow->key.protocol == IPPROTO_TCP) /* the next datagram of a UDP flow comes by itself */
            flow_reauthorize(flow);
    }
    return outbound->reauth_next != NULL;
}

struct feed_outbound *feed_outbound_new(const struct feed_parts *parts)
{
    struct feed_outbound *outbound = calloc(1, sizeof(*outbound));

    if (!outbound)
        return NULL;
    outbound->feed = *parts;
    outbound->owner = pthread_self();
    TAILQ_INIT(&outbound->live);
    return outbound;
}

void feed_outbound_free(struct feed_outbound *outbound)
{
    struct feed_flow *flow, *next;

    if (!outbound)
        return;
    feed_outbound_take_late(outbound);
    HASH_ITER(hh, outbound->flows, flow, next)
    {
        flow_drop_packets(flow);
        if (flow->state == FLOW_LIVE)
            wfp_ale_flow_end(flow->wfp_flow);
        flow->state = FLOW_NEW; /* the driver is gone: no done will come */
        flow_forget(flow);
    }
    free(outbound);
}

void feed_outbound_status(const struct feed_outbound *outbound, struct gatehouse_platform_status *status)
{
    status->packets_held += outbound->packets_held;
    status->packets_unknown += outbound->packets_unknown;
    status->datagrams_overflow += outbound->overflow;
    status->flows += outbound->live_count;
}
