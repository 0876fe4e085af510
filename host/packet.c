/* SPDX-License-Identifier: MIT */
/*
 * packet.c - finds who sends to whom in the first bytes of an IP packet.
 *
 * Called by gate_queue.c for each queued packet. When you change what is followed or how far, change
 * parse() in bpf/gate.bpf.c the same way: where the two disagree, the packet's owner is not found.
 */
#include "packet.h"

#include <arpa/inet.h>
#include <string.h>

#include "bpf/gate_inbound.h"

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_AUTHENTICATION = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION = 60,
};

/* Moves *offset to the transport header and leaves its protocol in *next. */
static bool skip_extensions(const uint8_t *data, size_t size, size_t *offset, uint8_t *next)
{
    for (int i = 0; i <= GATE_EXTENSIONS_MAX; i++) {
        const uint8_t *head = data + *offset;

        if (*offset > GATE_HEADERS_MAX)
            return false;
        if (*next == PROTOCOL_TCP || *next == PROTOCOL_UDP)
            return true;
        if (size < *offset + 8)
            return false;
        switch (*next) {
        case PROTOCOL_HOP_BY_HOP:
        case PROTOCOL_ROUTING:
        case PROTOCOL_DESTINATION:
            *offset += (head[1] + 1u) * 8;
            break;
        case PROTOCOL_FRAGMENT:
            if (head[2] || (head[3] & 0xf8))
                return false;
            *offset += 8;
            break;
        case PROTOCOL_AUTHENTICATION:
            *offset += (head[1] + 2u) * 4;
            break;
        default:
            return false;
        }
        *next = head[0];
    }
    return false;
}

static bool parse6(const uint8_t *data, size_t size, struct gate_tuple *tuple, size_t *offset)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (size < 40)
        return false;
    tuple->protocol = data[6];
    if (!memcmp(data + 24, mapped, sizeof(mapped))) {
        tuple->ip_version = 4;
        memcpy(tuple->local_address, data + 8 + 12, 4);
        memcpy(tuple->remote_address, data + 24 + 12, 4);
    } else {
        tuple->ip_version = 6;
        memcpy(tuple->local_address, data + 8, 16);
        memcpy(tuple->remote_address, data + 24, 16);
    }
    *offset = 40;
    return skip_extensions(data, size, offset, &tuple->protocol);
}

static bool parse4(const uint8_t *data, size_t size, struct gate_tuple *tuple, size_t *offset)
{
    if (size < 20 || (data[0] & 15) < 5 || (data[6] & 0x1f) || data[7])
        return false;
    tuple->ip_version = 4;
    tuple->protocol = data[9];
    memcpy(tuple->local_address, data + 12, 4);
    memcpy(tuple->remote_address, data + 16, 4);
    *offset = (data[0] & 15u) * 4;
    return true;
}

/* Addresses and protocol of the IP header, and where the transport header starts. */
static bool parse_ip(const uint8_t *data, size_t size, struct gate_tuple *tuple, size_t *offset)
{
    if (size < 1)
        return false;
    if (data[0] >> 4 == 4)
        return parse4(data, size, tuple, offset);
    return data[0] >> 4 == 6 && parse6(data, size, tuple, offset);
}

bool packet_is_whole(const uint8_t *data, size_t size)
{
    struct gate_tuple found = {0};
    size_t offset = 0, length;

    if (!parse_ip(data, size, &found, &offset))
        return false;
    if (size >= PACKET_CUT_FROM)
        return true;
    if (found.protocol == PROTOCOL_UDP)
        return size >= offset + 8 && (data[offset + 4] != 0 || data[offset + 5] >= 8 || data[offset + 5] == 0);
    if (found.protocol != PROTOCOL_TCP || size < offset + 20)
        return false;
    length = (size_t)(data[offset + 12] >> 4) * 4;
    return length >= 20 && size >= offset + length;
}

bool packet_echo(const uint8_t *data, size_t size, struct gate_tuple *tuple, uint32_t *ip)
{
    struct gate_tuple found = {0};
    size_t offset = 40;

    if (size >= 20 && data[0] >> 4 == 4) {
        if (!parse4(data, size, &found, &offset) || found.protocol != PROTOCOL_ICMP)
            return false;
    } else if (size >= 40 && data[0] >> 4 == 6 && data[6] == PROTOCOL_ICMPV6) {
        found.ip_version = 6;
        found.protocol = PROTOCOL_ICMPV6;
        memcpy(found.local_address, data + 8, 16);
        memcpy(found.remote_address, data + 24, 16);
    } else {
        return false;
    }
    if (size < offset + 8 || data[offset] != (found.ip_version == 4 ? 8 : 128))
        return false;
    memcpy(&found.local_port, data + offset + 4, 2);
    found.remote_port = found.local_port;
    *tuple = found;
    *ip = (uint32_t)offset;
    return true;
}

static bool raw_transport(const uint8_t *data, size_t size, size_t offset, struct gate_tuple *tuple)
{
    const uint8_t *head = data + offset;

    if (tuple->protocol == PROTOCOL_UDP)
        return false;
    if (tuple->protocol == PROTOCOL_TCP) {
        if (size < offset + 14)
            return true;
        memcpy(&tuple->local_port, head, 2);
        memcpy(&tuple->remote_port, head + 2, 2);
        return !gate_is_start(head[13]);
    }
    if ((tuple->protocol != PROTOCOL_ICMP && tuple->protocol != PROTOCOL_ICMPV6) || size < offset + 2)
        return true;
    tuple->local_port = htons(head[0]);
    tuple->remote_port = htons(head[1]);
    return head[0] != (data[0] >> 4 == 4 ? 8 : 128);
}

bool packet_raw(const uint8_t *data, size_t size, struct gate_tuple *tuple)
{
    struct gate_tuple found = {0};
    bool mine;

    if (size >= 20 && data[0] >> 4 == 4) {
        found.ip_version = 4 | GATE_KEY_RAW;
        found.protocol = data[9];
        memcpy(found.local_address, data + 12, 4);
        memcpy(found.remote_address, data + 16, 4);
        mine = (data[6] & 0x1f) || data[7] || raw_transport(data, size, (data[0] & 15u) * 4, &found);
    } else if (size >= 40 && data[0] >> 4 == 6) {
        found.ip_version = 6 | GATE_KEY_RAW;
        found.protocol = data[6];
        memcpy(found.local_address, data + 8, 16);
        memcpy(found.remote_address, data + 24, 16);
        mine = raw_transport(data, size, 40, &found);
    } else {
        return false;
    }
    if (mine)
        *tuple = found;
    return mine;
}

bool packet_headers(const uint8_t *data, size_t size, uint32_t *ip, uint32_t *transport)
{
    struct gate_tuple found = {0};
    size_t offset = 0;

    if (!parse_ip(data, size, &found, &offset) || size < offset + 8 ||
        (found.protocol == PROTOCOL_TCP && size < offset + 20))
        return false;
    *ip = (uint32_t)offset;
    *transport = found.protocol == PROTOCOL_TCP ? (uint32_t)(data[offset + 12] >> 4) * 4 : 8;
    return true;
}

bool packet_parse(const uint8_t *data, size_t size, struct gate_tuple *tuple)
{
    struct gate_tuple found = {0};
    size_t offset = 0;

    if (!parse_ip(data, size, &found, &offset))
        return false;
    if ((found.protocol != PROTOCOL_TCP && found.protocol != PROTOCOL_UDP) || size < offset + 4)
        return false;
    memcpy(&found.local_port, data + offset, 2);
    memcpy(&found.remote_port, data + offset + 2, 2);
    *tuple = found;
    return true;
}
