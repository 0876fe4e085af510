/* SPDX-License-Identifier: MIT */
/*
 * trap.h - instructions of a driver binary that only a kernel may execute.
 *
 * KeGetCurrentIrql, KeRaiseIrql and KeLowerIrql are inline in a driver: they read and write CR8. In a
 * process these trap; here they become the routines of nt/. Any other fault in a driver's code is
 * told on stderr (driver, section, offset, address) and then takes its usual course.
 */
#ifndef PE_TRAP_H
#define PE_TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A mov between CR8 and a general register. */
struct pe_cr8_move {
    bool write;      /* to CR8 */
    unsigned number; /* of the register: 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 r8 ... 15 r15 */
    unsigned size;   /* of the instruction, in bytes */
};

/* Pure. false: these bytes are another instruction. */
bool pe_trap_decode(const uint8_t *code, size_t size, struct pe_cr8_move *move);

/* Installs the SIGSEGV handler where it is not; other faults go to the handler there was. Each load calls it. */
void pe_trap_install(void);

#endif
