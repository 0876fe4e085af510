/* SPDX-License-Identifier: MIT */
/*
 * trap.h - instructions of a driver binary that only a kernel may execute.
 *
 * KeGetCurrentIrql, KeRaiseIrql and KeLowerIrql are inline in a driver: they read and write CR8. In a
 * process these trap; here they become the routines of nt/. KeQueryInterruptTime and KeQuerySystemTime
 * are inline too: they load from a page that a process does not have, and get nt/'s time. Any other fault in a driver's
 * code is told on stderr (driver, section, offset, address), and so is one that the special pool explains, also
 * in a routine that the driver called (where it called from, what it did to which block). Then it takes its usual
 * course.
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

/* A load of a general register from memory. */
struct pe_load {
    unsigned number; /* of the register, as above */
    unsigned width;  /* 4 or 8 bytes */
    unsigned size;   /* of the instruction */
};

/* Pure. false: these bytes are another instruction, or fewer than 16. */
bool pe_trap_decode_load(const uint8_t *code, size_t size, struct pe_load *load);

/* Installs the SIGSEGV handler where it is not; other faults go to the handler there was. Each load calls it. */
void pe_trap_install(void);

#endif
