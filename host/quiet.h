/* SPDX-License-Identifier: MIT */
/*
 * quiet.h - gives memory back to the system once nothing happens any more.
 *
 * The C library keeps what was freed, ends of connections wait in a ring until somebody looks, and pieces of the
 * verdict cache stay mapped. While connections come that is what makes them quick; after a flood it is many MiB which
 * nobody misses. So when many came since the last time, and then none for half a second, the ends are taken in and the
 * gate rests, and half a second later memory is given back. Runs on the loop's thread; wakes it twice a second after
 * many connections, and not at all when nothing came.
 */
#ifndef HOST_QUIET_H
#define HOST_QUIET_H

#include <stdbool.h>
#include <stdint.h>

#define QUIET_MS   500u
#define QUIET_MANY 64u /* connections: each may have brought a piece of the verdict cache (16 KiB) */

/* All zero: nothing happened yet. */
struct quiet {
    uint64_t given; /* what work was when memory was given back */
    uint64_t seen;  /* and when it was looked at last */
    uint64_t due;   /* 0: nothing is under way */
    bool settled;   /* since then */
};

/*
 * work: connections so far. settle: takes in what ended, and rests; what it frees may take some turns. Returns when to
 * call again, 100 ns boot time, or NT_NEVER. Before that there is no need to call, though it does no harm.
 */
uint64_t quiet_turn(struct quiet *quiet, uint64_t work, void (*settle)(void *context), void *context);

#endif
