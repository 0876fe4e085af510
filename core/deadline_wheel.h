/* SPDX-License-Identifier: MIT */
/*
 * deadline_wheel.h - which deadline passes next, in constant time.
 *
 * One ring of slots covers DEADLINE_WHEEL_SPAN, longer than the longest deadline the protocol
 * allows, so nothing moves between levels. A bitmap of used slots tells the next one at once: the
 * owner arms one timer for deadline_wheel_next and nobody polls.
 *
 * A link is due at the first tick at or after its time: never early, less than one tick late.
 * Times are in 100 ns units of a clock that counts suspend. The caller's lock is held for every
 * call.
 */
#ifndef CORE_DEADLINE_WHEEL_H
#define CORE_DEADLINE_WHEEL_H

#include "core/memory.h"

#define DEADLINE_WHEEL_TICK_SHIFT 17u /* 13.1 ms */
#define DEADLINE_WHEEL_TICK       ((uint64_t)1 << DEADLINE_WHEEL_TICK_SHIFT)
#define DEADLINE_WHEEL_SLOTS      16384u
#define DEADLINE_WHEEL_SPAN       (DEADLINE_WHEEL_TICK * (DEADLINE_WHEEL_SLOTS - 2u)) /* 214 s */
#define DEADLINE_NEVER            UINT64_MAX

struct deadline_link {
    struct deadline_link *next;
    struct deadline_link **link; /* what points here; NULL: not in the wheel */
    uint64_t tick;
};

struct deadline_wheel {
    const struct core_memory *memory;
    struct deadline_link **slots;
    uint64_t used[DEADLINE_WHEEL_SLOTS / 64u];
    uint64_t summary[DEADLINE_WHEEL_SLOTS / 4096u]; /* one bit for each word of used */
    uint64_t cursor;                                /* every tick up to this one is done */
    uint32_t count;
};

bool deadline_wheel_init(struct deadline_wheel *wheel, const struct core_memory *memory);
void deadline_wheel_cleanup(struct deadline_wheel *wheel);

/* due at most DEADLINE_WHEEL_SPAN after now; later ones are due then. */
void deadline_wheel_insert(struct deadline_wheel *wheel, struct deadline_link *link, uint64_t now, uint64_t due);

/* Harmless when link is not in the wheel. */
void deadline_wheel_remove(struct deadline_wheel *wheel, struct deadline_link *link);

/* When deadline_wheel_take will have something; DEADLINE_NEVER: the wheel is empty. */
uint64_t deadline_wheel_next(const struct deadline_wheel *wheel);

/* Removes and returns one link that is due by now; NULL: none. Ticks in order; within a tick, any order. */
struct deadline_link *deadline_wheel_take(struct deadline_wheel *wheel, uint64_t now);

#endif
