/* SPDX-License-Identifier: MIT */
/*
 * rules.bpf.h - the programs that the packet rules call: xt_gate, xt_pend and xt_rest.
 *
 * Where the kernel lets them see its own structures they know the device themselves, and one rule calls each. Elsewhere
 * there is one of each for lo and one for all other devices, chosen by the rule; host/gate_bpf.c loads what works.
 */
#ifndef BPF_RULES_BPF_H
#define BPF_RULES_BPF_H

#include "accepts.bpf.h"
#include "decided.bpf.h"
#include "packet.bpf.h"
#include "refused.bpf.h"
#include "sockets.bpf.h"

static __always_inline bool is_of_source(const struct gate_flow_state *state, const struct gate_tuple *tuple)
{
    const __u64 *address = (const __u64 *)(const void *)tuple->local_address;

    return !state->by_source || (state->source[0] == address[0] && state->source[1] == address[1]);
}

/* What counts now; an older generation's verdict does not, nor that of a datagram from another address if it mattered.
 */
static __always_inline __u32 verdict_of(const struct gate_flow_state *state, const struct gate_tuple *tuple)
{
    return state && state->verdict != GATE_UNDECIDED && state->generation == current_generation() &&
                   is_of_source(state, tuple)
               ? state->verdict
               : GATE_UNDECIDED;
}

/* The decision the host has in hand, if it is this flow's: stores it. Once only: a connect() after that is a new one.
 */
static __always_inline __u32 take_from_hand(const struct gate_flow_key *flow, const struct gate_tuple *tuple)
{
    const __u64 *wanted = (const void *)flow, *held;
    struct gate_flow_state decision;
    struct gate_state *state;
    struct gate_hand *hand;
    __u64 sequence;
    __u32 zero = 0;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state)
        return GATE_UNDECIDED;
    hand = &state->hand;
    held = (const void *)&hand->flow;
    if (*(volatile __u64 *)held != wanted[0])
        return GATE_UNDECIDED;
    sequence = __sync_fetch_and_add(&hand->sequence, 0); /* a full barrier, as below */
    if ((sequence & 1) || held[0] != wanted[0] || held[1] != wanted[1] || held[2] != wanted[2] || held[3] != wanted[3])
        return GATE_UNDECIDED;
    decision = hand->decision;
    if (__sync_fetch_and_add(&hand->sequence, 0) != sequence || decision.verdict == GATE_UNDECIDED ||
        !is_of_source(&decision, tuple))
        return GATE_UNDECIDED;
    if (__sync_lock_test_and_set(&hand->taken, sequence) == sequence)
        return GATE_UNDECIDED;
    if (bpf_map_update_elem(&gate_flows, flow, &decision, BPF_ANY))
        hand->taken = 0;
    return decision.generation == state->generation ? decision.verdict : GATE_UNDECIDED;
}

/* A SYN that nobody answered for in time: only after nobody served the queue, since a held one is not sent again. */
static __always_inline bool out_of_time(const struct gate_flow_key *flow, const struct gate_flow_state *state)
{
    return flow->protocol == IPPROTO_TCP && state && state->verdict == GATE_UNDECIDED &&
           bpf_ktime_get_ns() - state->since > undecided_limit_ns;
}

static __always_inline bool is_extension(__u8 protocol)
{
    return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60;
}

/*
 * Does a packet of an unusual form start something: an initial SYN, a datagram? What cannot be read to its end does, if
 * it may be one of those: the host drops it.
 */
static __always_inline bool starts_slowly(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    __u8 start[10], flags;
    int offset;

    if (bpf_skb_load_bytes_relative(skb, 0, start, sizeof(start), BPF_HDR_START_NET))
        return false;
    if (start[0] >> 4 == 4) {
        tuple.protocol = start[9];
        offset = (start[0] & 15) * 4;
        if (tuple.protocol == IPPROTO_TCP && ((start[6] & 0x1f) || start[7]))
            return false; /* not the first fragment */
    } else {
        offset = parse6(skb, &tuple);
        if (offset < 0)
            return tuple.protocol == IPPROTO_UDP || tuple.protocol == IPPROTO_TCP || is_extension(tuple.protocol);
    }
    if (tuple.protocol != IPPROTO_TCP)
        return tuple.protocol == IPPROTO_UDP;
    return bpf_skb_load_bytes_relative(skb, offset + 13, &flags, 1, BPF_HDR_START_NET) || gate_is_start(flags);
}

/* The start of the packet, in words: IPv4 and the first 16 bytes behind it. */
#define START_WORDS 9

/* Most packets are TCP on IPv4 and start nothing. *usual: it has neither options nor fragments. */
static __always_inline bool starts_something(struct __sk_buff *skb, __u32 words[START_WORDS], bool *usual)
{
    const __u8 *bytes = (const void *)words;

    *usual = !bpf_skb_load_bytes_relative(skb, 0, words, START_WORDS * 4, BPF_HDR_START_NET) && bytes[0] == 0x45 &&
             !(bytes[6] & 0x1f) && !bytes[7];
    if (!*usual)
        return starts_slowly(skb);
    return bytes[9] == IPPROTO_TCP ? gate_is_start(bytes[33]) : bytes[9] == IPPROTO_UDP;
}

/* On which side of lo does it leave? As the rules' own match for the device would see it. */
static __always_inline __u32 side_of(struct __sk_buff *skb)
{
    const struct sk_buff *packet = bpf_cast_to_kern_ctx(skb);
    const struct dst_entry *route =
        bpf_rdonly_cast((void *)(packet->_skb_refdst & ~1ul), bpf_core_type_id_kernel(struct dst_entry));

    return route->dev->ifindex == LOOPBACK_INDEX ? GATE_SIDE_LO : GATE_SIDE_OTHER;
}

/* A raw socket has its protocol in place of a port. */
#define PROTOCOLS_MAX 512

/* True also for others' sockets at ports as low as that, where nobody can look closer. */
static __always_inline bool may_be_raw(struct __sk_buff *skb, bool deep)
{
    const struct bpf_sock *sk = skb->sk;
    const struct sk_buff *packet;
    const struct sock *owner;

    if (!sk || sk->src_port == 0 || sk->src_port >= PROTOCOLS_MAX)
        return false;
    if (!deep)
        return true;
    packet = bpf_cast_to_kern_ctx(skb);
    owner = bpf_rdonly_cast(packet->sk, bpf_core_type_id_kernel(struct sock));
    return owner->__sk_common.skc_state != TCP_NEW_SYN_RECV && owner->sk_type == SOCK_RAW;
}

/* Is it of a transport that is looked at as what raw sockets send? Not static: see ask_cache. */
__noinline int is_of_other(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    __u8 start[10];

    if (bpf_skb_load_bytes_relative(skb, 0, start, sizeof(start), BPF_HDR_START_NET))
        return 0;
    if (start[0] >> 4 == 4)
        return gate_is_other(start[9]);
    parse6(skb, &tuple);
    return gate_is_other(tuple.protocol);
}

/* Must it meet the other rules? side: of lo, where the packet leaves. */
static __always_inline int gate(struct __sk_buff *skb, bool deep, __u32 side)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_flow_state *stored;
    struct gate_state *state;
    __u32 words[START_WORDS], verdict, zero = 0;
    bool usual;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state)
        return 1;
    if (!starts_something(skb, words, &usual))
        return state->raw &&
               (may_be_raw(skb, deep) || (!(usual && ((__u8 *)words)[9] == IPPROTO_TCP) && is_of_other(skb)));
    if (usual)
        take_plain(words, &tuple);
    else if (!parse_slowly(skb, &tuple))
        return 1;
    flow_of(skb, &tuple, &flow);
    if (deep)
        side = side_of(skb);
    verdict = answer_of(find_decided(&flow), &flow, state->generation, side);
    stored = verdict == GATE_UNDECIDED ? bpf_map_lookup_elem(&gate_flows, &flow) : NULL;
    if (verdict == GATE_UNDECIDED)
        verdict = verdict_of(stored, &tuple);
    if (verdict == GATE_UNDECIDED)
        verdict = take_from_hand(&flow, &tuple);
    if (verdict == GATE_PERMIT && flow.protocol == IPPROTO_UDP)
        note_reply(&tuple);
    if (verdict == GATE_UNDECIDED && dead_open && out_of_time(&flow, stored))
        return 0;
    return verdict != GATE_PERMIT;
}

SEC("socket")
int xt_gate(struct __sk_buff *skb)
{
    return gate(skb, true, GATE_SIDE_ANY);
}

SEC("socket")
int xt_gate_other(struct __sk_buff *skb)
{
    return gate(skb, false, GATE_SIDE_OTHER);
}

SEC("socket")
int xt_gate_lo(struct __sk_buff *skb)
{
    return gate(skb, false, GATE_SIDE_LO);
}

/* With a stack of its own. */
static __noinline bool starts_nothing(struct __sk_buff *skb)
{
    __u32 words[START_WORDS];
    bool usual;

    return !starts_something(skb, words, &usual);
}

/* What came here and starts nothing is of a raw socket. */
SEC("socket")
int xt_rest(struct __sk_buff *skb)
{
    return starts_nothing(skb);
}

/*
 * A socket that the cache knew and that waits all the same: a new policy, or another destination than its program
 * named. Its owner is written down late, so that its release is told.
 */
static __noinline bool own_late(const struct gate_flow_key *flow, const struct gate_tuple *tuple,
                                struct gate_pended *pended)
{
    struct gate_decided *decided = find_decided(flow);
    struct gate_owner_state owner = {.cookie = flow->cookie, .pended = 1};
    struct gate_flow_key own = {.cookie = flow->cookie};

    struct gate_caller *spilled;

    if (decided && *(volatile __u64 *)&decided->cookie == flow->cookie) {
        owner.caller = decided->caller;
        pended->stale = is_of_flow(decided, flow);
        if (*(volatile __u64 *)&decided->cookie != flow->cookie)
            return false;
    } else {
        spilled = bpf_map_lookup_elem(&gate_spilled, &flow->cookie);
        if (!spilled)
            return false;
        owner.caller = *spilled;
    }
    owner.last = *tuple;
    pended->caller = owner.caller;
    bpf_map_update_elem(&gate_owners, &own, &owner, BPF_ANY);
    return true;
}

/* Notes on the socket's own entry that it waits, so that its release is told. Leaves its owner, if known, in pended. */
static __always_inline void find_owner(const struct gate_flow_key *flow, const struct gate_tuple *tuple, bool first,
                                       struct gate_pended *pended)
{
    struct gate_flow_key key = {.cookie = flow->cookie};
    struct gate_owner_state *own = bpf_map_lookup_elem(&gate_owners, &key);
    struct gate_owner_state *owner = own;

    if (own && first) {
        __sync_fetch_and_add(&own->pended, 1);
        own->last = *tuple;
    }
    if (flow->protocol == IPPROTO_UDP) {
        owner = bpf_map_lookup_elem(&gate_owners, flow);
        if (!owner && own && !(own->caller.flags & GATE_CALLER_SEVERAL))
            owner = own;
    }
    if (!owner && flow->protocol == IPPROTO_TCP && own_late(flow, tuple, pended))
        return;
    if (!owner)
        return;
    pended->caller = owner->caller;
    if (*(volatile __u64 *)&owner->cookie != flow->cookie)
        __builtin_memset(&pended->caller, 0, sizeof(pended->caller));
}

/* A record that nobody took out for so long is of a packet that is gone. */
#define SLOT_OLD_NS 2000000000ull

static __always_inline bool same_tuple(const struct gate_tuple *a, const struct gate_tuple *b)
{
    const __u64 *left = (const void *)a, *right = (const void *)b;

    return left[0] == right[0] && left[1] == right[1] && left[2] == right[2] && left[3] == right[3] &&
           left[4] == right[4];
}

static __always_inline struct gate_slot *find_slot(const struct gate_tuple *tuple)
{
    __u32 number = gate_slot_of(tuple);

    return bpf_map_lookup_elem(&gate_slots, &number);
}

/* False: the slot is another's. */
static __always_inline bool fill_slot(const struct gate_tuple *tuple, const struct gate_pended *pended, __u64 now)
{
    struct gate_slot *slot = find_slot(tuple);
    __u64 turn, next;

    if (!slot)
        return false;
    turn = *(volatile __u64 *)&slot->turn;
    if ((turn & GATE_SLOT_BITS) == GATE_SLOT_TAKEN)
        return false;
    if ((turn & GATE_SLOT_BITS) == GATE_SLOT_FULL && now - slot->since < SLOT_OLD_NS &&
        !same_tuple(&slot->tuple, tuple))
        return false;
    next = (turn & ~(__u64)GATE_SLOT_BITS) + GATE_SLOT_BITS + 1;
    if (__sync_val_compare_and_swap(&slot->turn, turn, next | GATE_SLOT_TAKEN) != turn)
        return false;
    slot->since = now;
    slot->tuple = *tuple;
    slot->pended = *pended;
    __sync_lock_test_and_set(&slot->turn, next | GATE_SLOT_FULL);
    return true;
}

/* What the cache blocked and the hook did not: told when its first packet comes, for connect() alone sends nothing. */
static __always_inline void tell_blocked(const struct gate_flow_key *flow, struct gate_decided *decided,
                                         struct gate_caller *caller)
{
    *caller = decided->caller;
    if (caller->hits & GATE_HITS_TOLD || *(volatile __u64 *)&decided->cookie != flow->cookie)
        return;
    decided->caller.hits = caller->hits | GATE_HITS_TOLD;
    note_refused(flow, caller, caller->hits);
}

static __always_inline int pend(struct __sk_buff *skb, bool deep, __u32 side)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_pended pended = {};
    struct gate_flow_state *state;
    struct gate_decided *decided;
    __u64 now;
    bool first;

    if (starts_nothing(skb))
        return 0;
    if (!parse(skb, &tuple, &flow))
        return 1;
    if (deep)
        side = side_of(skb);
    state = bpf_map_lookup_elem(&gate_flows, &flow);
    decided = find_decided(&flow);
    if (verdict_of(state, &tuple) == GATE_BLOCK ||
        answer_of(decided, &flow, current_generation(), side) == GATE_BLOCK) {
        if (decided && verdict_of(state, &tuple) != GATE_BLOCK)
            tell_blocked(&flow, decided, &pended.caller); /* the stack has no room for another */
        if (flow.protocol == IPPROTO_UDP)
            count(GATE_COUNTER_DATAGRAMS_BLOCKED);
        return 0;
    }
    if (!dead_open && out_of_time(&flow, state))
        return 0;
    now = bpf_ktime_get_ns();
    first = !state;
    if (first) {
        struct gate_flow_state seen = {.since = now};

        bpf_map_update_elem(&gate_flows, &flow, &seen, BPF_NOEXIST);
    } else {
        pended.stale = state->verdict != GATE_UNDECIDED && state->generation != current_generation();
    }
    pended.cookie = flow.cookie;
    pended.local_port = tuple.local_port;
    pended.remote_port = tuple.remote_port;
    find_owner(&flow, &tuple, first, &pended);
    if (flow.protocol != IPPROTO_TCP || !fill_slot(&tuple, &pended, now))
        bpf_map_update_elem(&gate_waiting, &tuple, &pended, BPF_ANY);
    return 1;
}

SEC("socket")
int xt_pend(struct __sk_buff *skb)
{
    return pend(skb, true, GATE_SIDE_ANY);
}

SEC("socket")
int xt_pend_other(struct __sk_buff *skb)
{
    return pend(skb, false, GATE_SIDE_OTHER);
}

SEC("socket")
int xt_pend_lo(struct __sk_buff *skb)
{
    return pend(skb, false, GATE_SIDE_LO);
}

#endif
