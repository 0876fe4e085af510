/* SPDX-License-Identifier: MIT */
/*
 * fault_stack.c - see fault_stack.h.
 *
 * A fault whose address is the program counter is a call of something that is no code: the caller's frame is at the
 * stack pointer. (In code of a plain function the frame pointer is set up; a fault in its first two instructions
 * loses its caller from the stack, no more.)
 */
#include "lab/fault_stack.h"

#include <string.h>

#include "lab/fault_registers.h"
#include "nt/verify/report.h"

/* What a plain function may use below its stack pointer, and a little. */
#define BELOW ((uintptr_t)256)

bool lab_fault_about(const siginfo_t *info, const void *context)
{
    static __thread struct nt_stack stack;
    struct nt_walk walk;
    memset(&walk, 0, sizeof walk);
    bool call_on_stack = lab_fault_registers(context, &walk);
    walk.fetch =
        call_on_stack && (info->si_signo == SIGSEGV || info->si_signo == SIGBUS) && (uintptr_t)info->si_addr == walk.pc;
    uintptr_t pointer = (walk.known & 1u << NT_X64_RSP) != 0 ? walk.registers[NT_X64_RSP] : UINTPTR_MAX;
    nt_stack_take_at(&walk, &stack);
    nt_about_stack(&stack);
    uintptr_t low = nt_stack_lowest();
    return info->si_signo == SIGSEGV && low != 0 && pointer < low + BELOW;
}
