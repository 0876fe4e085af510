/* SPDX-License-Identifier: MIT */
/*
 * decided.bpf.h - what the verdict cache said, from the hook that asked it to the packet.
 *
 * An array and not a hash: a connect() that is already decided is to cost next to nothing. Who loses his place to
 * another socket is undecided again; his packet is queued, as if the cache had never known him.
 *
 * Which device a packet takes is not known in the hook. The answer says on which side of lo it counts, and the packet,
 * which knows, takes it on that side only.
 */
#ifndef BPF_DECIDED_BPF_H
#define BPF_DECIDED_BPF_H

#include "maps.bpf.h"

/* A TCP socket has one destination, and its entry is found when that was rewritten on the way, too. */
static __always_inline struct gate_decided *find_decided(const struct gate_flow_key *flow)
{
    const __u64 *words = (const void *)flow->remote_address;
    __u32 place = flow->cookie & (GATE_DECIDED - 1);

    if (flow->protocol != IPPROTO_TCP)
        place = ((flow->cookie ^ words[0] * 0x9e3779b97f4a7c15ull ^ words[1] * 0xff51afd7ed558ccdull ^
                  flow->remote_port * 0xc4ceb9fe1a85ec53ull) *
                     0x9e3779b97f4a7c15ull >>
                 40) &
                (GATE_DECIDED - 1);
    return bpf_map_lookup_elem(&gate_decided, &place);
}

/*
 * Its memory is seldom in the processor's cache: that of the processor's next socket, whose cookie is the next number,
 * comes while this one connects.
 */
static __always_inline void fetch_decided(__u64 cookie)
{
    __u32 place = cookie & (GATE_DECIDED - 1);
    const struct gate_decided *decided = bpf_map_lookup_elem(&gate_decided, &place);

    if (decided) {
        (void)*(const volatile __u64 *)&decided->cookie;
        (void)*(const volatile __u64 *)&decided->caller.groups;
    }
}

/* Is it this flow's, of whichever generation? */
static __always_inline bool is_of_flow(const struct gate_decided *decided, const struct gate_flow_key *flow)
{
    const __u64 *here = (const void *)decided->remote_address, *there = (const void *)flow->remote_address;

    return *(volatile __u64 *)&decided->cookie == flow->cookie && here[0] == there[0] && here[1] == there[1] &&
           decided->remote_port == flow->remote_port && decided->protocol == flow->protocol &&
           GATE_ANSWER_VERSION(decided->answer) == flow->ip_version;
}

/* The verdict that counts now, for a packet on this side. */
static __always_inline __u32 answer_of(const struct gate_decided *decided, const struct gate_flow_key *flow,
                                       __u32 generation, __u32 side)
{
    __u8 answer;

    if (!decided || !is_of_flow(decided, flow) || decided->generation != generation)
        return GATE_UNDECIDED;
    answer = decided->answer;
    if (GATE_ANSWER_SIDE(answer) != GATE_SIDE_ANY && GATE_ANSWER_SIDE(answer) != side)
        return GATE_UNDECIDED;
    if (*(volatile __u64 *)&decided->cookie != flow->cookie)
        return GATE_UNDECIDED;
    return GATE_ANSWER_VERDICT(answer);
}

/* False when somebody else writes there just now: then the flow is not decided here. */
static __always_inline bool put_decided(struct gate_decided *decided, const struct gate_flow_key *flow,
                                        __u32 generation, __u8 answer, const struct gate_caller *caller)
{
    __u64 before = __sync_lock_test_and_set(&decided->cookie, GATE_COOKIE_BUSY);

    if (before == GATE_COOKIE_BUSY)
        return false;
    if (before && before != flow->cookie && decided->protocol == IPPROTO_TCP)
        bpf_map_update_elem(&gate_spilled, &before, &decided->caller, BPF_ANY);
    __builtin_memcpy(decided->remote_address, flow->remote_address, sizeof(decided->remote_address));
    decided->remote_port = flow->remote_port;
    decided->protocol = flow->protocol;
    decided->answer = answer;
    decided->generation = generation;
    decided->caller = *caller;
    __sync_lock_test_and_set(&decided->cookie, flow->cookie);
    return true;
}

/* The cache does not know the flow any more: what it said before does not count for a new connect(). */
static __always_inline void drop_decided(const struct gate_flow_key *flow)
{
    struct gate_decided *decided = find_decided(flow);

    if (decided && decided->cookie == flow->cookie)
        __sync_val_compare_and_swap(&decided->cookie, flow->cookie, 0);
}

/* In place of the address when the socket is closed: the cookie it had, and this. */
#define DECIDED_OVER (~0ull)

/* The socket is closed. Who had it stays until somebody else takes the place: its connection ends later. */
static __always_inline void end_decided(__u64 cookie)
{
    struct gate_flow_key flow = {.cookie = cookie, .protocol = IPPROTO_TCP};
    struct gate_decided *decided = find_decided(&flow);

    if (decided && decided->cookie == cookie &&
        __sync_val_compare_and_swap(&decided->cookie, cookie, GATE_COOKIE_BUSY) == cookie) {
        ((__u64 *)decided->remote_address)[0] = cookie;
        ((__u64 *)decided->remote_address)[1] = DECIDED_OVER;
        __sync_lock_test_and_set(&decided->cookie, 0);
    } else if (bpf_map_lookup_elem(&gate_spilled, &cookie))
        bpf_map_delete_elem(&gate_spilled, &cookie);
}

static __always_inline bool had_socket(const struct gate_decided *decided, __u64 cookie)
{
    const volatile __u64 *words = (const volatile void *)decided->remote_address;
    __u64 now = *(volatile __u64 *)&decided->cookie;

    return now == cookie || (now == 0 && words[0] == cookie && words[1] == DECIDED_OVER);
}

/* Whose the TCP socket is or was, as far as that is still known. */
static __always_inline void find_past_caller(__u64 cookie, struct gate_caller *caller)
{
    struct gate_flow_key flow = {.cookie = cookie, .protocol = IPPROTO_TCP};
    struct gate_decided *decided = cookie ? find_decided(&flow) : NULL;

    if (!decided || !had_socket(decided, cookie))
        return;
    *caller = decided->caller;
    if (!had_socket(decided, cookie))
        __builtin_memset(caller, 0, sizeof(*caller));
}

#endif
