/* SPDX-License-Identifier: MIT */
/*
 * sockets.bpf.h - fields of the kernel's sockets and packets, read where a program is only given what stands for them;
 * as kernel_types.h. The casts need Linux 6.2.
 */
#ifndef BPF_SOCKETS_BPF_H
#define BPF_SOCKETS_BPF_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>

#define AF_INET6         10
#define SOCK_STREAM      1
#define SOCK_RAW         3
#define SEND_SHUTDOWN    2
#define IPPROTO_ICMP     1
#define IPPROTO_ICMPV6   58
#define TCP_SYN_SENT     2
#define TCP_LISTEN       10
#define TCP_NEW_SYN_RECV 12
#define SOCK_DONE        1 /* enum sock_flags: the peer's data has ended */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    struct net *net;
} possible_net_t;

struct in6_addr_bytes {
    __u8 bytes[16];
};

typedef struct {
    long long counter;
} counter64;

struct sock_common {
    __u32 skc_daddr;
    __u32 skc_rcv_saddr;
    __u16 skc_dport;
    __u16 skc_num;
    __u16 skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr_bytes skc_v6_daddr;
    struct in6_addr_bytes skc_v6_rcv_saddr;
    counter64 skc_cookie;
    unsigned long skc_flags;
};

struct sock {
    struct sock_common __sk_common;
    __u16 sk_type;
    __u16 sk_protocol;
    __u8 sk_shutdown;
};

struct inet_sock {
    __u16 inet_sport;
};

struct socket {
    struct sock *sk;
};

struct net_device {
    int ifindex;
};

struct dst_entry {
    struct net_device *dev;
};

struct sk_buff {
    unsigned long _skb_refdst;
    struct sock *sk;
};

struct tcp_sock {
    __u64 bytes_received;
    __u64 bytes_sent;
    __u64 bytes_retrans;
    __u32 write_seq;
    __u32 snd_nxt;
};

struct bpf_iter_meta;

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

#pragma clang attribute pop

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;
extern void *bpf_rdonly_cast(const void *pointer, __u32 type) __ksym __weak;

#endif
