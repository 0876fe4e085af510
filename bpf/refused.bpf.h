/* SPDX-License-Identifier: MIT */
/*
 * refused.bpf.h - tells of what the verdict cache blocks.
 *
 * A program that tries again and again costs one record for each look of the host (gate_state.turn), and a count.
 */
#ifndef BPF_REFUSED_BPF_H
#define BPF_REFUSED_BPF_H

#include "maps.bpf.h"

static __always_inline void tell_refusal(const struct gate_refused_key *key, const struct gate_caller *caller,
                                         __u64 count, __u32 hits)
{
    struct gate_refusal *told;
    struct gate_state *state;
    __u32 zero = 0;

    /* Ends of sockets, on which more depends, are in the same ring. */
    if (bpf_ringbuf_query(&gate_events, BPF_RB_AVAIL_DATA) <= GATE_EVENTS_SIZE / 4) {
        told = bpf_ringbuf_reserve(&gate_events, sizeof(*told), 0);
        if (told) {
            told->event.cookie = GATE_COOKIE_OF_REFUSAL;
            told->key = *key;
            told->caller = *caller;
            told->count = count;
            told->hits = hits;
            told->zero = 0;
            bpf_ringbuf_submit(told, wake_watcher());
            return;
        }
    }
    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (state)
        __sync_fetch_and_add(&state->refusals_lost, 1);
}

/* Not static: see ask_cache. */
__noinline int note_refused(const struct gate_flow_key *flow, const struct gate_caller *caller, __u32 hits)
{
    struct gate_refused_key key = {};
    struct gate_refused fresh = {.count = 1}, *refused;
    struct gate_state *state;
    __u64 count = 1;
    __u32 zero = 0;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || !flow || !caller)
        return 0;
    key.program[0] = caller->program[0];
    key.program[1] = caller->program[1];
    key.uid = caller->uid;
    __builtin_memcpy(key.remote_address, flow->remote_address, sizeof(key.remote_address));
    key.remote_port = flow->remote_port;
    key.protocol = flow->protocol;
    key.ip_version = flow->ip_version;
    fresh.turn = *(volatile __u32 *)&state->turn;
    refused = bpf_map_lookup_elem(&gate_refused, &key);
    if (refused) {
        count = __sync_fetch_and_add(&refused->count, 1) + 1;
        if (refused->turn == fresh.turn)
            return 0;
        refused->turn = fresh.turn;
    } else {
        bpf_map_update_elem(&gate_refused, &key, &fresh, BPF_ANY);
    }
    tell_refusal(&key, caller, count, hits);
    return 0;
}

#endif
