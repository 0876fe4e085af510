/* SPDX-License-Identifier: MIT */
/*
 * address.c - see address.h.
 */
#include "policy/address.h"

#include <stdio.h>
#include <string.h>

bool address_read_v4(const char *text, size_t length, uint32_t *address)
{
    uint32_t value = 0;
    size_t at = 0;

    for (unsigned part = 0; part < 4; part++) {
        unsigned number = 0;
        size_t first;

        if (part != 0 && (at == length || text[at++] != '.'))
            return false;
        first = at;
        while (at < length && text[at] >= '0' && text[at] <= '9' && at - first < 3)
            number = number * 10 + (unsigned)(text[at++] - '0');
        if (at == first || number > 255 || (at - first > 1 && text[first] == '0'))
            return false;
        value = value << 8 | number;
    }
    if (at != length)
        return false;
    *address = value;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One group of up to four digits from *at on; false: there is none. */
static bool read_group(const char *text, size_t length, size_t *at, unsigned *group)
{
    size_t first = *at;
    unsigned value = 0;

    while (*at < length && *at - first < 4 && hex_digit(text[*at]) >= 0)
        value = value << 4 | (unsigned)hex_digit(text[(*at)++]);
    *group = value;
    return *at != first;
}

bool address_read_v6(const char *text, size_t length, uint8_t address[16])
{
    uint8_t bytes[16] = {0};
    size_t at = 0, used = 0, gap = SIZE_MAX;

    if (length >= 2 && text[0] == ':' && text[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < length) {
        unsigned group;
        uint32_t last;

        if (used <= 12 && address_read_v4(text + at, length - at, &last)) {
            for (unsigned i = 0; i < 4; i++)
                bytes[used++] = (uint8_t)(last >> (24 - 8 * i));
            at = length;
            break;
        }
        if (used == 16 || !read_group(text, length, &at, &group))
            return false;
        bytes[used++] = (uint8_t)(group >> 8);
        bytes[used++] = (uint8_t)group;
        if (at == length)
            break;
        if (text[at++] != ':')
            return false;
        if (at == length)
            return false;
        if (text[at] == ':') {
            if (gap != SIZE_MAX)
                return false;
            gap = used;
            at++;
        }
    }
    if (gap == SIZE_MAX ? used != 16 : used > 14)
        return false;
    if (gap != SIZE_MAX) {
        memmove(bytes + 16 - (used - gap), bytes + gap, used - gap);
        memset(bytes + gap, 0, 16 - used);
    }
    memcpy(address, bytes, sizeof(bytes));
    return true;
}

void address_write_v4(uint32_t address, char text[ADDRESS_TEXT_MAX])
{
    snprintf(text, ADDRESS_TEXT_MAX, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
             address & 255);
}

void address_write_v6(const uint8_t address[16], char text[ADDRESS_TEXT_MAX])
{
    unsigned groups[8], best = 8, best_length = 1, used = 0;

    for (unsigned i = 0; i < 8; i++)
        groups[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    for (unsigned i = 0; i < 8; i++) {
        unsigned length = 0;

        while (i + length < 8 && groups[i + length] == 0)
            length++;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    text[0] = '\0';
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            used += (unsigned)snprintf(text + used, ADDRESS_TEXT_MAX - used, "::");
            i += best_length - 1;
        } else {
            used += (unsigned)snprintf(text + used, ADDRESS_TEXT_MAX - used, "%s%x",
                                       i == 0 || i == best + best_length ? "" : ":", groups[i]);
        }
    }
}
