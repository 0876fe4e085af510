/* SPDX-License-Identifier: MIT */
/*
 * fault_stack.h - gives the report of a fault the stack of the faulting instruction, not of the signal handler.
 */
#ifndef LAB_FAULT_STACK_H
#define LAB_FAULT_STACK_H

#include <signal.h>
#include <stdbool.h>

/* In a signal handler of the faulting thread, before its nt_violate: context is the handler's third argument.
 * true: its stack was used up. */
bool lab_fault_about(const siginfo_t *info, const void *context);

#endif
