/* SPDX-License-Identifier: MIT */
/*
 * gate_names.h - what names.bpf.c and host/gate_names.c say to each other. Not pinned: without a host nobody listens.
 */
#ifndef BPF_GATE_NAMES_H
#define BPF_GATE_NAMES_H

#include "gate_maps.h"

#define GATE_NAMES_SIZE (1024 * 1024) /* of the ring: more than 400 answers */
#define GATE_DNS_HEADER 12
#define GATE_DNS_ROOM   2048                /* a power of two */
#define GATE_DNS_MAX    (GATE_DNS_ROOM - 1) /* bytes of an answer; of a longer one the first */

/* A datagram from port 53 that arrives at a socket, before its program can read it. */
struct gate_dns {
    __u8 server_address[16]; /* as in gate_flow_key */
    __u16 size;
    __u8 ip_version;
    __u8 zero[5];
    struct gate_caller caller; /* who sent to that server with that socket */
    __u8 message[GATE_DNS_ROOM];
};

#endif
