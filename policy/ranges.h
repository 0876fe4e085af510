/* SPDX-License-Identifier: MIT */
/*
 * ranges.h - what a set holds: ranges of IPv4 addresses, of IPv6 addresses and of ports, each in a list of its own.
 */
#ifndef POLICY_RANGES_H
#define POLICY_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"
#include "policy/bytes.h"

/* Zeroed: empty. The lists are arrays of struct gatehouse_range_v4, _v6 and _port. */
struct ranges {
    struct bytes v4, v6, ports;
};

/* low must not be above high. */
void ranges_add_v4(struct ranges *ranges, uint32_t low, uint32_t high);
void ranges_add_v6(struct ranges *ranges, const uint8_t low[16], const uint8_t high[16]);
void ranges_add_port(struct ranges *ranges, uint16_t low, uint16_t high);
void ranges_add_all(struct ranges *ranges, const struct ranges *more);

/* In order, apart from each other, neighbours joined: as gatehouse/rules.h wants a set. */
void ranges_join(struct ranges *ranges);
/* The addresses that are not in it, of both families; joined before and after. Ports stay. */
void ranges_complement(struct ranges *ranges);

size_t ranges_count_v4(const struct ranges *ranges);
size_t ranges_count_v6(const struct ranges *ranges);
size_t ranges_count_ports(const struct ranges *ranges);
bool ranges_failed(const struct ranges *ranges); /* out of memory */
void ranges_clear(struct ranges *ranges);        /* empty, the memory stays */
void ranges_cleanup(struct ranges *ranges);

/* The smallest and the largest address of a prefix; bits at most 32 or 128. */
void prefix_range_v4(uint32_t address, unsigned bits, uint32_t *low, uint32_t *high);
void prefix_range_v6(const uint8_t address[16], unsigned bits, uint8_t low[16], uint8_t high[16]);
/* How long a prefix is the same as the range; -1: none is. */
int range_prefix_v4(uint32_t low, uint32_t high);
int range_prefix_v6(const uint8_t low[16], const uint8_t high[16]);

#endif
