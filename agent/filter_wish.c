/* SPDX-License-Identifier: MIT */
/*
 * filter_wish.c - see filter_wish.h.
 */
#include "agent/filter_wish.h"

#include <string.h>

#include <gatehouse/objects.h>

#define TCP 6u
#define UDP 17u

bool filter_wish_number(const char *text, uint64_t max, uint64_t *value)
{
    uint64_t read = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || read > (max - (uint64_t)(*text - '0')) / 10)
            return false;
        read = read * 10 + (uint64_t)(*text - '0');
    }
    *value = read;
    return read <= max;
}

/* "a.b.c.d", each part from 0 to 255 without leading zeros (some read those as octal). */
static bool read_ipv4(const char *text, uint8_t address[4])
{
    for (unsigned part = 0; part < 4; part++) {
        unsigned value = 0, digits = 0;

        for (; *text >= '0' && *text <= '9'; text++, digits++) {
            if (digits == 3 || (digits > 0 && value == 0))
                return false;
            value = value * 10 + (unsigned)(*text - '0');
        }
        if (digits == 0 || value > 255 || *text != (part < 3 ? '.' : '\0'))
            return false;
        address[part] = (uint8_t)value;
        text++;
    }
    return true;
}

/* -1: no hexadecimal digit. */
static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* One group of one to four digits into bytes; the text behind it, or NULL. */
static const char *read_group(const char *text, uint8_t bytes[2])
{
    unsigned value = 0, digits = 0;

    for (; hex_digit(*text) >= 0 && digits < 5; text++, digits++)
        value = value << 4 | (unsigned)hex_digit(*text);
    if (digits == 0 || digits > 4)
        return NULL;
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    return text;
}

/* RFC 4291, section 2.2: groups, one "::" for the zeros, an IPv4 address as the last four bytes. No zone. */
static bool read_ipv6(const char *text, uint8_t address[16])
{
    uint8_t bytes[16] = {0};
    unsigned used = 0, gap = 17;

    if (text[0] == ':' && text[1] != ':')
        return false;
    while (*text != '\0') {
        if (text[0] == ':' && text[1] == ':') {
            if (gap <= 16)
                return false;
            gap = used;
            text += 2;
            continue;
        }
        if (used <= 12 && read_ipv4(text, bytes + used)) {
            used += 4;
            break;
        }
        text = used <= 14 ? read_group(text, bytes + used) : NULL;
        if (text == NULL)
            return false;
        used += 2;
        if (text[0] == ':' && text[1] == '\0')
            return false;
        if (text[0] == ':' && text[1] != ':')
            text++;
        else if (text[0] != ':' && text[0] != '\0')
            return false;
    }
    if (gap > 16 ? used != 16 : used > 14)
        return false;
    memset(address, 0, 16);
    gap = gap > 16 ? 16 : gap;
    memcpy(address, bytes, gap);
    memcpy(address + 16 - (used - gap), bytes + gap, used - gap);
    return true;
}

static bool has_bits_behind(const uint8_t *address, unsigned bits, unsigned prefix)
{
    for (unsigned i = prefix; i < bits; i++)
        if (address[i / 8] >> (7 - i % 8) & 1)
            return true;
    return false;
}

static bool is_mapped(const uint8_t address[16])
{
    static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(address, head, sizeof(head)) == 0;
}

/* The engine shows a mapped address at the IPv4 layer, so that is where it is filtered. */
static bool unmap(uint8_t address[16], unsigned *prefix)
{
    if (!is_mapped(address) || *prefix < 96)
        return false;
    memmove(address, address + 12, 4);
    memset(address + 4, 0, 12);
    *prefix -= 96;
    return true;
}

unsigned filter_wish_address(const char *text, uint8_t address[16])
{
    uint8_t read[16] = {0};
    unsigned version = 0, prefix = 128;

    if (read_ipv4(text, read))
        version = 4;
    else if (read_ipv6(text, read))
        version = unmap(read, &prefix) ? 4 : 6;
    if (version != 0)
        memcpy(address, read, sizeof(read));
    return version;
}

static enum agent_result read_address(const char *text, struct filter_wish *wish, struct problem *problem)
{
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    uint8_t address[16] = {0};
    char copy[64];
    bool v4, v6;

    if (length >= sizeof(copy))
        length = 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    v4 = read_ipv4(copy, address);
    v6 = !v4 && read_ipv6(copy, address);
    if (!v4 && !v6)
        return problem_set(problem, AGENT_USAGE,
                           "--to takes an IPv4 or IPv6 address, or one with /PREFIX, not '%.100s'.", text);
    unsigned bits = v4 ? 32 : 128, prefix = bits;
    uint64_t number;
    if (slash != NULL && !filter_wish_number(slash + 1, bits, &number))
        return problem_set(problem, AGENT_USAGE, "a prefix of this address is 0 to %u bits long, not '%.100s'.", bits,
                           slash + 1);
    if (slash != NULL)
        prefix = (unsigned)number;
    if (has_bits_behind(address, bits, prefix))
        return problem_set(problem, AGENT_USAGE,
                           "'%.100s' has bits set behind its prefix: write the network's first address.", text);
    if (v6 && unmap(address, &prefix))
        v6 = false;
    if (v6 ? wish->v4 : wish->v6)
        return problem_set(problem, AGENT_USAGE, "'%.100s' is an %s address: leave --%s away.", text,
                           v6 ? "IPv6" : "IPv4", v6 ? "v4" : "v6");
    wish->v4 = !v6;
    wish->v6 = v6;
    wish->has_address = true;
    wish->prefix = (uint8_t)prefix;
    memcpy(wish->address, address, sizeof(address));
    return AGENT_OK;
}

static enum agent_result read_ports(const char *text, struct filter_wish *wish, struct problem *problem)
{
    const char *dash = strchr(text, '-');
    size_t length = dash == NULL ? strlen(text) : (size_t)(dash - text);
    uint64_t first = 0, last = 0;
    char copy[8];

    if (length >= sizeof(copy))
        length = 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!filter_wish_number(copy, 65535, &first) || (dash != NULL && !filter_wish_number(dash + 1, 65535, &last)))
        return problem_set(problem, AGENT_USAGE, "--port takes a port or FIRST-LAST, 0 to 65535, not '%.100s'.", text);
    if (dash == NULL)
        last = first;
    if (last < first)
        return problem_set(problem, AGENT_USAGE, "--port %.100s ends before it begins: turn it round.", text);
    wish->has_port = true;
    wish->port_first = (uint16_t)first;
    wish->port_last = (uint16_t)last;
    return AGENT_OK;
}

static enum agent_result read_rest(const struct filter_words *words, struct filter_wish *wish, struct problem *problem)
{
    uint64_t number = GATEHOUSE_CLASS_DEFAULT;

    if (words->protocol != NULL && strcmp(words->protocol, "tcp") != 0 && strcmp(words->protocol, "udp") != 0)
        return problem_set(problem, AGENT_USAGE, "--proto takes tcp or udp, not '%.100s'.", words->protocol);
    if (words->protocol != NULL)
        wish->protocol = strcmp(words->protocol, "tcp") == 0 ? TCP : UDP;
    if (words->weight != NULL &&
        (!filter_wish_number(words->weight, GATEHOUSE_CLASS_MAX, &number) || number < GATEHOUSE_CLASS_MIN))
        return problem_set(problem, AGENT_USAGE, "--weight takes %u to %u, not '%.100s'.", GATEHOUSE_CLASS_MIN,
                           GATEHOUSE_CLASS_MAX, words->weight);
    wish->weight = (uint8_t)number;
    if (words->name != NULL && (words->name[0] == '\0' || strlen(words->name) > FILTER_NAME_MAX))
        return problem_set(problem, AGENT_USAGE, "a name has 1 to %u bytes: give --name another one.", FILTER_NAME_MAX);
    wish->name = words->name == NULL ? "Gatehouse filter" : words->name;
    return AGENT_OK;
}

enum agent_result filter_wish_read(const struct filter_words *words, bool block, struct filter_wish *wish,
                                   struct problem *problem)
{
    struct filter_wish read = {
        .block = block, .v4 = words->v4, .v6 = words->v6, .in = words->in, .program = words->program};
    enum agent_result result = AGENT_OK;

    if (words->to != NULL)
        result = read_address(words->to, &read, problem);
    else if (!read.v4 && !read.v6)
        read.v4 = read.v6 = true;
    if (result == AGENT_OK && words->port != NULL)
        result = read_ports(words->port, &read, problem);
    if (result == AGENT_OK)
        result = read_rest(words, &read, problem);
    if (result == AGENT_OK)
        *wish = read;
    return result;
}
