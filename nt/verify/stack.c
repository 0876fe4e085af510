/* SPDX-License-Identifier: MIT */
/*
 * stack.c - see stack.h.
 *
 * The range of a thread's stack is asked from the C library once a thread; a fiber's is set by who made it.
 */
#define _GNU_SOURCE
#include "nt/verify/stack.h"

#include <pthread.h>

#include "nt/foreign.h"
#include "nt/internal.h"

#define CODE_LOWEST  0x10000u
#define CODE_HIGHEST ((uintptr_t)1 << 47)

static nt_foreign_unwind *foreign_unwind;

void nt_set_foreign_unwind(nt_foreign_unwind *unwind)
{
    __atomic_store_n(&foreign_unwind, unwind, __ATOMIC_RELEASE);
}

static void find_stack(struct nt_verify_self *self)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    self->stack_low = self->stack_high = (uintptr_t)__builtin_frame_address(0); /* empty, unless it is found */
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &low, &size) == 0) {
        self->stack_low = (uintptr_t)low;
        self->stack_high = (uintptr_t)low + size;
    }
    pthread_attr_destroy(&attributes);
}

bool nt_walk_read(const struct nt_walk *walk, uintptr_t address, uintptr_t *value)
{
    if (address < walk->low || address >= walk->high || walk->high - address < sizeof *value ||
        address % sizeof *value != 0)
        return false;
    *value = *(const uintptr_t *)address;
    return true;
}

/* A frame is the caller's frame pointer and the return address. */
static inline bool step_frame(struct nt_walk *walk)
{
    uintptr_t frame = walk->registers[NT_X64_RBP];
    if (frame < walk->low || frame >= walk->high || walk->high - frame < 2 * sizeof frame || frame % sizeof frame != 0)
        return false;
    walk->registers[NT_X64_RBP] = ((const uintptr_t *)frame)[0];
    walk->pc = ((const uintptr_t *)frame)[1];
    walk->registers[NT_X64_RSP] = frame + 2 * sizeof frame;
    walk->low = frame + 2 * sizeof frame; /* the next one lies above: a circle ends the walk */
    /* Code without frame pointers may end the chain with a pair of other numbers. */
    return walk->pc >= CODE_LOWEST && walk->pc < CODE_HIGHEST;
}

/* The stack pointer has to rise, so a damaged binary ends the walk too. */
static bool step_foreign(struct nt_walk *walk)
{
    nt_foreign_unwind *unwind = __atomic_load_n(&foreign_unwind, __ATOMIC_ACQUIRE);
    uintptr_t before = walk->registers[NT_X64_RSP];
    if (unwind == NULL || (walk->known & 1u << NT_X64_RSP) == 0 || !unwind(walk))
        return false;
    if (walk->registers[NT_X64_RSP] <= before)
        return false;
    walk->low = walk->registers[NT_X64_RSP];
    return walk->pc != 0;
}

static inline void walk_on(struct nt_walk *walk, struct nt_stack *stack)
{
    uint32_t count = stack->count;
    for (;;) {
        if (NT_IS_FOREIGN(walk->pc)) {
            if (!step_foreign(walk))
                break;
        } else if (!step_frame(walk)) {
            break;
        } else {
            walk->known = 1u << NT_X64_RSP | 1u << NT_X64_RBP;
            walk->exact = false;
        }
        if (count == NT_STACK_MAX)
            break;
        stack->frames[count++] = (const void *)walk->pc;
    }
    stack->count = count;
}

void nt_stack_take_from(const void *frame, struct nt_stack *stack)
{
    struct nt_verify_self *self = &nt_self.verify;
    if (self->stack_high == 0)
        find_stack(self);
    struct nt_walk walk;
    walk.pc = 0;
    walk.exact = walk.fetch = false;
    walk.registers[NT_X64_RBP] = (uintptr_t)frame;
    walk.low = self->stack_low;
    walk.high = self->stack_high;
    stack->count = 0;
    walk_on(&walk, stack);
}

void nt_stack_take(struct nt_stack *stack)
{
    nt_stack_take_from(__builtin_frame_address(0), stack);
}

uintptr_t nt_stack_lowest(void)
{
    return nt_self.verify.stack_low;
}

void nt_stack_take_at(struct nt_walk *walk, struct nt_stack *stack)
{
    struct nt_verify_self *self = &nt_self.verify;
    if (self->stack_high == 0)
        find_stack(self);
    walk->low = self->stack_low;
    walk->high = self->stack_high;
    walk->exact = true;
    stack->frames[0] = (const void *)(walk->pc + 1);
    stack->count = 1;
    if (walk->fetch) {
        if (!nt_walk_read(walk, walk->registers[NT_X64_RSP], &walk->pc))
            return;
        walk->registers[NT_X64_RSP] += sizeof walk->pc;
        walk->exact = false;
        stack->frames[stack->count++] = (const void *)walk->pc;
    }
    walk_on(walk, stack);
}
