/* SPDX-License-Identifier: MIT */
/*
 * quiet.c - see quiet.h.
 */
#include "host/quiet.h"

#include <malloc.h>
#include <time.h>

#include <ntddk.h>

#include "nt/nt.h"

static uint64_t now_100ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100;
}

uint64_t quiet_turn(struct quiet *quiet, uint64_t work, void (*settle)(void *context), void *context)
{
    uint64_t now;

    if (work - quiet->given < QUIET_MANY)
        return NT_NEVER;
    now = now_100ns();
    if (now < quiet->due)
        return quiet->due;
    if (quiet->settled && work == quiet->seen) {
        malloc_trim(0);
        *quiet = (struct quiet){.given = work};
        return NT_NEVER;
    }
    quiet->settled = quiet->due && work == quiet->seen;
    if (quiet->settled)
        settle(context);
    quiet->seen = work;
    quiet->due = now + QUIET_MS * 10000ull;
    return quiet->due;
}
