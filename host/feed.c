/* SPDX-License-Identifier: MIT */
/*
 * feed.c - see feed.h: who gets which packet and which end, and what is done between two of them.
 *
 * The flows are feed_outbound's and feed_inbound's. All packets are read before events, so that a socket's packets are
 * known here when its end is reported.
 *
 * One thread, but for feed_policy_changed, which comes on any: it sets atomic flags, has the gate begin a generation,
 * and wakes this one.
 */
#include "host/feed.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/adopt.h"
#include "host/exe_hash.h"
#include "host/feed_inbound.h"
#include "host/feed_outbound.h"
#include "host/feed_parts.h"
#include "host/flows.h"
#include "host/identity.h"
#include "host/keep.h"
#include "host/log.h"
#include "wfp/ale.h"

#define FEED_BATCH 64u
#define FEED_ENDS  16u /* packets after which the ends of sockets are looked at without being told of any */

struct feed {
    struct gate *gate;
    pthread_t owner;
    void (*wake)(void *context);
    void *wake_context;
    struct feed_counts counts;
    unsigned since_ends; /* packets since the ends of sockets were looked at */
    bool policy_dirty;   /* the engine's policy changed since feed_tidy; atomic */
    bool burst;          /* several packets came at once */
    bool ends_wanted;    /* somebody asks what lives and has ended */
    struct identity identity;
    struct exe_hash *hashes;
    FWP_BYTE_BLOB package; /* of the packet in hand; size 0: not known or not wanted */
    struct keep keep;
    struct adopt adopt;
    struct feed_outbound *outbound;
    struct feed_inbound *inbound;
    struct flows *records;
    uint64_t packets_seen; /* here and below: but for the parts' own */
    uint64_t packets_damaged;
    uint64_t datagrams_overflow;
};

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

/* What feed_find_hash found, as the engine takes it. */
static const FWP_BYTE_BLOB *feed_package_found(const struct feed *feed)
{
    return feed->package.size ? &feed->package : NULL;
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

    *package = feed_package_found(feed);
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

/* The program went away: nothing of it may leave any more. */
static void feed_socket_closed(void *context, uint64_t cookie)
{
    struct feed *feed = context;

    feed_forget_unhashed(feed, cookie);
    feed_outbound_socket_closed(feed->outbound, cookie);
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

static void feed_outgoing(struct feed *feed, const struct gate_packet *packet)
{
    struct gate_flow key;

    feed->packets_seen++;
    gate_flow_of(packet, &key);
    if (feed_outbound_gave_up(feed->outbound, packet, &key))
        feed_socket_closed(feed, packet->cookie);
    if (!feed_outbound_takes(feed->outbound, packet, &key) && !feed_waits_for_hash(feed, packet))
        feed_outbound_begin(feed->outbound, packet, &key, feed_package_found(feed));
}

static void feed_packet(void *context, const struct gate_packet *packet)
{
    struct feed *feed = context;

    if (packet->inbound || packet->tuple_keyed) {
        if (!feed_waits_for_hash(feed, packet))
            feed_inbound_packet(feed->inbound, packet, feed_package_found(feed));
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
        feed_outbound_establish(feed->outbound); /* before they end */
        count = gate_read_events(feed->gate, &feed_handlers, feed);
    }
    return count < 0 ? count : 0;
}

bool feed_tidy(struct feed *feed)
{
    feed_outbound_take_late(feed->outbound);
    feed_hashed(feed);
    feed_outbound_establish(feed->outbound);
    if (feed->ends_wanted) {
        feed->ends_wanted = false;
        gate_read_events(feed->gate, &feed_handlers, feed);
    }
    if (__atomic_exchange_n(&feed->policy_dirty, false, __ATOMIC_ACQUIRE)) {
        gate_new_generation(feed->gate); /* once more: a verdict of the old policy may have been stored meanwhile */
        feed_outbound_reauthorize(feed->outbound);
        adopt_start(&feed->adopt);
    }
    bool more = feed_outbound_reauthorize_step(feed->outbound) || adopt_step(&feed->adopt);
    more = feed_inbound_tidy(feed->inbound) || more;
    return more || feed->policy_dirty;
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
    const struct feed *feed = context;

    return feed_outbound_knows(feed->outbound, key);
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
    feed->records = flows_new(names);
    struct feed_parts parts = {.gate = gate,
                               .counts = &feed->counts,
                               .identity = &feed->identity,
                               .keep = &feed->keep,
                               .records = feed->records,
                               .wake = wake,
                               .wake_context = wake_context};
    feed->outbound = feed_outbound_new(&parts);
    feed->inbound = feed_inbound_new(&parts);
    if (!feed->records || !feed->outbound || !feed->inbound) {
        feed_free(feed);
        return NULL;
    }
    wfp_set_policy_changed(feed_policy_changed, feed);
    return feed;
}

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    wfp_set_policy_changed(NULL, NULL);
    feed_outbound_free(feed->outbound);
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
    status->packets_held = 0;
    status->packets_seen = feed->packets_seen;
    status->packets_damaged = feed->packets_damaged;
    status->packets_unknown = 0;
    status->datagrams_blocked = counts.datagrams_blocked;
    status->datagrams_overflow = feed->datagrams_overflow;
    status->queue_dropped = counts.queue_dropped;
    status->queue_user_dropped = counts.queue_user_dropped;
    status->flows = 0;
    status->events_lost = counts.events_lost;
    feed_outbound_status(feed->outbound, status);
    feed_inbound_status(feed->inbound, status);
    feed->ends_wanted = true;
}
