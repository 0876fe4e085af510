/* SPDX-License-Identifier: MIT */
/*
 * connect.bpf.h - the hooks of connect() and sendmsg(), in the process that calls.
 *
 * What the verdict cache knows is decided here: a permit is left for the packet, a blocked TCP connect() fails at once.
 * Blocked datagrams are left to the packet rules: what their program sees is the same either way, and connect() of a
 * UDP socket, which sends nothing, is also how programs ask for their own address. For the rest, who calls is written
 * down.
 */
#ifndef BPF_CONNECT_BPF_H
#define BPF_CONNECT_BPF_H

#include "caller.bpf.h"
#include "refused.bpf.h"
#include <linux/errno.h>

struct question {
    __u32 generation;
    bool local;
};

static __always_inline bool can_refuse(void)
{
    return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_set_retval);
}

/* Takes the cache's answer. False: the flow is as undecided as before. *allow: what the hook returns. */
static __always_inline bool take_answer(struct gate_state *state, const struct gate_flow_key *flow,
                                        struct gate_owner_state *owner, const struct question *question, __u32 found,
                                        int *allow)
{
    __u32 verdict = ANSWER_VERDICT(found), side = GATE_SIDE_ANY;
    struct gate_decided *decided;

    if (ANSWER_FIELDS(found) & GATE_LOOKED_LOOPBACK)
        side = question->local ? GATE_SIDE_LO : GATE_SIDE_OTHER;
    if (flow->protocol == IPPROTO_TCP && verdict == GATE_BLOCK && can_refuse() &&
        (state->refuse || side == GATE_SIDE_ANY)) {
        count_hit(state, ANSWER_HITS(found));
        note_refused(flow, &owner->caller, ANSWER_HITS(found));
        bpf_set_retval(-ECONNREFUSED);
        *allow = 0;
        return true;
    }
    decided = find_decided(flow);
    owner->caller.hits = ANSWER_HITS(found);
    if (!decided ||
        !put_decided(decided, flow, question->generation, GATE_ANSWER(flow->ip_version, verdict, side), &owner->caller))
        return false;
    count_hit(state, ANSWER_HITS(found));
    if (flow->protocol == IPPROTO_UDP)
        own_datagrams(flow, owner);
    else
        fetch_decided(flow->cookie + 1);
    return true;
}

/* A datagram's flow that is decided under this generation needs nothing more. */
static __always_inline bool is_decided(const struct gate_flow_key *flow, __u32 generation)
{
    struct gate_decided *decided = find_decided(flow);
    struct gate_flow_state *state;

    if (decided && is_of_flow(decided, flow) && decided->generation == generation)
        return true;
    state = bpf_map_lookup_elem(&gate_flows, flow);
    return state && state->verdict != GATE_UNDECIDED && state->generation == generation;
}

/* The members of gate_cache_key as they lie in memory, first member first. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ADDRESS_WORD(address)                ((__u64)(address))
#define KEY_WORD_USER(uid, gid)              ((__u64)(uid) | (__u64)(gid) << 32)
#define KEY_WORD_REST(port, protocol, local) ((__u64)(port) | (__u64)(protocol) << 16 | (__u64)(local) << 24)
#else
#define ADDRESS_WORD(address)                ((__u64)(address) << 32)
#define KEY_WORD_USER(uid, gid)              ((__u64)(uid) << 32 | (__u64)(gid))
#define KEY_WORD_REST(port, protocol, local) ((__u64)(port) << 48 | (__u64)(protocol) << 40 | (__u64)(local) << 32)
#endif

/* 0: the cache does not know. */
static __always_inline __u32 ask(struct gate_state *state, const struct gate_flow_key *flow, struct gate_caller *caller,
                                 const struct question *question)
{
    const __u64 *address = (const void *)flow->remote_address;
    __u32 family = flow->ip_version == 6;
    __u64 words[GATE_KEY_WORDS]; /* a gate_cache_key, written in whole words: it is read in whole words at once */

    if (!has_address(flow) || state->masks[family].generation != question->generation)
        return 0;
    if (state->masks[family].fields & GATE_LOOKED_USER)
        note_groups(caller);
    words[0] = caller->program[0];
    words[1] = caller->program[1];
    words[2] = caller->cgroup;
    words[3] = caller->groups;
    words[4] = KEY_WORD_USER(caller->uid, caller->gid);
    words[5] = address[0];
    words[6] = address[1];
    words[7] = KEY_WORD_REST(flow->remote_port, flow->protocol, question->local);
    return ask_cache((const void *)words, family, question->generation);
}

static __always_inline int decide(struct gate_flow_key *flow, bool sends)
{
    struct gate_owner_state owner = {.cookie = flow->cookie};
    struct question question = {};
    struct gate_state *state;
    __u32 found, zero = 0;
    int allow = 1;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP))
        return 1;
    question.generation = *(volatile __u32 *)&state->generation;
    if (sends && is_decided(flow, question.generation))
        return 1;
    fetch_decided(flow->cookie); /* in case that this is the first of a burst */
    if (!identify_caller(&owner.caller))
        return 1;
    question.local = is_local(state, flow);
    found = ask(state, flow, &owner.caller, &question);
    if (found && take_answer(state, flow, &owner, &question, found, &allow))
        return allow;
    owner.caller.hits = 0;
    if (!owner.caller.groups)
        note_groups(&owner.caller);
    bpf_get_current_comm(owner.caller.comm, sizeof(owner.caller.comm));
    drop_decided(flow);
    if (flow->protocol == IPPROTO_UDP) {
        own_datagrams(flow, &owner);
        return 1;
    }
    own_stream(flow, &owner);
    return 1;
}

static __always_inline int decide4(struct bpf_sock_addr *ctx, bool sends)
{
    struct gate_flow_key flow = {.ip_version = 4};

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    *(__u64 *)flow.remote_address = ADDRESS_WORD(ctx->user_ip4);
    flow.cookie = bpf_get_socket_cookie(ctx);
    flow.remote_port = ctx->user_port;
    flow.protocol = ctx->protocol;
    return decide(&flow, sends);
}

static __always_inline int decide6(struct bpf_sock_addr *ctx, bool sends)
{
    struct gate_flow_key flow = {.ip_version = 6};
    __u32 words[4];

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    words[0] = ctx->user_ip6[0];
    words[1] = ctx->user_ip6[1];
    words[2] = ctx->user_ip6[2];
    words[3] = ctx->user_ip6[3];
    if (words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff)) {
        flow.ip_version = 4;
        *(__u64 *)flow.remote_address = ADDRESS_WORD(words[3]);
    } else {
        __builtin_memcpy(flow.remote_address, words, sizeof(words));
    }
    flow.cookie = bpf_get_socket_cookie(ctx);
    flow.remote_port = ctx->user_port;
    flow.protocol = ctx->protocol;
    return decide(&flow, sends);
}

SEC("cgroup/connect4")
int gate_connect4(struct bpf_sock_addr *ctx)
{
    return decide4(ctx, false);
}

SEC("cgroup/connect6")
int gate_connect6(struct bpf_sock_addr *ctx)
{
    return decide6(ctx, false);
}

SEC("cgroup/sendmsg4")
int gate_sendmsg4(struct bpf_sock_addr *ctx)
{
    return decide4(ctx, true);
}

SEC("cgroup/sendmsg6")
int gate_sendmsg6(struct bpf_sock_addr *ctx)
{
    return decide6(ctx, true);
}

#endif
