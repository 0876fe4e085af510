/* SPDX-License-Identifier: MIT */
/*
 * connection.h - what is known of one connection when it is authorized.
 *
 * The program (its ALE_APP_ID) is kept apart, in program_table.h, because most connections share
 * it. Units and byte order are those of struct gatehouse_request in protocol.h.
 */
#ifndef CORE_CONNECTION_H
#define CORE_CONNECTION_H

#include "core/memory.h"
#include "gatehouse/protocol.h"

struct connection {
    uint64_t endpoint; /* transport endpoint handle */
    uint64_t process_id;
    uint64_t process_start;
    uint64_t held_at;
    uint64_t deadline;
    uint8_t local_address[16];
    uint8_t remote_address[16];
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t layer;
    uint8_t ip_version; /* 4 or 6 */
    uint8_t protocol;
    uint32_t flags; /* GATEHOUSE_REQUEST_* */
    uint32_t interface_index;
    uint16_t user_sid_size;
    uint8_t user_sid[GATEHOUSE_SID_MAX];
};

/* Where a connection goes. */
struct destination {
    uint8_t ip_version;
    uint8_t protocol;
    uint16_t port;
    uint8_t address[16];
};

static inline struct destination connection_destination(const struct connection *connection)
{
    struct destination to = {connection->ip_version, connection->protocol, connection->remote_port, {0}};

    memcpy(to.address, connection->remote_address, sizeof(to.address));
    return to;
}

static inline bool destination_equal(const struct destination *a, const struct destination *b)
{
    return a->ip_version == b->ip_version && a->protocol == b->protocol && a->port == b->port &&
           memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static inline bool connection_goes_to(const struct connection *connection, const struct destination *to)
{
    return connection->ip_version == to->ip_version && connection->protocol == to->protocol &&
           connection->remote_port == to->port &&
           memcmp(connection->remote_address, to->address, sizeof(to->address)) == 0;
}

#endif
