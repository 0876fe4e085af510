/* SPDX-License-Identifier: MIT */
/*
 * fiber_x86_64.c - changes stacks: pushes what the System V convention lets a callee keep, and the stack pointer is the
 * place. The floating-point control words stay, nobody here changes them.
 */
#include "nt/verify/fiber.h"

#include <stdint.h>
#include <string.h>

__asm__(".text\n"
        ".p2align 4\n"
        ".globl nt_machine_switch\n"
        ".hidden nt_machine_switch\n"
        ".type nt_machine_switch, @function\n"
        "nt_machine_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size nt_machine_switch, .-nt_machine_switch\n");

enum { SAVED = 6, SAVED_RBP = 5, RETURN = 6 };

void *nt_machine_prepare(void *base, size_t size, void (*start)(void))
{
    uintptr_t top = ((uintptr_t)base + size) & ~(uintptr_t)15;
    /* Saved registers, start, and a return address 0, where unwinders end; start finds the stack as after a call. */
    void **place = (void **)top - (SAVED + 2);
    memset(place, 0, (SAVED + 2) * sizeof *place);
    memcpy(&place[RETURN], &start, sizeof start);
    return place;
}

bool nt_machine_frame(const void *place, const void **frame, const void **address)
{
    const void *const *saved = place;
    *frame = saved[SAVED_RBP];
    *address = saved[RETURN];
    return true;
}
