/* SPDX-License-Identifier: MIT */
/*
 * names.bpf.c - copies what name servers answer, with who asked. An object of its own, attached only while somebody
 * wants to know names; it shares the gate's map of owners.
 *
 * The program runs before a datagram is put where its socket's program can read it: so an answer is in the ring before
 * its program knows an address to connect to. It sees everything that arrives at a socket of this machine: what is no
 * UDP from port 53 leaves after a few loads and comparisons. It never drops anything.
 *
 * Port 53 behind IPv6 extension headers, and answers over TCP, are not seen.
 */
#include <stdbool.h>
#include "kernel_types.h"
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gate_names.h"
#include "owners.bpf.h"

#define IPPROTO_UDP 17
#define DNS_PORT    53
#define UDP_HEADER  8

/* Set by the host before loading. */
const volatile __u64 netns_cookie = 0;

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, GATE_NAMES_SIZE);
} gate_names SEC(".maps");

/* Answers that did not fit. */
__u64 names_lost = 0;

/* False: nobody asked that server on this socket. So an answer in its name is of use to nobody else. An entry can be
 * recycled while it is copied: the cookie in it says so. */
static __always_inline bool copy_caller(const struct gate_flow_key *flow, struct gate_caller *caller)
{
    struct gate_owner_state *owner = bpf_map_lookup_elem(&gate_owners, flow);

    if (!owner)
        return false;
    *caller = owner->caller;
    return owner->cookie == flow->cookie;
}

static __always_inline void copy_answer(struct __sk_buff *skb, const struct gate_flow_key *flow, __u32 offset)
{
    __u32 size = skb->len - offset;
    struct gate_dns *dns;

    if (skb->len < offset + GATE_DNS_HEADER)
        return;
    if (size > GATE_DNS_MAX)
        size = GATE_DNS_MAX;
    dns = bpf_ringbuf_reserve(&gate_names, sizeof(*dns), 0);
    if (!dns) {
        __sync_fetch_and_add(&names_lost, 1);
        return;
    }
    asm volatile("" : "+r"(size)); /* else the compiler drops the mask, which the verifier needs */
    size &= GATE_DNS_ROOM - 1;
    if (size < GATE_DNS_HEADER || !copy_caller(flow, &dns->caller) ||
        bpf_skb_load_bytes(skb, offset, dns->message, size)) {
        bpf_ringbuf_discard(dns, BPF_RB_NO_WAKEUP);
        return;
    }
    __builtin_memcpy(dns->server_address, flow->remote_address, sizeof(dns->server_address));
    dns->size = size;
    dns->ip_version = flow->ip_version;
    __builtin_memset(dns->zero, 0, sizeof(dns->zero));
    /* The host looks before each packet; it is woken only so that there is always room. */
    bpf_ringbuf_submit(dns, bpf_ringbuf_query(&gate_names, BPF_RB_AVAIL_DATA) > GATE_NAMES_SIZE / 4
                                ? BPF_RB_FORCE_WAKEUP
                                : BPF_RB_NO_WAKEUP);
}

/* A datagram from port 53. */
static __noinline int take_answer(struct __sk_buff *skb)
{
    const __u8 *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    struct gate_flow_key flow = {.remote_port = bpf_htons(DNS_PORT), .protocol = IPPROTO_UDP};
    __u32 offset;

    if (bpf_get_netns_cookie(skb) != netns_cookie)
        return 1;
    if (start + 40 <= end && start[0] >> 4 == 6) {
        flow.ip_version = 6;
        __builtin_memcpy(flow.remote_address, start + 8, 16);
        offset = 40 + UDP_HEADER;
    } else {
        if (start + 20 > end)
            return 1;
        flow.ip_version = 4;
        __builtin_memcpy(flow.remote_address, start + 12, 4);
        offset = (start[0] & 15) * 4 + UDP_HEADER;
    }
    flow.cookie = bpf_get_socket_cookie(skb);
    copy_answer(skb, &flow, offset);
    return 1;
}

static __always_inline bool is_dns_port(const __u8 *port)
{
    return port[0] == DNS_PORT >> 8 && port[1] == (DNS_PORT & 255);
}

SEC("cgroup_skb/ingress")
int gate_dns_answers(struct __sk_buff *skb)
{
    const __u8 *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

    if (start + 28 > end)
        return 1;
    if (start[0] == 0x45) {
        if (start[9] == IPPROTO_UDP && is_dns_port(start + 20))
            take_answer(skb);
        return 1;
    }
    if (start[0] >> 4 == 6) {
        if (start[6] == IPPROTO_UDP && start + 42 <= end && is_dns_port(start + 40))
            take_answer(skb);
        return 1;
    }
    if (start[9] == IPPROTO_UDP) { /* with options */
        const __u8 *port = start + (start[0] & 15) * 4;

        if (port + 2 <= end && is_dns_port(port))
            take_answer(skb);
    }
    return 1;
}

char names_license[] SEC("license") = "Dual MIT/GPL";
