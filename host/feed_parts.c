/* SPDX-License-Identifier: MIT */
/*
 * feed_parts.c - see feed_parts.h.
 */
#include "host/feed_parts.h"

#include <errno.h>
#include <string.h>

#include "host/log.h"

struct wfp_ale_connect feed_connect_of(const struct feed_parts *parts, const struct gate_packet *packet,
                                       const FWP_BYTE_BLOB *package)
{
    struct identity *identity = parts->identity;

    identity_fill(identity, &packet->owner);
    struct wfp_ale_connect connect = {
        .ip_version = packet->ip_version,
        .protocol = packet->protocol,
        .local_port = packet->local_port,
        .remote_port = packet->remote_port,
        .has_process = (packet->owner.flags & GATE_OWNER_KNOWN) != 0,
        .process_id = packet->owner.pid,
        .process_start = identity->process_start,
        .app_id = identity->app_id.size ? &identity->app_id : NULL,
        .user = identity->user.size ? &identity->user : NULL,
        .condition_flags = (packet->loopback ? FWP_CONDITION_FLAG_IS_LOOPBACK : 0u) |
                           (packet->raw ? FWP_CONDITION_FLAG_IS_RAW_ENDPOINT : 0u),
        .interface_index = packet->interface_index,
        .package = package,
    };
    memcpy(connect.local_address, packet->local_address, 16);
    memcpy(connect.remote_address, packet->remote_address, 16);
    return connect;
}

const uint8_t *feed_filter_key(UINT64 filter, GUID *room)
{
    return wfp_filter_key(filter, room) ? (const uint8_t *)room : NULL;
}

void feed_say_unreleased(int code)
{
    log_say("a held packet could not be released: %s; the kernel drops it when the queue closes.", strerror(-code));
}

void feed_drop_packets(const struct feed_parts *parts, const uint32_t *packets, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int result = gate_drop(parts->gate, packets[i]);

        if (result < 0 && result != -ENOENT)
            feed_say_unreleased(result);
    }
}
