/* SPDX-License-Identifier: MIT */
/*
 * rundown.h - lets unload wait until nobody is inside any more.
 *
 * The system's own rundown protection is missing on some hosts (Wine), so this is one: a count and
 * a closing bit in one word. Entering and leaving: any IRQL <= DISPATCH_LEVEL. Waiting: PASSIVE_LEVEL.
 */
#ifndef DRIVER_RUNDOWN_H
#define DRIVER_RUNDOWN_H

#include <ntddk.h>

struct rundown {
    volatile LONG64 state; /* 2 for each one inside, plus 1 once closing */
    KEVENT empty;
};

_IRQL_requires_(PASSIVE_LEVEL)
void rundown_init(struct rundown *rundown);

/* FALSE: closing, stay out. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN rundown_enter(struct rundown *rundown);
_IRQL_requires_max_(DISPATCH_LEVEL)
void rundown_leave(struct rundown *rundown);

/* From now on nobody enters; returns when the last one has left. */
_IRQL_requires_(PASSIVE_LEVEL)
void rundown_close(struct rundown *rundown);

#endif
