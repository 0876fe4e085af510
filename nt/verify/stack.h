/* SPDX-License-Identifier: MIT */
/*
 * stack.h - walks the calling thread's stack, through our code and through that of driver binaries.
 *
 * Our code keeps frame pointers (the whole project is compiled so), so a step is two loads; each frame has to lie in
 * the thread's own stack, above the one before, or the walk ends: a damaged stack gives a short answer. Code of a
 * driver binary keeps none: who loaded it gives the step through it (pe/unwind.h).
 */
#ifndef NT_VERIFY_STACK_H
#define NT_VERIFY_STACK_H

#include "nt/verify/verify.h"

#define NT_X64_RSP 4
#define NT_X64_RBP 5

/* Where a walk stands. x64: all sixteen by Microsoft's numbering (rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5 ...), of
 * which known has a bit each. Elsewhere: 4 and 5 are the stack and the frame pointer. */
struct nt_walk {
    uintptr_t pc;
    uintptr_t registers[16];
    uint32_t known;
    bool exact;          /* pc is the next instruction (a fault), not where a call returns to */
    bool fetch;          /* pc itself could not be fetched: its routine has not begun, and rsp names its caller */
    uintptr_t low, high; /* the stack: nothing outside may be read */
};

/* One step out of a routine of a driver binary: pc and registers become the caller's. false: it cannot be said. It runs
 * in signal handlers too. */
typedef bool nt_foreign_unwind(struct nt_walk *walk);
void nt_set_foreign_unwind(nt_foreign_unwind *unwind); /* NULL: walks end there */

/* From the frame with this address: the caller of its function is the first. */
void nt_stack_take_from(const void *frame, struct nt_stack *stack);

/* From a state that a signal handler found; low and high are filled in here. The first frame is the
 * byte behind its pc, so that all frames are alike: the place meant lies before them. */
void nt_stack_take_at(struct nt_walk *walk, struct nt_stack *stack);

/* As nt_begin, with a stack that is not the caller's. */
void nt_begin_at(enum nt_beginning what, uint64_t key, const struct nt_stack *stack);

/* Room for a step out of code without frame pointers: *value is the word at address. false: outside the stack. */
bool nt_walk_read(const struct nt_walk *walk, uintptr_t address, uintptr_t *value);

/* Of this thread's or fiber's stack; 0: nobody asked for a stack yet. */
uintptr_t nt_stack_lowest(void);

#endif
