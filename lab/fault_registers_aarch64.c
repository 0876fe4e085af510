/* SPDX-License-Identifier: MIT */
/*
 * fault_registers_aarch64.c - see fault_registers.h. A call leaves its return address in a register here.
 */
#define _GNU_SOURCE
#include "lab/fault_registers.h"

#include <ucontext.h>

bool lab_fault_registers(const void *context, struct nt_walk *walk)
{
    const ucontext_t *machine = context;
    walk->registers[NT_X64_RSP] = machine->uc_mcontext.sp;
    walk->registers[NT_X64_RBP] = machine->uc_mcontext.regs[29];
    walk->pc = machine->uc_mcontext.pc;
    walk->known = 1u << NT_X64_RSP | 1u << NT_X64_RBP;
    return false;
}
