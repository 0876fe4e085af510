/* SPDX-License-Identifier: MIT */
/*
 * rundown.c - see rundown.h.
 */
#include "driver/rundown.h"

_Use_decl_annotations_
void rundown_init(struct rundown *rundown)
{
    rundown->state = 0;
    KeInitializeEvent(&rundown->empty, NotificationEvent, FALSE);
}

_Use_decl_annotations_
BOOLEAN rundown_enter(struct rundown *rundown)
{
    LONG64 seen = InterlockedCompareExchange64(&rundown->state, 0, 0);

    while ((seen & 1) == 0) {
        LONG64 before = InterlockedCompareExchange64(&rundown->state, seen + 2, seen);
        if (before == seen)
            return TRUE;
        seen = before;
    }
    return FALSE;
}

_Use_decl_annotations_
void rundown_leave(struct rundown *rundown)
{
    if (InterlockedExchangeAdd64(&rundown->state, -2) == 3)
        KeSetEvent(&rundown->empty, IO_NO_INCREMENT, FALSE);
}

/* There is no timeout: going on while somebody is inside would free what he uses. Everybody inside is bounded. */
_Use_decl_annotations_
void rundown_close(struct rundown *rundown)
{
    if (InterlockedExchangeAdd64(&rundown->state, 1) != 0)
        KeWaitForSingleObject(&rundown->empty, Executive, KernelMode, FALSE, NULL);
}
