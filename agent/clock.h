/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the two times that requests speak of, in 100 ns units.
 */
#ifndef AGENT_CLOCK_H
#define AGENT_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND      UINT64_C(10000000)
#define CLOCK_MILLISECOND UINT64_C(10000)

/* Since boot, suspend included: what held_at and deadline count. */
uint64_t clock_boot(void);
/* Since 1601 UTC. */
uint64_t clock_wall(void);

struct clock_date {
    int year, month, day, hour, minute, second, millisecond;
};
/* From 100 ns since 1601 UTC, in UTC or in the user's time zone. */
struct clock_date clock_date_utc(uint64_t wall);
struct clock_date clock_date_local(uint64_t wall);

#endif
