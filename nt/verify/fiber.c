/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - see fiber.h. A stack has half a MiB, of which the kernel gives what is touched.
 */
#define _GNU_SOURCE
#include "nt/verify/fiber.h"
#include "nt/sanitize.h"
#include "nt/verify/output.h"
#include "nt/verify/verify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK ((size_t)NT_FIBER_STACK)
#define GUARD ((size_t)4096)

#define FILLED ((size_t)16 * 1024) /* of its top, while the verifier is on */

#define SHADOW_USES 64u

/* Who changed to whom last: what a fiber that begins, or goes on, has to tell the sanitizers. */
static struct nt_fiber *departed, *arrived;

static void arrive(void)
{
    const void *base = NULL;
    size_t size = 0;
    NT_FINISH_SWITCH(arrived->fake_stack, &base, &size);
    if (departed->base == NULL) {
        /* The real thread's own stack: only now known. */
        departed->base = (void *)(uintptr_t)base;
        departed->size = size;
    }
}

static void start(void)
{
    struct nt_fiber *self = arrived;
    arrive();
    self->entry(self->argument);
    abort();
}

void nt_fiber_adopt(struct nt_fiber *fiber)
{
    *fiber = (struct nt_fiber){.shadow = NT_CURRENT_SHADOW()};
}

bool nt_fiber_make(struct nt_fiber *fiber, void (*entry)(void *argument), void *argument)
{
    if (fiber->base == NULL) {
        char *whole = mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (whole == MAP_FAILED)
            return false;
        if (mprotect(whole, GUARD, PROT_NONE) != 0) {
            munmap(whole, STACK + GUARD);
            return false;
        }
        fiber->base = whole + GUARD;
        fiber->size = STACK;
    }
    NT_UNPOISON(fiber->base, fiber->size); /* what an abandoned run left there */
    /* TSan is slow to make one, but each use leaves some calls in it that never return. */
    if (fiber->uses++ % SHADOW_USES == 0) {
        NT_DROP_SHADOW(fiber->shadow);
        fiber->shadow = NT_NEW_SHADOW();
    }
    if (NT_VERIFYING) /* so that what a driver never wrote to its variables is known (nt/verify/output.h) */
        memset((char *)fiber->base + fiber->size - FILLED, nt_verify_fill_byte(), FILLED);
    fiber->fake_stack = NULL;
    fiber->entry = entry;
    fiber->argument = argument;
    fiber->place = nt_machine_prepare(fiber->base, fiber->size, start);
    return true;
}

void nt_fiber_switch(struct nt_fiber *from, struct nt_fiber *to)
{
    departed = from;
    arrived = to;
    NT_START_SWITCH(&from->fake_stack, to->base, to->size);
    NT_SWITCH_SHADOW(to->shadow);
    nt_machine_switch(&from->place, to->place);
    arrive();
}

_Noreturn void nt_fiber_leave(struct nt_fiber *from, struct nt_fiber *to)
{
    departed = from;
    arrived = to;
    NT_START_SWITCH(NULL, to->base, to->size);
    NT_SWITCH_SHADOW(to->shadow);
    nt_machine_switch(&from->place, to->place);
    abort();
}

size_t nt_fiber_trace(const struct nt_fiber *fiber, const void **frames, size_t room)
{
    const void *frame, *address;
    uintptr_t low = (uintptr_t)fiber->base, high = low + fiber->size;
    size_t count = 0;
    if (fiber->place == NULL || !nt_machine_frame(fiber->place, &frame, &address))
        return 0;
    while (address != NULL && count < room) {
        frames[count++] = address;
        uintptr_t at = (uintptr_t)frame;
        if (at < low || at + 2 * sizeof(void *) > high || at % sizeof(void *) != 0)
            break;
        const void *const *pair = frame;
        low = at + 1; /* frames lie ever higher */
        frame = pair[0];
        address = pair[1];
    }
    return count;
}
