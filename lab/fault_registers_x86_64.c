/* SPDX-License-Identifier: MIT */
/*
 * fault_registers_x86_64.c - see fault_registers.h.
 */
#define _GNU_SOURCE
#include "lab/fault_registers.h"

#include <ucontext.h>

bool lab_fault_registers(const void *context, struct nt_walk *walk)
{
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const ucontext_t *machine = context;
    for (unsigned number = 0; number < 16; number++)
        walk->registers[number] = (uintptr_t)machine->uc_mcontext.gregs[places[number]];
    walk->pc = (uintptr_t)machine->uc_mcontext.gregs[REG_RIP];
    walk->known = 0xffff;
    return true;
}
