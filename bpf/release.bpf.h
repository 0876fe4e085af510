/* SPDX-License-Identifier: MIT */
/*
 * release.bpf.h - the end of a socket.
 */
#ifndef BPF_RELEASE_BPF_H
#define BPF_RELEASE_BPF_H

#include "rules.bpf.h"

/* A decision younger than this may have its packet still on the way through the rules. */
#define FRESH_NS 100000000ull

/* Takes the socket's record out of its slot, or with closed leaves it there as one whose socket was released. */
static __always_inline bool end_slot(const struct gate_tuple *tuple, __u64 cookie, bool closed)
{
    struct gate_slot *slot = tuple->protocol == IPPROTO_TCP ? find_slot(tuple) : NULL;
    __u64 turn, rest;

    if (!slot)
        return false;
    turn = *(volatile __u64 *)&slot->turn;
    rest = turn & ~(__u64)GATE_SLOT_BITS;
    if (turn != (rest | GATE_SLOT_FULL) || slot->pended.cookie != cookie || !same_tuple(&slot->tuple, tuple))
        return false;
    if (__sync_val_compare_and_swap(&slot->turn, turn, rest | GATE_SLOT_TAKEN) != turn)
        return false;
    slot->pended.closed = closed;
    __sync_lock_test_and_set(&slot->turn, rest | (closed ? GATE_SLOT_FULL : GATE_SLOT_FREE));
    return true;
}

/* Gives back what a closed socket with one decided flow took, so that the maps hold the living. */
static __always_inline void forget_flow(const struct gate_flow_key *flow, const struct gate_flow_state *state,
                                        const struct gate_tuple *tuple)
{
    struct gate_pended *pended;

    if (bpf_ktime_get_ns() - state->since > FRESH_NS)
        bpf_map_delete_elem(&gate_flows, flow);
    if (flow->protocol == IPPROTO_UDP)
        bpf_map_delete_elem(&gate_owners, flow);
    if (end_slot(tuple, flow->cookie, false))
        return;
    pended = bpf_map_lookup_elem(&gate_waiting, tuple);
    /* Another socket may wait under the same tuple. */
    if (pended && pended->cookie == flow->cookie)
        bpf_map_delete_elem(&gate_waiting, tuple);
}

/* True when something of the socket may still be in the queue. */
static __always_inline bool may_be_held(const struct gate_flow_key *own, struct gate_owner_state *owner)
{
    struct gate_flow_key flow = *own;
    struct gate_flow_state *state;
    struct gate_pended *pended;
    struct gate_tuple last = owner->last;

    __builtin_memcpy(flow.remote_address, last.remote_address, sizeof(flow.remote_address));
    flow.remote_port = last.remote_port;
    flow.protocol = last.protocol;
    flow.ip_version = last.ip_version;
    state = bpf_map_lookup_elem(&gate_flows, &flow);
    if (owner->pended == 1 && state && state->verdict && state->generation == current_generation()) {
        forget_flow(&flow, state, &last);
        return false;
    }
    if (end_slot(&last, own->cookie, true))
        return true;
    pended = bpf_map_lookup_elem(&gate_waiting, &last);
    if (pended && pended->cookie == own->cookie)
        pended->closed = 1;
    return true;
}

SEC("cgroup/sock_release")
int gate_release(struct bpf_sock *ctx)
{
    struct gate_flow_key own = {};
    struct gate_owner_state *owner;
    struct gate_event *event;
    bool waited, held = false;
    __u64 wakeup;

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    own.cookie = bpf_get_socket_cookie(ctx);
    if (ctx->protocol == IPPROTO_TCP)
        end_decided(own.cookie);
    owner = bpf_map_lookup_elem(&gate_owners, &own);
    if (!owner)
        return 1;
    waited = owner->pended;
    if (waited)
        held = may_be_held(&own, owner);
    if (!held)
        bpf_map_delete_elem(&gate_owners, &own);
    if (!waited)
        return 1;
    event = bpf_ringbuf_reserve(&gate_events, sizeof(*event), 0);
    if (!event) {
        count_lost_event();
        return 1;
    }
    event->cookie = own.cookie;
    if (held || bpf_ringbuf_query(&gate_events, BPF_RB_AVAIL_DATA) > GATE_EVENTS_SIZE / 4)
        wakeup = BPF_RB_FORCE_WAKEUP;
    else
        wakeup = wake_watcher();
    bpf_ringbuf_submit(event, wakeup);
    return 1;
}

#endif
