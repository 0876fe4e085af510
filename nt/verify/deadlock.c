/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c - says who waits for what when nobody can run any more.
 *
 * System threads and clocks may wait for ever, unless for a lock; everybody else is in a routine that has to end.
 */
#include "nt/verify/fibers.h"

#include <stdio.h>

static bool waits(const struct fiber *fiber)
{
    return fiber->state == FIBER_WAITING || fiber->state == FIBER_SETTLING;
}

static bool has_to_end(const struct fiber *fiber)
{
    return waits(fiber) && (fiber->wait.has_to_end || fiber->kind != FIBER_THREAD);
}

bool nt_fibers_stuck(void)
{
    struct fiber **fibers;
    size_t count = nt_fibers(&fibers), index = 0;
    while (index < count && !waits(fibers[index]))
        index++;
    return index < count;
}

const char *nt_schedule_name(uint32_t number)
{
    struct fiber **fibers;
    size_t count = nt_fibers(&fibers);
    for (size_t index = 0; index < count; index++)
        if (fibers[index]->number == number)
            return fibers[index]->name;
    return "one that has ended";
}

size_t nt_schedule_stack(uint32_t number, const void **frames, size_t room)
{
    struct fiber **fibers;
    size_t count = nt_fibers(&fibers);
    for (size_t index = 0; index < count; index++)
        if (fibers[index]->number == number && fibers[index] != nt_fiber_current())
            return nt_fiber_trace(&fibers[index]->machine, frames, room);
    return 0;
}

bool nt_fibers_report_deadlock(void)
{
    struct fiber **fibers;
    char text[400];
    size_t used = 0, count = nt_fibers(&fibers);
    const struct fiber *first = NULL;
    for (size_t index = 0; index < count; index++)
        if (first == NULL && has_to_end(fibers[index]))
            first = fibers[index];
    if (first == NULL)
        return false;
    for (size_t index = 0; index < count && used < sizeof text; index++) {
        const struct fiber *fiber = fibers[index];
        if (!waits(fiber))
            continue;
        int added = snprintf(text + used, sizeof text - used, "%s%s waits in %s", used == 0 ? "" : "; ", fiber->name,
                             fiber->wait.routine);
        used += (size_t)added;
        if (fiber->wait.holder != 0 && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, " for %s", nt_schedule_name(fiber->wait.holder));
    }
    nt_violate("deadlock", first->wait.routine, "nobody can go on: %s", text);
    return true;
}
