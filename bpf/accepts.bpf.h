/* SPDX-License-Identifier: MIT */
/*
 * accepts.bpf.h - what was said of packets that come in, and who bound a socket; and note_reply: a datagram goes out,
 * its answer may come.
 */
#ifndef BPF_ACCEPTS_BPF_H
#define BPF_ACCEPTS_BPF_H

#include "gate_inbound.h"
#include "maps.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_ACCEPTS_MAX);
    __type(key, struct gate_tuple);
    __type(value, struct gate_accept);
} gate_accepts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, GATE_BOUND_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct gate_bound);
} gate_bound SEC(".maps");

#define SECOND_NS 1000000000ull

static __always_inline bool inbound_is_on(void)
{
    __u32 zero = 0;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);

    return state && state->inbound;
}

/* A permitted datagram leaves. */
static __always_inline void note_reply(const struct gate_tuple *tuple)
{
    struct gate_accept reply = {.verdict = GATE_PERMIT, .is = GATE_ACCEPT_REPLY};
    struct gate_accept *known;

    if (!inbound_is_on())
        return;
    known = bpf_map_lookup_elem(&gate_accepts, tuple);
    reply.since = bpf_ktime_get_ns();
    if (known && known->verdict == GATE_PERMIT && known->is != GATE_ACCEPT_ONCE) {
        if (reply.since - known->since > SECOND_NS)
            known->since = reply.since;
        return;
    }
    bpf_map_update_elem(&gate_accepts, tuple, &reply, BPF_ANY);
}

#endif
