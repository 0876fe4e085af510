/* SPDX-License-Identifier: MIT */
/*
 * fiber_ucontext.c - changes stacks with ucontext, where there is no file for the processor. The context of a fiber
 * that does not run lies on its own stack.
 */
#include "nt/verify/fiber.h"

#include <stdint.h>
#include <ucontext.h>

void nt_machine_switch(void **save, void *load)
{
    ucontext_t here;
    /* cppcheck-suppress autoVariables ; this stack stays as it is until somebody loads the context again */
    *save = &here;
    swapcontext(&here, load);
}

void *nt_machine_prepare(void *base, size_t size, void (*start)(void))
{
    uintptr_t top = ((uintptr_t)base + size - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *context = (ucontext_t *)top;
    getcontext(context);
    context->uc_stack.ss_sp = base;
    context->uc_stack.ss_size = top - (uintptr_t)base;
    context->uc_link = NULL;
    makecontext(context, start, 0);
    return context;
}

bool nt_machine_frame(const void *place, const void **frame, const void **address)
{
    (void)place;
    (void)frame;
    (void)address;
    return false;
}
