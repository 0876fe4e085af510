/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c - says who waits for what when nobody can run any more.
 *
 * System threads and clocks may wait for ever, unless for a lock; everybody else is in a routine that has to end.
 */
#include "nt/verify/fibers.h"
#include "nt/verify/report.h"
#include "nt/verify/stack.h"

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

static bool take_stack(const struct fiber *fiber, struct nt_stack *stack)
{
    stack->count = (uint32_t)nt_schedule_stack(fiber->number, stack->frames, NT_STACK_MAX);
    return stack->count != 0;
}

/* The report shows where the one stands, and where the other; NULL: nobody. */
static void show_stacks(const struct fiber *one, const struct fiber *other)
{
    static struct nt_stack stack; /* until the violation was told */
    if (other != NULL && other != one && take_stack(other, &stack)) {
        nt_begin_at(NT_BEGAN_WAIT, other->number, &stack);
        nt_about(NT_BEGAN_WAIT, other->number);
    }
    if (take_stack(one, &stack)) /* not of the running one: nt_violate takes that itself */
        nt_about_stack(&stack);
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
    show_stacks(fiber, holds_up(fiber));
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

/* Who has what it waits for, else another that waits. */
static const struct fiber *find_other(const struct fiber *fiber)
{
    struct fiber **fibers;
    size_t count = nt_fibers(&fibers);
    const struct fiber *other = find(holder_of(fiber));
    for (size_t index = 0; index < count && other == NULL; index++)
        if (fibers[index] != fiber && waits(fibers[index]))
            other = fibers[index];
    return other;
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
    show_stacks(first, find_other(first));
    nt_violate("deadlock", first->wait.routine, "nobody can go on: %s", text);
    return true;
}
