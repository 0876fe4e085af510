/* SPDX-License-Identifier: MIT */
/*
 * fault_registers.h - the registers that a signal handler is given, for a walk of the stack. One file a processor.
 */
#ifndef LAB_FAULT_REGISTERS_H
#define LAB_FAULT_REGISTERS_H

#include "nt/verify/stack.h"

/* context is the handler's third argument. Fills pc, registers and known; true: the return address of a call that
 * failed to fetch its first instruction lies at the stack pointer. */
bool lab_fault_registers(const void *context, struct nt_walk *walk);

#endif
