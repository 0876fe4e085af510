/* SPDX-License-Identifier: MIT */
/*
 * connect.bpf.h - the hooks of connect() and sendmsg(). They write down the owner, in the process that calls.
 */
#ifndef BPF_CONNECT_BPF_H
#define BPF_CONNECT_BPF_H

#include "caller.bpf.h"

static __always_inline int note_owner4(struct bpf_sock_addr *ctx)
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
    return note_owner(&flow);
}

static __always_inline int note_owner6(struct bpf_sock_addr *ctx)
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
    return note_owner(&flow);
}

SEC("cgroup/connect4")
int gate_connect4(struct bpf_sock_addr *ctx)
{
    return note_owner4(ctx);
}

SEC("cgroup/connect6")
int gate_connect6(struct bpf_sock_addr *ctx)
{
    return note_owner6(ctx);
}

SEC("cgroup/sendmsg4")
int gate_sendmsg4(struct bpf_sock_addr *ctx)
{
    return note_owner4(ctx);
}

SEC("cgroup/sendmsg6")
int gate_sendmsg6(struct bpf_sock_addr *ctx)
{
    return note_owner6(ctx);
}

#endif
