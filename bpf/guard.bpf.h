/* SPDX-License-Identifier: MIT */
/*
 * guard.bpf.h - holds when somebody takes the packet rules out, or puts others before them.
 *
 * Sits behind all packet rules: an initial SYN or a datagram that comes here without a permit has passed none of ours.
 * It is dropped, and the host is told once, to look after its rules. Everything else is none of its business and leaves
 * at the first comparisons; but for TCP that a raw socket made by hand: while those are watched and the rules pass by
 * what starts nothing, it is dropped here, until the host was told and the rules look at everything.
 */
#ifndef BPF_GUARD_BPF_H
#define BPF_GUARD_BPF_H

#include "rules.bpf.h"

/* A permit that was current when the packet passed the rules. */
#define JUST_NOW_NS 100000000ull

enum { LEAVES, STARTS, DOUBTED };
enum { REFUSED, PASSES, IS_LOST }; /* what the kernel makes of the hook's answer */

static __always_inline int look_at_transport(const __u8 *header, const __u8 *end, __u8 protocol)
{
    if (protocol == IPPROTO_UDP)
        return STARTS;
    if (header + 14 > end)
        return DOUBTED;
    return gate_is_start(header[13]) ? STARTS : LEAVES;
}

/* Does the packet start something? From its first bytes, as far as they are at hand. */
static __always_inline int look_at(struct __sk_buff *skb)
{
    const __u8 *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

    if (start + 40 > end)
        return DOUBTED;
    if (start[0] >> 4 == 4) {
        if (start[9] != IPPROTO_TCP && start[9] != IPPROTO_UDP)
            return LEAVES;
        if (start[0] == 0x45)
            return look_at_transport(start + 20, end, start[9]);
        return DOUBTED;
    }
    if (start[6] == IPPROTO_TCP || start[6] == IPPROTO_UDP)
        return look_at_transport(start + 40, end, start[6]);
    return start[6] == 58 ? LEAVES : DOUBTED; /* ICMPv6 */
}

static __always_inline bool is_current(const struct gate_state *state, __u32 generation)
{
    if (generation == state->generation)
        return true;
    /* The host may count two at once. */
    return state->generation - generation <= 2 && bpf_ktime_get_ns() - state->changed < JUST_NOW_NS;
}

static __always_inline bool is_permitted(const struct gate_state *state, const struct gate_flow_key *flow,
                                         const struct gate_tuple *tuple, __u32 side)
{
    struct gate_decided *decided = find_decided(flow);
    struct gate_flow_state *stored;

    if (decided && is_current(state, decided->generation) &&
        answer_of(decided, flow, decided->generation, side) == GATE_PERMIT)
        return true;
    stored = bpf_map_lookup_elem(&gate_flows, flow);
    return stored && stored->verdict == GATE_PERMIT && is_current(state, stored->generation) &&
           is_of_source(stored, tuple);
}

/* Not static: see ask_cache. */
__noinline int guard_start(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_state *state;
    struct gate_event *event;
    __u32 zero = 0;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || dead_open)
        return 1;
    if (parse(skb, &tuple, &flow) &&
        is_permitted(state, &flow, &tuple, skb->ifindex == LOOPBACK_INDEX ? GATE_SIDE_LO : GATE_SIDE_OTHER))
        return 1;
    if (!__sync_val_compare_and_swap(&state->guard_told, 0, 1)) {
        event = bpf_ringbuf_reserve(&gate_events, sizeof(*event), 0);
        if (event) {
            event->cookie = GATE_COOKIE_OF_GUARD;
            bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
        }
    }
    return 0;
}

static __always_inline bool is_tcp(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    __u8 start[10];

    if (bpf_skb_load_bytes_relative(skb, 0, start, sizeof(start), BPF_HDR_START_NET))
        return false;
    if (start[0] >> 4 == 4)
        return start[9] == IPPROTO_TCP;
    parse6(skb, &tuple);
    return tuple.protocol == IPPROTO_TCP;
}

/* Of IPv4, the fragment that has the flags of a TCP header whose start is in another one, or says them otherwise. */
static __always_inline bool has_flags_apart(struct __sk_buff *skb)
{
    __u8 start[8];

    return !bpf_skb_load_bytes_relative(skb, 0, start, sizeof(start), BPF_HDR_START_NET) && start[0] >> 4 == 4 &&
           (start[6] & 0x1f) == 0 && start[7] == 1;
}

/* TCP made by hand that the rules did not look at, or cannot? Not static: see ask_cache. */
__noinline int guard_raw(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    struct gate_state *state;
    struct gate_bound *bound;
    struct gate_event *event;
    __u32 zero = 0;
    __u64 cookie;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || !sk)
        return 0;
    sk = bpf_sk_fullsock(sk);
    if (!sk || sk->type != SOCK_RAW || !is_tcp(skb))
        return 0;
    if (has_flags_apart(skb))
        return !dead_open;
    if (!state->raw || state->raw_all)
        return 0;
    cookie = bpf_get_socket_cookie(skb);
    bound = bpf_map_lookup_elem(&gate_bound, &cookie);
    if (!bound || !bound->raw)
        return 0; /* the kernel's own, for resets */
    if (!__sync_val_compare_and_swap(&state->raw_seen, 0, 1)) {
        event = bpf_ringbuf_reserve(&gate_events, sizeof(*event), 0);
        if (event) {
            event->cookie = GATE_COOKIE_OF_RAW;
            bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
        } else {
            state->raw_seen = 0;
        }
    }
    return 1;
}

/* What starts nothing. Lost, not refused: to its program it is on the way, as if it waited. */
static __always_inline int guard_rest(struct __sk_buff *skb)
{
    const struct bpf_sock *sk = skb->sk;

    if (!sk || sk->src_port == 0 || sk->src_port >= PROTOCOLS_MAX)
        return PASSES;
    return guard_raw(skb) ? IS_LOST : PASSES;
}

SEC("cgroup_skb/egress")
int gate_guard(struct __sk_buff *skb)
{
    int what;

    if (bpf_get_netns_cookie(skb) != netns_cookie)
        return 1;
    what = look_at(skb);
    if (what == LEAVES || (what == DOUBTED && !starts_slowly(skb)))
        return guard_rest(skb);
    what = guard_start(skb);
    asm volatile("" : "+r"(what)); /* the verifier does not know what a global function returns, the compiler does */
    return what & 1;
}

#endif
