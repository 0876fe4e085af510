/* SPDX-License-Identifier: MIT */
/*
 * feed.c - the flows of this namespace, from the first held packet to the closed socket.
 *
 * A flow is (socket cookie, protocol, remote address and port). It is PENDED while the driver holds
 * it, LIVE once permitted; a blocked one is forgotten here at once, its verdict stays in the kernel.
 *
 * Order matters in two places. The decision is stored before the packet is sent round again, else it would be queued
 * anew. All packets are read before events, so that a socket's packets are known here when its end is reported.
 *
 * One thread; callbacks of the engine come on it too, from inside its calls. But a driver may complete an operation on
 * a thread of its own: then only the verdict is kept, in a list that feed_tidy empties.
 */
#include "host/feed.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "host/adopt.h"
#include "host/exe_hash.h"
#include "host/feed_inbound.h"
#include "host/flows.h"
#include "host/hash_table.h"
#include "host/identity.h"
#include "host/keep.h"
#include "host/log.h"
#include "wfp/ale.h"

#define FEED_BATCH  64u
#define FEED_ENDS   16u /* packets after which the ends of sockets are looked at without being told of any */
#define REAUTH_STEP 256u

enum flow_state { FLOW_NEW, FLOW_PENDED, FLOW_LIVE };

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
    struct feed *feed;
    struct feed_flow *late_next; /* of feed->late */
    struct wfp_decision late;
    struct feed_socket *socket;
    TAILQ_ENTRY(feed_flow) of_socket;
    TAILQ_ENTRY(feed_flow) of_live; /* LIVE: oldest first */
    UT_hash_handle hh;
};

struct feed_socket {
    uint64_t cookie;
    TAILQ_HEAD(, feed_flow) flows;
    UT_hash_handle hh;
};

struct feed {
    struct gate *gate;
    pthread_t owner;
    void (*wake)(void *context);
    void *wake_context;
    struct feed_flow *late; /* decided on other threads, the last first; atomic */
    struct feed_counts counts;
    struct feed_flow *flows;
    struct feed_socket *sockets;
    unsigned since_ends; /* packets */
    TAILQ_HEAD(live_flows, feed_flow) live;
    size_t live_count, fresh_count;
    struct feed_flow *reauth_next;         /* next live flow to reauthorize; NULL: none under way */
    bool policy_dirty, burst, ends_wanted; /* several packets came at once; somebody asks what lives and has ended */
    struct identity identity;
    struct exe_hash *hashes;
    FWP_BYTE_BLOB package; /* of the packet in hand; size 0: not known or not wanted */
    struct keep keep;
    struct adopt adopt;
    struct feed_inbound *inbound;
    struct flows *records;
    uint64_t kernel_endpoint; /* packets without a socket get handles of their own */
    uint32_t packets_held;
    uint64_t packets_seen, packets_damaged, packets_unknown, datagrams_overflow;
};

/* --- The flow table ------------------------------------------------------------------------ */

static struct feed_flow *flow_find(struct feed *feed, const struct gate_flow *key)
{
    struct feed_flow *flow;

    HASH_FIND(hh, feed->flows, key, sizeof(*key), flow);
    return flow;
}

static struct feed_socket *socket_get(struct feed *feed, uint64_t cookie)
{
    struct feed_socket *sock;

    HASH_FIND(hh, feed->sockets, &cookie, sizeof(cookie), sock);
    if (sock)
        return sock;
    sock = malloc(sizeof(*sock)); /* not calloc, which leaves malloc's cache of freed blocks alone */
    if (!sock)
        return NULL;
    memset(sock, 0, sizeof(*sock));
    sock->cookie = cookie;
    TAILQ_INIT(&sock->flows);
    HASH_ADD(hh, feed->sockets, cookie, sizeof(cookie), sock);
    if (!sock->hh.tbl) {
        free(sock);
        return NULL;
    }
    return sock;
}

static void socket_put(struct feed *feed, struct feed_socket *sock)
{
    if (!TAILQ_EMPTY(&sock->flows))
        return;
    HASH_DEL(feed->sockets, sock);
    free(sock);
}

static struct feed_flow *flow_new(struct feed *feed, const struct gate_flow *key)
{
    struct feed_flow *flow = malloc(sizeof(*flow));
    struct feed_socket *sock = flow ? socket_get(feed, key->cookie) : NULL;

    if (!sock) {
        free(flow);
        return NULL;
    }
    memset(flow, 0, sizeof(*flow));
    flow->key = *key;
    flow->feed = feed;
    flow->socket = sock;
    HASH_ADD(hh, feed->flows, key, sizeof(*key), flow);
    if (!flow->hh.tbl) {
        socket_put(feed, sock);
        free(flow);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&sock->flows, flow, of_socket);
    return flow;
}

/* Takes the flow out of every list; a pended one is freed by its done. */
static void flow_forget(struct feed_flow *flow)
{
    struct feed *feed = flow->feed;

    flows_end(feed->records, flow->record);
    flow->record = NULL;
    HASH_DEL(feed->flows, flow);
    TAILQ_REMOVE(&flow->socket->flows, flow, of_socket);
    socket_put(feed, flow->socket);
    if (flow->state == FLOW_LIVE) {
        if (feed->reauth_next == flow)
            feed->reauth_next = TAILQ_NEXT(flow, of_live);
        TAILQ_REMOVE(&feed->live, flow, of_live);
        feed->live_count--;
        if (flow->fresh)
            feed->fresh_count--;
    }
    if (flow->state == FLOW_PENDED)
        flow->gone = true;
    else
        free(flow);
}

static void flow_live(struct feed_flow *flow, UINT64 wfp_flow)
{
    struct feed *feed = flow->feed;
    GUID key;

    flow->state = FLOW_LIVE;
    flow->wfp_flow = wfp_flow;
    flows_live(feed->records, flow->record, wfp_filter_key(flow->filter, &key) ? (const uint8_t *)&key : NULL);
    flow->fresh = true;
    feed->fresh_count++;
    TAILQ_INSERT_TAIL(&feed->live, flow, of_live);
    if (++feed->live_count > FEED_FLOWS_MAX) {
        struct feed_flow *oldest = TAILQ_FIRST(&feed->live);
        wfp_ale_flow_end(oldest->wfp_flow);
        flow_forget(oldest);
    }
}

/* --- Packets of a flow --------------------------------------------------------------------- */

static void flow_keep_packet(struct feed_flow *flow, uint32_t id)
{
    if (flow->packet_count == FEED_PACKETS_MAX) {
        gate_drop(flow->feed->gate, id);
        flow->feed->datagrams_overflow++;
        return;
    }
    flow->packets[flow->packet_count++] = id;
    flow->feed->packets_held++;
}

static void flow_say_unreleased(int code)
{
    log_say("a held packet could not be released: %s; the kernel drops it when the queue closes.", strerror(-code));
}

static void flow_packets_gone(struct feed_flow *flow)
{
    flow->feed->packets_held -= flow->packet_count;
    flow->packet_count = 0;
}

static void flow_drop_packets(struct feed_flow *flow)
{
    for (unsigned i = 0; i < flow->packet_count; i++) {
        int result = gate_drop(flow->feed->gate, flow->packets[i]);
        if (result < 0 && result != -ENOENT)
            flow_say_unreleased(result);
    }
    flow_packets_gone(flow);
}

static void flow_destroy(struct feed_flow *flow, const char *why)
{
    int result = gate_destroy_socket(flow->feed->gate, &flow->key, flow->local_address, flow->local_port);

    if (result < 0 && result != -ENOENT)
        log_say("a connection %s could not be ended: %s.", why, strerror(-result));
}

/* The verdict is there: the packets meet it. */
static void flow_apply(struct feed_flow *flow, bool permit)
{
    int failed;
    int result = gate_settle(flow->feed->gate, &flow->key, permit, flow->by_source ? flow->local_address : NULL,
                             flow->packets, flow->packet_count, &failed);

    if (result < 0)
        log_say("a verdict could not be stored in the kernel: %s; its packets are held again.", strerror(-result));
    if (failed)
        flow_say_unreleased(failed);
    flow_packets_gone(flow);
}

static void flow_settle(struct feed_flow *flow, bool permit, UINT64 wfp_flow)
{
    flow_apply(flow, permit);
    *(permit ? &flow->feed->counts.permitted : &flow->feed->counts.blocked) += 1;
    if (permit) {
        flow_live(flow, wfp_flow);
        return;
    }
    if (flow->key.protocol == IPPROTO_TCP && !gate_refusals_arrive(flow->feed->gate))
        flow_destroy(flow, "that is blocked while lo is down");
    flow_forget(flow);
}

static void flow_decided(struct feed_flow *flow, const struct wfp_decision *decision)
{
    flow->state = FLOW_NEW;
    flow->feed->counts.held--;
    keep_hit(&flow->feed->keep, decision);
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

/* The flow is pended, so it stays until feed_decided. */
static void flow_decided_elsewhere(struct feed_flow *flow, const struct wfp_decision *decision)
{
    struct feed *feed = flow->feed;

    flow->late = *decision;
    flow->late_next = __atomic_load_n(&feed->late, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&feed->late, &flow->late_next, flow, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    feed->wake(feed->wake_context);
}

static void flow_done(void *context, const struct wfp_decision *decision)
{
    struct feed_flow *flow = context;

    if (pthread_equal(pthread_self(), flow->feed->owner))
        flow_decided(flow, decision);
    else
        flow_decided_elsewhere(flow, decision);
}

static void feed_decided(struct feed *feed)
{
    struct feed_flow *flow = __atomic_exchange_n(&feed->late, NULL, __ATOMIC_ACQUIRE);

    while (flow) {
        struct feed_flow *next = flow->late_next;
        struct wfp_decision decision = flow->late; /* the flow may be gone afterwards */
        flow_decided(flow, &decision);
        flow = next;
    }
}

/* --- From packet to authorization ---------------------------------------------------------- */

#define NO_PACKET UINT32_MAX /* instead of one that waits for a hash: a live connection that is to be adopted */

/* SHA-256 of the program, if some filter wants it, into feed->package. */
static enum exe_hash_result feed_find_hash(struct feed *feed, const struct gate_owner *owner, uint64_t cookie,
                                           uint32_t packet)
{
    const struct exe_sid *sid = NULL;
    enum exe_hash_result result = EXE_HASH_NONE;

    feed->package = (FWP_BYTE_BLOB){0};
    if (wfp_package_wanted())
        result = exe_hash_find(feed->hashes, owner, cookie, packet, &sid);
    if (result == EXE_HASH_KNOWN) {
        feed->package.size = sizeof(*sid);
        feed->package.data = (UINT8 *)(uintptr_t)sid;
    }
    return result;
}

/* True: the hash is wanted and not known yet, and the packet waits or is gone. */
static bool feed_waits_for_hash(struct feed *feed, const struct gate_packet *packet)
{
    enum exe_hash_result result = feed_find_hash(feed, &packet->owner, packet->cookie, packet->id);

    if (result == EXE_HASH_FULL) {
        gate_drop(feed->gate, packet->id); /* a TCP program's system sends it again */
        feed->datagrams_overflow += packet->protocol == IPPROTO_UDP;
    }
    return result == EXE_HASH_WAITS || result == EXE_HASH_FULL;
}

/* False: a hash is wanted first; then all begins anew. */
static bool feed_package(void *context, const struct gate_live *live, const FWP_BYTE_BLOB **package)
{
    struct feed *feed = context;
    enum exe_hash_result result = feed_find_hash(feed, &live->owner, live->flow.cookie, NO_PACKET);

    *package = feed->package.size ? &feed->package : NULL;
    return result != EXE_HASH_WAITS && result != EXE_HASH_FULL;
}

/* Round again: its program's hash is known by then. */
static void feed_hashed(struct feed *feed)
{
    uint32_t packets[64];
    size_t count;

    while ((count = exe_hash_ready(feed->hashes, packets, sizeof(packets) / sizeof(packets[0]))) != 0)
        for (size_t i = 0; i < count; i++)
            if (packets[i] == NO_PACKET)
                adopt_start(&feed->adopt);
            else
                gate_repeat(feed->gate, packets[i]);
}

static void feed_forget_unhashed(struct feed *feed, uint64_t cookie)
{
    uint32_t packets[64];
    size_t count;

    while ((count = exe_hash_forget(feed->hashes, cookie, packets, sizeof(packets) / sizeof(packets[0]))) != 0)
        for (size_t i = 0; i < count; i++)
            if (packets[i] != NO_PACKET)
                gate_drop(feed->gate, packets[i]);
}

static void flow_tell_blocked(struct feed_flow *flow, const struct gate_owner *owner, bool by_callout)
{
    GUID key;

    flows_block(flow->feed->records, flow->record, owner,
                wfp_filter_key(flow->filter, &key) ? (const uint8_t *)&key : NULL, by_callout);
    flow->record = NULL;
}

static void flow_authorize(struct feed_flow *flow, const struct gate_packet *packet)
{
    struct feed *feed = flow->feed;
    struct identity *identity = &feed->identity;
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    bool known = packet->owner.flags & GATE_OWNER_KNOWN;
    uint32_t generation = gate_generation(feed->gate);

    identity_fill(identity, &packet->owner);
    struct wfp_ale_connect connect = {
        .ip_version = packet->ip_version,
        .protocol = packet->protocol,
        .local_port = packet->local_port,
        .remote_port = packet->remote_port,
        .endpoint = packet->cookie ? packet->cookie : (UINT64_C(1) << 63) + ++feed->kernel_endpoint,
        .has_process = known,
        .process_id = packet->owner.pid,
        .process_start = identity->process_start,
        .app_id = identity->app_id.size ? &identity->app_id : NULL,
        .user = identity->user.size ? &identity->user : NULL,
        .condition_flags = (packet->loopback ? FWP_CONDITION_FLAG_IS_LOOPBACK : 0u) |
                           (packet->raw ? FWP_CONDITION_FLAG_IS_RAW_ENDPOINT : 0u),
        .interface_index = packet->interface_index,
        .package = feed->package.size ? &feed->package : NULL,
        .layer_data = NULL,
    };
    memcpy(connect.local_address, packet->local_address, 16);
    memcpy(connect.remote_address, packet->remote_address, 16);
    if (!known)
        feed->packets_unknown++;

    feed->counts.connections++;
    feed->counts.held++;
    flow->mark = identity_mark_of(&packet->owner);
    flow->record = flows_make(feed->records, packet, identity);
    flow->state = FLOW_PENDED; /* done may come before wfp_ale_connect returns, and free the flow */
    wfp_ale_connect(&connect, flow_done, flow, &decision);
    if (decision.outcome == WFP_PENDED)
        return;
    feed->counts.held--;
    flow->state = FLOW_NEW;
    flow->filter = decision.filter_id;
    flow->by_source = keep_by_source(&decision);
    keep_decision(&feed->keep, packet, &decision, generation); /* first: the next such connect() may be quick */
    if (decision.outcome != WFP_PERMIT)
        flow_tell_blocked(flow, &packet->owner, decision.by_callout);
    flow_settle(flow, decision.outcome == WFP_PERMIT, decision.flow);
}

/* Its policy changed, or it was queued before its verdict was stored. False: it has another source, which matters. */
static bool flow_again(struct feed_flow *flow, const struct gate_packet *packet)
{
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    BOOLEAN reauthorized = FALSE;

    wfp_ale_flow_packet(flow->wfp_flow, FALSE, NULL, &decision, &reauthorized);
    flow->by_source = reauthorized ? keep_by_source(&decision) : flow->by_source;
    if (flow->by_source && memcmp(flow->local_address, packet->local_address, 16) != 0)
        return false;
    flow_keep_packet(flow, packet->id);
    flow_apply(flow, decision.outcome == WFP_PERMIT);
    if (decision.outcome != WFP_PERMIT)
        flow_forget(flow);
    return true;
}

/* The program went away: nothing of it may leave any more. */
static void feed_socket_closed(void *context, uint64_t cookie)
{
    struct feed *feed = context;
    struct feed_socket *sock;

    feed_forget_unhashed(feed, cookie);
    HASH_FIND(hh, feed->sockets, &cookie, sizeof(cookie), sock);
    while (sock) {
        struct feed_flow *flow = TAILQ_FIRST(&sock->flows);
        bool last = !TAILQ_NEXT(flow, of_socket);

        flow_drop_packets(flow);
        flow_forget(flow);
        if (last)
            break;
    }
    feed_inbound_socket_closed(feed->inbound, cookie);
    wfp_ale_endpoint_closed(cookie);
}

static void feed_stream_ended(void *context, const struct gate_stream_end *end)
{
    struct feed *feed = context;

    if (end->inbound) {
        feed_inbound_stream_ended(feed->inbound, end);
        return;
    }
    identity_fill(&feed->identity, &end->owner);
    flows_stream_end(feed->records, end, NULL, &feed->identity);
}

static void feed_refused(void *context, const struct gate_refused_flow *refused)
{
    static const uint8_t none[16];
    struct feed *feed = context;

    identity_fill(&feed->identity, &refused->owner);
    flows_refused(feed->records, refused, &feed->identity, memcmp(refused->filter, none, 16) ? refused->filter : NULL);
}

/*
 * A TCP socket connects once at a time: a SYN to another place or from another port says that its program has given up
 * what it began before (connect() to AF_UNSPEC), and nothing of that may leave or be decided any more.
 */
static void feed_end_earlier(struct feed *feed, const struct gate_packet *packet, const struct gate_flow *key)
{
    struct feed_socket *sock;
    struct feed_flow *flow;

    if (packet->protocol != IPPROTO_TCP || !packet->cookie)
        return;
    HASH_FIND(hh, feed->sockets, &packet->cookie, sizeof(packet->cookie), sock);
    flow = sock ? TAILQ_FIRST(&sock->flows) : NULL;
    if (flow && (flow->local_port != packet->local_port || flow != flow_find(feed, key)))
        feed_socket_closed(feed, packet->cookie);
}

static void feed_outgoing(struct feed *feed, const struct gate_packet *packet)
{
    struct gate_flow key;

    feed->packets_seen++;
    gate_flow_of(packet, &key);
    feed_end_earlier(feed, packet, &key);
    struct feed_flow *flow = flow_find(feed, &key);
    if (flow && flow->state == FLOW_PENDED) {
        flow_keep_packet(flow, packet->id);
        return;
    }
    if (flow && packet->protocol == IPPROTO_UDP && !identity_is_other(&flow->mark, &packet->owner) &&
        flow_again(flow, packet))
        return;
    if (flow) { /* the same TCP socket connects to the same peer once more, or another sends, or from another address */
        wfp_ale_flow_end(flow->wfp_flow);
        flow_forget(flow);
    }
    if (feed_waits_for_hash(feed, packet))
        return;
    flow = flow_new(feed, &key);
    if (!flow) {
        gate_drop(feed->gate, packet->id);
        log_say("out of memory: a connection's packet was dropped; its program sends it again.");
        return;
    }
    memcpy(flow->local_address, packet->local_address, 16);
    flow->local_port = packet->local_port;
    flow_keep_packet(flow, packet->id);
    flow_authorize(flow, packet);
}

static void feed_packet(void *context, const struct gate_packet *packet)
{
    struct feed *feed = context;

    if (packet->inbound || packet->tuple_keyed) {
        if (!feed_waits_for_hash(feed, packet))
            feed_inbound_packet(feed->inbound, packet, feed->package.size ? &feed->package : NULL);
        return;
    }
    feed_outgoing(feed, packet);
    if (packet->closed) /* what was decided at once has left by now; the rest is cancelled */
        feed_socket_closed(feed, packet->cookie);
}

static void feed_damaged(void *context, uint32_t id)
{
    struct feed *feed = context;

    (void)id; /* the gate dropped it */
    feed->packets_seen++;
    feed->packets_damaged++;
}

/* --- Turns --------------------------------------------------------------------------------- */

static const struct gate_handlers feed_handlers = {feed_packet, feed_damaged, feed_socket_closed, feed_stream_ended,
                                                   feed_refused};

static void feed_establish(struct feed *feed)
{
    struct feed_flow *flow = TAILQ_LAST(&feed->live, live_flows);

    for (; flow && feed->fresh_count; flow = TAILQ_PREV(flow, live_flows, of_live)) {
        if (!flow->fresh)
            continue;
        flow->fresh = false;
        feed->fresh_count--;
        wfp_ale_flow_established(flow->wfp_flow);
    }
}

/* Mostly one waits, and to ask for more takes time. */
int feed_read(struct feed *feed, bool ends)
{
    unsigned limit = ends || feed->since_ends >= FEED_ENDS || feed->burst || feed->counts.held ? FEED_BATCH : 1;
    int count = gate_read_queue(feed->gate, limit, &feed_handlers, feed);

    if (count < 0)
        return count;
    feed->burst = count > 1;
    feed->since_ends += (unsigned)count;
    if (limit > 1 && (unsigned)count < limit && (ends || feed->since_ends >= FEED_ENDS)) {
        feed->since_ends = 0;
        feed_establish(feed); /* before they end */
        count = gate_read_events(feed->gate, &feed_handlers, feed);
    }
    return count < 0 ? count : 0;
}

static void flow_reauthorize(struct feed_flow *flow)
{
    struct wfp_decision decision = {.outcome = WFP_BLOCK};
    BOOLEAN reauthorized = FALSE;

    wfp_ale_flow_packet(flow->wfp_flow, FALSE, NULL, &decision, &reauthorized);
    flow->by_source = reauthorized ? keep_by_source(&decision) : flow->by_source;
    if (decision.outcome == WFP_PERMIT)
        return;
    flow_apply(flow, false);
    flow_destroy(flow, "that the new policy blocks");
    flow_forget(flow);
}

bool feed_tidy(struct feed *feed)
{
    if (__atomic_load_n(&feed->late, __ATOMIC_RELAXED))
        feed_decided(feed);
    feed_hashed(feed);
    feed_establish(feed);
    if (feed->ends_wanted) {
        feed->ends_wanted = false;
        gate_read_events(feed->gate, &feed_handlers, feed);
    }
    if (__atomic_exchange_n(&feed->policy_dirty, false, __ATOMIC_ACQUIRE)) {
        gate_new_generation(feed->gate); /* once more: a verdict of the old policy may have been stored meanwhile */
        feed->reauth_next = TAILQ_FIRST(&feed->live);
        adopt_start(&feed->adopt);
    }
    for (unsigned i = 0; i < REAUTH_STEP && feed->reauth_next; i++) {
        struct feed_flow *flow = feed->reauth_next;
        feed->reauth_next = TAILQ_NEXT(flow, of_live);
        if (flow->key.protocol == IPPROTO_TCP) /* the next datagram of a UDP flow comes by itself */
            flow_reauthorize(flow);
    }
    bool more = !feed->reauth_next && adopt_step(&feed->adopt);
    more = feed_inbound_tidy(feed->inbound) || more;
    return more || feed->reauth_next || feed->policy_dirty;
}

static void feed_policy_changed(void *context, UINT16 layer, UINT64 generation)
{
    struct feed *feed = context;

    (void)generation;
    if (layer == FWPS_LAYER_ALE_AUTH_CONNECT_V4 || layer == FWPS_LAYER_ALE_AUTH_CONNECT_V6 ||
        layer == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4 || layer == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6) {
        feed_inbound_policy_changed(feed->inbound);
        /* From now on nothing passes by the old policy. Once for the layers of one change: the guard counts. */
        if (!__atomic_exchange_n(&feed->policy_dirty, true, __ATOMIC_ACQ_REL))
            gate_new_generation(feed->gate);
    }
    if (!pthread_equal(pthread_self(), feed->owner))
        feed->wake(feed->wake_context);
}

static bool feed_knows(void *context, const struct gate_flow *key)
{
    return flow_find(context, key) != NULL;
}

struct feed *feed_new(struct gate *gate, struct process_ends *ends, struct names *names, void (*wake)(void *context),
                      void *wake_context)
{
    struct feed *feed = calloc(1, sizeof(*feed));
    struct exe_hash *hashes = feed ? exe_hash_new(wake, wake_context) : NULL;

    if (!hashes) {
        free(feed);
        return NULL;
    }
    feed->hashes = hashes;
    feed->identity.cgroups = cgroup_names_new();
    if (!feed->identity.cgroups)
        log_say("control groups cannot be told apart: rules for units and cgroups match nothing.");
    feed->identity.ends = ends;
    feed->gate = gate;
    feed->keep.gate = gate;
    feed->adopt = (struct adopt){
        .gate = gate, .identity = &feed->identity, .is_known = feed_knows, .package = feed_package, .context = feed};
    feed->policy_dirty = true; /* what a gatehoused before this one decided was under its policy */
    feed->owner = pthread_self();
    feed->wake = wake;
    feed->wake_context = wake_context;
    TAILQ_INIT(&feed->live);
    feed->records = flows_new(names);
    feed->inbound = feed_inbound_new(&(struct feed_parts){.gate = gate,
                                                          .counts = &feed->counts,
                                                          .identity = &feed->identity,
                                                          .keep = &feed->keep,
                                                          .records = feed->records,
                                                          .wake = wake,
                                                          .wake_context = wake_context});
    if (!feed->records || !feed->inbound) {
        feed_free(feed);
        return NULL;
    }
    wfp_set_policy_changed(feed_policy_changed, feed);
    return feed;
}

void feed_free(struct feed *feed)
{
    struct feed_flow *flow, *next;

    if (!feed)
        return;
    wfp_set_policy_changed(NULL, NULL);
    feed_decided(feed);
    HASH_ITER(hh, feed->flows, flow, next)
    {
        flow_drop_packets(flow);
        if (flow->state == FLOW_LIVE)
            wfp_ale_flow_end(flow->wfp_flow);
        flow->state = FLOW_NEW; /* the driver is gone: no done will come */
        flow_forget(flow);
    }
    feed_inbound_free(feed->inbound);
    flows_free(feed->records);
    keep_close(&feed->keep);
    exe_hash_free(feed->hashes);
    cgroup_names_free(feed->identity.cgroups);
    free(feed);
}

void feed_count(const struct feed *feed, struct feed_counts *counts)
{
    *counts = feed ? feed->counts : (struct feed_counts){0};
}

void feed_hits(struct feed *feed, uint64_t first, unsigned room, struct gatehouse_hits *head,
               struct gatehouse_hit *entries)
{
    *head = (struct gatehouse_hits){0};
    if (feed)
        keep_hits(&feed->keep, first, room, head, entries);
}

size_t feed_flows(struct feed *feed, const struct gatehouse_flows_get *get, void *out, size_t room)
{
    if (!(get->flags & GATEHOUSE_FLOWS_WAIT)) {             /* feed_follow has looked */
        gate_read_events(feed->gate, &feed_handlers, feed); /* what has ended meanwhile */
        flows_refused_again(feed->records, feed->gate);
    }
    return flows_list(feed->records, get, out, room);
}

bool feed_follow(struct feed *feed)
{
    uint64_t before = flows_changes(feed->records);

    gate_follow(feed->gate);
    gate_read_events(feed->gate, &feed_handlers, feed);
    flows_refused_again(feed->records, feed->gate);
    return flows_changes(feed->records) != before;
}

uint64_t feed_changes(const struct feed *feed)
{
    return flows_changes(feed->records);
}

void feed_follow_wake(struct feed *feed)
{
    gate_follow_wake(feed->gate);
}

bool feed_follow_wakes(const struct feed *feed)
{
    return gate_follow_wakes(feed->gate);
}

void feed_status(struct feed *feed, struct gatehouse_platform_status *status)
{
    struct gate_counts counts = {0};

    gate_count(feed->gate, &counts);
    status->packets_held = feed->packets_held;
    status->packets_seen = feed->packets_seen;
    status->packets_damaged = feed->packets_damaged;
    status->packets_unknown = feed->packets_unknown;
    status->datagrams_blocked = counts.datagrams_blocked;
    status->datagrams_overflow = feed->datagrams_overflow;
    status->queue_dropped = counts.queue_dropped;
    status->queue_user_dropped = counts.queue_user_dropped;
    status->flows = feed->live_count;
    status->events_lost = counts.events_lost;
    feed_inbound_status(feed->inbound, status);
    feed->ends_wanted = true;
}
