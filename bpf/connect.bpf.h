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
#include <linux/errno.h>

struct question {
    __u32 generation;
    bool local;
};

static __always_inline void keep_socket(struct bpf_sock_addr *ctx, const struct gate_owner_state *owner, bool known)
{
    struct gate_socket *kept = bpf_sk_storage_get(&gate_sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

    if (!kept)
        return;
    kept->cookie = owner->cookie;
    kept->known = known;
    kept->caller = owner->caller;
}

static __always_inline bool can_refuse(void)
{
    return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_set_retval);
}

/* Takes the cache's answer. False: the flow is as undecided as before. *allow: what the hook returns. */
static __always_inline bool take_answer(struct bpf_sock_addr *ctx, struct gate_state *state,
                                        const struct gate_flow_key *flow, struct gate_owner_state *owner,
                                        const struct question *question, __u32 found, int *allow)
{
    __u32 verdict = ANSWER_VERDICT(found), side = GATE_SIDE_ANY;
    struct gate_decided *decided;

    if (ANSWER_FIELDS(found) & GATE_LOOKED_LOOPBACK)
        side = question->local ? GATE_SIDE_LO : GATE_SIDE_OTHER;
    if (flow->protocol == IPPROTO_TCP && verdict == GATE_BLOCK && can_refuse() &&
        (state->refuse || side == GATE_SIDE_ANY)) {
        count_hit(ANSWER_HITS(found));
        bpf_set_retval(-ECONNREFUSED);
        *allow = 0;
        return true;
    }
    decided = find_decided(flow);
    if (!decided ||
        !put_decided(decided, flow, question->generation, GATE_ANSWER(flow->ip_version, verdict, side), &owner->caller))
        return false;
    count_hit(ANSWER_HITS(found));
    if (flow->protocol == IPPROTO_TCP)
        keep_socket(ctx, owner, false);
    else
        own_datagrams(flow, owner);
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

/* 0: the cache does not know. */
static __always_inline __u32 ask(struct gate_state *state, const struct gate_flow_key *flow, struct gate_caller *caller,
                                 const struct question *question)
{
    __u32 family = flow->ip_version == 6;
    struct gate_cache_key key = {.program = {caller->program[0], caller->program[1]},
                                 .cgroup = caller->cgroup,
                                 .uid = caller->uid,
                                 .gid = caller->gid,
                                 .remote_port = flow->remote_port,
                                 .protocol = flow->protocol,
                                 .loopback = question->local};

    if (!has_address(flow) || state->masks[family].generation != question->generation)
        return 0;
    if (state->masks[family].fields & GATE_LOOKED_USER)
        note_groups(caller);
    key.groups = caller->groups;
    __builtin_memcpy(key.remote_address, flow->remote_address, sizeof(key.remote_address));
    return ask_cache(&key, family, question->generation);
}

static __always_inline int decide(struct bpf_sock_addr *ctx, struct gate_flow_key *flow, bool sends)
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
    if (!identify_caller(&owner.caller))
        return 1;
    question.local = is_local(state, flow);
    found = ask(state, flow, &owner.caller, &question);
    if (found && take_answer(ctx, state, flow, &owner, &question, found, &allow))
        return allow;
    if (!owner.caller.groups)
        note_groups(&owner.caller);
    bpf_get_current_comm(owner.caller.comm, sizeof(owner.caller.comm));
    drop_decided(flow);
    if (flow->protocol == IPPROTO_UDP) {
        own_datagrams(flow, &owner);
        return 1;
    }
    own_stream(flow, &owner);
    keep_socket(ctx, &owner, true);
    return 1;
}

static __always_inline int decide4(struct bpf_sock_addr *ctx, bool sends)
{
    struct gate_flow_key flow = {.ip_version = 4};
    __u32 address;

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    address = ctx->user_ip4;
    __builtin_memcpy(flow.remote_address, &address, sizeof(address));
    flow.cookie = bpf_get_socket_cookie(ctx);
    flow.remote_port = ctx->user_port;
    flow.protocol = ctx->protocol;
    return decide(ctx, &flow, sends);
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
        __builtin_memcpy(flow.remote_address, &words[3], sizeof(words[3]));
    } else {
        __builtin_memcpy(flow.remote_address, words, sizeof(words));
    }
    flow.cookie = bpf_get_socket_cookie(ctx);
    flow.remote_port = ctx->user_port;
    flow.protocol = ctx->protocol;
    return decide(ctx, &flow, sends);
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
