/* SPDX-License-Identifier: MIT */
/*
 * follow.c - see follow.h.
 */
#include "host/follow.h"

#include <time.h>

#include <ntddk.h>

#include "nt/nt.h"

static uint64_t now_100ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100;
}

uint64_t follow_turn(struct follow *follow, struct device_server *server, struct feed *feed)
{
    uint64_t waiting = device_server_follows(server);
    uint64_t now;

    if (!waiting || !feed) {
        follow->quiet = false;
        return NT_NEVER;
    }
    /* Nothing changed, and nothing came from the kernel. */
    if (follow->quiet && waiting == follow->waiting && feed_changes(feed) == follow->told && feed_follow_wakes(feed))
        return NT_NEVER;
    now = now_100ns();
    if (now < follow->next)
        return follow->next;
    bool found = feed_follow(feed) || feed_changes(feed) != follow->told;
    if (!found) {
        feed_follow_wake(feed);
        found = feed_follow(feed); /* what came before that */
    }
    follow->quiet = !found;
    follow->told = feed_changes(feed);
    device_server_tell_flows(server);
    follow->waiting = device_server_follows(server);
    follow->next = now + FOLLOW_MS * 10000ull;
    return found ? follow->next : NT_NEVER;
}
