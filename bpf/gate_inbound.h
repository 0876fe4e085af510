/* SPDX-License-Identifier: MIT */
/*
 * gate_inbound.h - what inbound.bpf.c and host/gate_inbound.c say to each other: who listens, what was said of packets
 * that come in, and what became of connections. Byte order, padding and layout number as in gate_maps.h.
 */
#ifndef BPF_GATE_INBOUND_H
#define BPF_GATE_INBOUND_H

#include "gate_maps.h"

#define GATE_ACCEPTS_MAX 65536
#define GATE_BOUND_MAX   65536
#define GATE_ENDS_SIZE   (256 * 1024)

/* So long after the last datagram a UDP flow, or what was sent out, lets datagrams of its peer in no more. */
#define GATE_UDP_IDLE_NS 120000000000ull

/* Keyed by gate_tuple, whose local end is this machine's. */
enum gate_accept_is {
    GATE_ACCEPT_FLOW = 0,  /* somebody came in */
    GATE_ACCEPT_REPLY = 1, /* a permitted datagram went out there: what comes back passes */
    GATE_ACCEPT_ONCE = 2,  /* nobody listens: passes once, for the refusal */
};
struct gate_accept {
    __u64 since;      /* CLOCK_MONOTONIC ns: undecided, decided; UDP: the last datagram, to a second */
    __u32 generation; /* the verdict counts only while this is the current one; a REPLY under any */
    __u32 verdict;
    __u32 sequence; /* TCP: of the SYN. Another one is another connection */
    __u8 is;
    __u8 zero[3];
};

#define GATE_KEY_RAW  0x80 /* in the ip_version of a raw packet's tuple: nobody else's verdict is found by it */
#define GATE_ECHO_OUT 1    /* remote port of an echo request that goes out */

/* Who bound a socket, or made an ICMP or raw one, or one of OTHER, by its cookie. */
struct gate_bound {
    struct gate_caller caller;
    __u32 waited; /* set by the host: its end is to be told */
    __u32 raw;    /* enum gate_bound_raw */
};
enum gate_bound_raw {
    GATE_BOUND_USUAL = 0,
    GATE_BOUND_RAW = 1,   /* makes its packets by hand */
    GATE_BOUND_OTHER = 2, /* of gate_is_other: what it sends is looked at as what a raw socket does */
};

/* Transports besides TCP and UDP that any program can use: DCCP, SCTP, UDP-Lite. */
static inline __attribute__((always_inline)) int gate_is_other(__u32 protocol)
{
    return protocol == 33 || protocol == 132 || protocol == 136;
}

enum gate_end_is {
    GATE_END_BOUND = 1,  /* a bound socket that waited is gone */
    GATE_END_STREAM = 2, /* a TCP socket that was connected is closed */
};
struct gate_end {
    __u64 cookie;
    __u64 bytes_out, bytes_in; /* payload: sent once, and received in order */
    struct gate_tuple tuple;   /* STREAM */
    __u32 is;
    __u32 inbound;             /* STREAM: its tuple was among the accepts */
    struct gate_caller caller; /* STREAM that goes out, if it is still known */
};

#endif
