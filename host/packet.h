/* SPDX-License-Identifier: MIT */
/*
 * packet.h - finds who sends to whom in the first bytes of an IP packet.
 *
 * A pure function over bytes: no state, no allocation, any input. It must say yes to exactly the packets that parse()
 * in bpf/gate.bpf.c says yes to, and find the same tuple: the host looks a packet's socket up by it.
 */
#ifndef HOST_PACKET_H
#define HOST_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/gate_maps.h"

/*
 * data: size bytes from the IP header on, maybe cut after the ports. Fills tuple (network byte order, IPv4-mapped
 * written as IPv4, padding zero) and returns true; or returns false and leaves tuple alone when it is no TCP or UDP
 * packet of IPv4 or IPv6 with ports: damaged, cut, a later fragment, or hidden behind too many extension headers.
 */
bool packet_parse(const uint8_t *data, size_t size, struct gate_tuple *tuple);

/* From this size on a packet may have been cut: gate_queue.c asks the kernel for so much. */
#define PACKET_CUT_FROM 256u

/*
 * Is the transport header all there? A TCP header of the length it says; a UDP header whose length covers itself (0
 * stands for more than 16 bits can say). Asked beside packet_parse: that one finds the owner of damaged packets too.
 */
bool packet_is_whole(const uint8_t *data, size_t size);

/*
 * An echo request, whole: fills tuple as packet_parse, with the identifier as both ports, and the bytes of the IP
 * header. Behind IPv6 extension headers none is found.
 */
bool packet_echo(const uint8_t *data, size_t size, struct gate_tuple *tuple, uint32_t *ip);

/* What parse_raw() in bpf/inbound.bpf.c finds in a raw socket's packet, or false. */
bool packet_raw(const uint8_t *data, size_t size, struct gate_tuple *tuple);

/* Bytes of the IP header with its extensions, and of the TCP or UDP header, of a packet that is whole. */
bool packet_headers(const uint8_t *data, size_t size, uint32_t *ip, uint32_t *transport);

#endif
