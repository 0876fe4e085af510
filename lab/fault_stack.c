/* SPDX-License-Identifier: MIT */
/*
 * fault_stack.c - see fault_stack.h.
 *
 * A fault whose address is the program counter is a call of something that is no code: the caller's frame is at the
 * stack pointer. (In code of a plain function the frame pointer is set up; a fault in its first two instructions
 * loses its caller from the stack, no more.)
 */
#define _GNU_SOURCE
#include "lab/fault_stack.h"

#include <string.h>
#include <ucontext.h>

#include "nt/verify/report.h"
#include "nt/verify/stack.h"

static void read_registers(const ucontext_t *context, struct nt_walk *walk)
{
#if defined(__x86_64__)
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    for (unsigned number = 0; number < 16; number++)
        walk->registers[number] = (uintptr_t)context->uc_mcontext.gregs[places[number]];
    walk->pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    walk->known = 0xffff;
#elif defined(__aarch64__)
    walk->registers[NT_X64_RSP] = context->uc_mcontext.sp;
    walk->registers[NT_X64_RBP] = context->uc_mcontext.regs[29];
    walk->pc = context->uc_mcontext.pc;
    walk->known = 1u << NT_X64_RSP | 1u << NT_X64_RBP;
#endif
}

void lab_fault_about(const siginfo_t *info, const void *context)
{
    static __thread struct nt_stack stack;
    struct nt_walk walk;
    memset(&walk, 0, sizeof walk);
    read_registers(context, &walk);
#if defined(__x86_64__) /* elsewhere the caller is in the link register */
    walk.fetch = (info->si_signo == SIGSEGV || info->si_signo == SIGBUS) && (uintptr_t)info->si_addr == walk.pc;
#endif
    nt_stack_take_at(&walk, &stack);
    nt_about_stack(&stack);
}
