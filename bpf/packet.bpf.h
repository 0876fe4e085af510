/* SPDX-License-Identifier: MIT */
/*
 * packet.bpf.h - from a packet to its tuple and flow key.
 */
#ifndef BPF_PACKET_BPF_H
#define BPF_PACKET_BPF_H

#include "maps.bpf.h"

struct ipv6_start {
    __u32 word;
    __u16 length;
    __u8 next;
    __u8 hops;
    __u8 source[16];
    __u8 destination[16];
};

/* Offset of the transport header, or negative. Must agree with host/packet.c in every case. */
static __always_inline int skip_extensions(struct __sk_buff *skb, __u8 *next)
{
    __u32 offset = sizeof(struct ipv6_start);
    __u8 head[8];
    int i;

    for (i = 0; i <= GATE_EXTENSIONS_MAX; i++) {
        if (offset > GATE_HEADERS_MAX)
            return -1;
        if (*next == IPPROTO_TCP || *next == IPPROTO_UDP)
            return offset;
        if (bpf_skb_load_bytes_relative(skb, offset, head, sizeof(head), BPF_HDR_START_NET))
            return -1;
        switch (*next) {
        case 0:  /* hop by hop */
        case 43: /* routing */
        case 60: /* destination */
            offset += (head[1] + 1) * 8;
            break;
        case 44: /* fragment: only the first has ports */
            if (head[2] || (head[3] & 0xf8))
                return -1;
            offset += 8;
            break;
        case 51: /* authentication */
            offset += (head[1] + 2) * 4;
            break;
        default:
            return -1;
        }
        *next = head[0];
    }
    return -1;
}

static __always_inline bool is_mapped(const __u8 address[16])
{
    const __u32 *words = (const void *)address;

    return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

static __always_inline int parse6(struct __sk_buff *skb, struct gate_tuple *tuple)
{
    struct ipv6_start header;

    if (bpf_skb_load_bytes_relative(skb, 0, &header, sizeof(header), BPF_HDR_START_NET))
        return -1;
    tuple->protocol = header.next;
    if (is_mapped(header.destination)) {
        tuple->ip_version = 4;
        __builtin_memcpy(tuple->local_address, header.source + 12, 4);
        __builtin_memcpy(tuple->remote_address, header.destination + 12, 4);
    } else {
        tuple->ip_version = 6;
        __builtin_memcpy(tuple->local_address, header.source, 16);
        __builtin_memcpy(tuple->remote_address, header.destination, 16);
    }
    return skip_extensions(skb, &tuple->protocol);
}

static __always_inline int parse4(struct __sk_buff *skb, struct gate_tuple *tuple)
{
    __u8 header[20];

    if (bpf_skb_load_bytes_relative(skb, 0, header, sizeof(header), BPF_HDR_START_NET))
        return -1;
    if ((header[6] & 0x1f) || header[7] || (header[0] & 15) < 5)
        return -1;
    tuple->ip_version = 4;
    tuple->protocol = header[9];
    __builtin_memcpy(tuple->local_address, header + 12, 4);
    __builtin_memcpy(tuple->remote_address, header + 16, 4);
    return (header[0] & 15) * 4;
}

/* Of the first 24 bytes of IPv4 without options or fragments, TCP or UDP. */
static __always_inline void take_plain(const __u32 *words, struct gate_tuple *tuple)
{
    const __u8 *bytes = (const void *)words;

    tuple->ip_version = 4;
    tuple->protocol = bytes[9];
    *(__u32 *)tuple->local_address = words[3];
    *(__u32 *)tuple->remote_address = words[4];
    __builtin_memcpy(&tuple->local_port, &bytes[20], sizeof(tuple->local_port));
    __builtin_memcpy(&tuple->remote_port, &bytes[22], sizeof(tuple->remote_port));
}

/* The usual packet in one load: IPv4 without options or fragments. False: anything else. */
static __always_inline bool parse_plain(struct __sk_buff *skb, struct gate_tuple *tuple)
{
    __u32 words[6];
    const __u8 *bytes = (const void *)words;

    if (bpf_skb_load_bytes_relative(skb, 0, words, sizeof(words), BPF_HDR_START_NET))
        return false;
    if (bytes[0] != 0x45 || (bytes[6] & 0x1f) || bytes[7] || (bytes[9] != IPPROTO_TCP && bytes[9] != IPPROTO_UDP))
        return false;
    take_plain(words, tuple);
    return true;
}

/* Any other packet, ports and all. */
static __always_inline bool parse_slowly(struct __sk_buff *skb, struct gate_tuple *tuple)
{
    __u16 ports[2];
    __u8 version;
    int offset;

    if (bpf_skb_load_bytes_relative(skb, 0, &version, 1, BPF_HDR_START_NET))
        return false;
    if (version >> 4 == 4)
        offset = parse4(skb, tuple);
    else if (version >> 4 == 6)
        offset = parse6(skb, tuple);
    else
        return false;
    if (offset < 0 || (tuple->protocol != IPPROTO_TCP && tuple->protocol != IPPROTO_UDP))
        return false;
    if (bpf_skb_load_bytes_relative(skb, offset, ports, sizeof(ports), BPF_HDR_START_NET))
        return false;
    tuple->local_port = ports[0];
    tuple->remote_port = ports[1];
    return true;
}

static __always_inline void flow_of(struct __sk_buff *skb, const struct gate_tuple *tuple, struct gate_flow_key *flow)
{
    flow->cookie = bpf_get_socket_cookie(skb);
    __builtin_memcpy(flow->remote_address, tuple->remote_address, sizeof(flow->remote_address));
    flow->remote_port = tuple->remote_port;
    flow->protocol = tuple->protocol;
    flow->ip_version = tuple->ip_version;
}

/* Fills tuple (zeroed by the caller) and flow. False when the packet has no tuple that the host could find either. */
static __always_inline bool parse(struct __sk_buff *skb, struct gate_tuple *tuple, struct gate_flow_key *flow)
{
    if (!parse_plain(skb, tuple) && !parse_slowly(skb, tuple))
        return false;
    flow_of(skb, tuple, flow);
    return true;
}

#endif
