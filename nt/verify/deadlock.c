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

static uint32_t holder_of(const struct fiber *fiber)
{
    return fiber->state != FIBER_WAITING || fiber->wait.holder == NULL ? 0 : *fiber->wait.holder & 0x3fffffffu;
}

static struct fiber *find(uint32_t number)
{
    struct fiber **fibers;
    size_t count = nt_fibers(&fibers);
    for (size_t index = 0; index < count; index++)
        if (fibers[index]->number == number)
            return fibers[index];
    return NULL;
}

static const struct fiber *holds_up(const struct fiber *fiber)
{
    return fiber->wait.due == NT_NEVER ? find(holder_of(fiber)) : NULL;
}

bool nt_fibers_report_circle(const struct fiber *fiber)
{
    char text[400];
    size_t used = 0, steps = 0;
    const struct fiber *next = holds_up(fiber);
    for (; next != NULL && next != fiber && steps < 64; steps++)
        next = holds_up(next);
    if (next != fiber)
        return false;
    do {
        const struct fiber *holder = holds_up(next);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s waits in %s for %s", used == 0 ? "" : "; ",
                                 next->name, next->wait.routine, holder->name);
        next = holder;
    } while (next != fiber && used < sizeof text);
    nt_violate("deadlock", fiber->wait.routine, "each waits for the next: %s", text);
    return true;
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
    const struct fiber *fiber = find(number);
    return fiber == NULL ? "one that has ended" : fiber->name;
}

size_t nt_schedule_stack(uint32_t number, const void **frames, size_t room)
{
    const struct fiber *fiber = find(number);
    return fiber == NULL || fiber == nt_fiber_current() ? 0 : nt_fiber_trace(&fiber->machine, frames, room);
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
        if (holder_of(fiber) != 0 && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, " for %s", nt_schedule_name(holder_of(fiber)));
    }
    nt_violate("deadlock", first->wait.routine, "nobody can go on: %s", text);
    return true;
}
