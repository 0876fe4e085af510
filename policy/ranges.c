/* SPDX-License-Identifier: MIT */
/*
 * ranges.c - see ranges.h.
 */
#include "policy/ranges.h"

#include <stdlib.h>
#include <string.h>

void ranges_add_v4(struct ranges *ranges, uint32_t low, uint32_t high)
{
    struct gatehouse_range_v4 range = {low, high};

    bytes_add(&ranges->v4, &range, sizeof(range));
}

void ranges_add_v6(struct ranges *ranges, const uint8_t low[16], const uint8_t high[16])
{
    struct gatehouse_range_v6 range;

    memcpy(range.low, low, 16);
    memcpy(range.high, high, 16);
    bytes_add(&ranges->v6, &range, sizeof(range));
}

void ranges_add_port(struct ranges *ranges, uint16_t low, uint16_t high)
{
    struct gatehouse_range_port range = {low, high};

    bytes_add(&ranges->ports, &range, sizeof(range));
}

void ranges_add_all(struct ranges *ranges, const struct ranges *more)
{
    bytes_add(&ranges->v4, more->v4.at, more->v4.size);
    bytes_add(&ranges->v6, more->v6.at, more->v6.size);
    bytes_add(&ranges->ports, more->ports.at, more->ports.size);
}

static int compare_v4(const void *one, const void *other)
{
    const struct gatehouse_range_v4 *a = one, *b = other;

    return a->low < b->low ? -1 : a->low > b->low;
}

static int compare_v6(const void *one, const void *other)
{
    return memcmp(one, other, 16);
}

static int compare_port(const void *one, const void *other)
{
    const struct gatehouse_range_port *a = one, *b = other;

    return (int)a->low - (int)b->low;
}

/* One more; false: there is none. */
static bool next_v6(const uint8_t address[16], uint8_t next[16])
{
    int at = 15;

    memcpy(next, address, 16);
    while (at >= 0 && ++next[at] == 0)
        at--;
    return at >= 0;
}

static void previous_v6(const uint8_t address[16], uint8_t previous[16])
{
    int at = 15;

    memcpy(previous, address, 16);
    while (at >= 0 && previous[at]-- == 0)
        at--;
}

static void sort(struct bytes *list, size_t size, int (*compare)(const void *, const void *))
{
    /* Most lists come sorted. */
    for (size_t at = size; at < list->size; at += size) {
        if (compare(list->at + at - size, list->at + at) > 0) {
            qsort(list->at, list->size / size, size, compare);
            return;
        }
    }
}

static void join_v4(struct bytes *list)
{
    struct gatehouse_range_v4 *ranges = (struct gatehouse_range_v4 *)(void *)list->at;
    size_t count = list->size / sizeof(*ranges), kept = 0;

    sort(list, sizeof(*ranges), compare_v4);
    for (size_t i = 1; i < count; i++) {
        if (ranges[kept].high == UINT32_MAX || ranges[i].low <= ranges[kept].high + 1) {
            if (ranges[i].high > ranges[kept].high)
                ranges[kept].high = ranges[i].high;
        } else {
            ranges[++kept] = ranges[i];
        }
    }
    list->size = count == 0 ? 0 : (kept + 1) * sizeof(*ranges);
}

static void join_v6(struct bytes *list)
{
    struct gatehouse_range_v6 *ranges = (struct gatehouse_range_v6 *)(void *)list->at;
    size_t count = list->size / sizeof(*ranges), kept = 0;

    sort(list, sizeof(*ranges), compare_v6);
    for (size_t i = 1; i < count; i++) {
        uint8_t next[16];

        if (!next_v6(ranges[kept].high, next) || memcmp(ranges[i].low, next, 16) <= 0) {
            if (memcmp(ranges[i].high, ranges[kept].high, 16) > 0)
                memcpy(ranges[kept].high, ranges[i].high, 16);
        } else {
            ranges[++kept] = ranges[i];
        }
    }
    list->size = count == 0 ? 0 : (kept + 1) * sizeof(*ranges);
}

static void join_ports(struct bytes *list)
{
    struct gatehouse_range_port *ranges = (struct gatehouse_range_port *)(void *)list->at;
    size_t count = list->size / sizeof(*ranges), kept = 0;

    sort(list, sizeof(*ranges), compare_port);
    for (size_t i = 1; i < count; i++) {
        if ((uint32_t)ranges[i].low <= (uint32_t)ranges[kept].high + 1) {
            if (ranges[i].high > ranges[kept].high)
                ranges[kept].high = ranges[i].high;
        } else {
            ranges[++kept] = ranges[i];
        }
    }
    list->size = count == 0 ? 0 : (kept + 1) * sizeof(*ranges);
}

void ranges_join(struct ranges *ranges)
{
    join_v4(&ranges->v4);
    join_v6(&ranges->v6);
    join_ports(&ranges->ports);
}

static void complement_v4(struct ranges *into, const struct ranges *of)
{
    const struct gatehouse_range_v4 *ranges = (const struct gatehouse_range_v4 *)(const void *)of->v4.at;
    uint32_t low = 0;

    for (size_t i = 0; i < ranges_count_v4(of); i++) {
        if (ranges[i].low > low)
            ranges_add_v4(into, low, ranges[i].low - 1);
        if (ranges[i].high == UINT32_MAX)
            return;
        low = ranges[i].high + 1;
    }
    ranges_add_v4(into, low, UINT32_MAX);
}

static void complement_v6(struct ranges *into, const struct ranges *of)
{
    const struct gatehouse_range_v6 *ranges = (const struct gatehouse_range_v6 *)(const void *)of->v6.at;
    uint8_t low[16] = {0}, high[16];

    for (size_t i = 0; i < ranges_count_v6(of); i++) {
        if (memcmp(ranges[i].low, low, 16) > 0) {
            previous_v6(ranges[i].low, high);
            ranges_add_v6(into, low, high);
        }
        if (!next_v6(ranges[i].high, low))
            return;
    }
    memset(high, 0xff, sizeof(high));
    ranges_add_v6(into, low, high);
}

void ranges_complement(struct ranges *ranges)
{
    struct ranges others = {0};

    ranges_join(ranges);
    complement_v4(&others, ranges);
    complement_v6(&others, ranges);
    others.v4.failed |= ranges->v4.failed;
    others.v6.failed |= ranges->v6.failed;
    bytes_cleanup(&ranges->v4);
    bytes_cleanup(&ranges->v6);
    ranges->v4 = others.v4;
    ranges->v6 = others.v6;
}

size_t ranges_count_v4(const struct ranges *ranges)
{
    return ranges->v4.size / sizeof(struct gatehouse_range_v4);
}

size_t ranges_count_v6(const struct ranges *ranges)
{
    return ranges->v6.size / sizeof(struct gatehouse_range_v6);
}

size_t ranges_count_ports(const struct ranges *ranges)
{
    return ranges->ports.size / sizeof(struct gatehouse_range_port);
}

bool ranges_failed(const struct ranges *ranges)
{
    return ranges->v4.failed || ranges->v6.failed || ranges->ports.failed;
}

void ranges_clear(struct ranges *ranges)
{
    ranges->v4.size = 0;
    ranges->v6.size = 0;
    ranges->ports.size = 0;
}

void ranges_cleanup(struct ranges *ranges)
{
    bytes_cleanup(&ranges->v4);
    bytes_cleanup(&ranges->v6);
    bytes_cleanup(&ranges->ports);
}

void prefix_range_v4(uint32_t address, unsigned bits, uint32_t *low, uint32_t *high)
{
    uint32_t rest = bits >= 32 ? 0 : UINT32_MAX >> bits;

    *low = address & ~rest;
    *high = address | rest;
}

void prefix_range_v6(const uint8_t address[16], unsigned bits, uint8_t low[16], uint8_t high[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned left = bits > 8 * i ? bits - 8 * i : 0;
        uint8_t rest = left >= 8 ? 0 : (uint8_t)(0xffu >> left);

        low[i] = (uint8_t)(address[i] & ~rest);
        high[i] = (uint8_t)(address[i] | rest);
    }
}

int range_prefix_v4(uint32_t low, uint32_t high)
{
    for (unsigned bits = 0; bits <= 32; bits++) {
        uint32_t a, b;

        prefix_range_v4(low, bits, &a, &b);
        if (a == low && b == high)
            return (int)bits;
    }
    return -1;
}

int range_prefix_v6(const uint8_t low[16], const uint8_t high[16])
{
    for (unsigned bits = 0; bits <= 128; bits++) {
        uint8_t a[16], b[16];

        prefix_range_v6(low, bits, a, b);
        if (memcmp(a, low, 16) == 0 && memcmp(b, high, 16) == 0)
            return (int)bits;
    }
    return -1;
}
