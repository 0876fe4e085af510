/* SPDX-License-Identifier: MIT */
/*
 * sample.c - see sample.h.
 */
#include "tests/verify/sample.h"

#include <ntifs.h>

/* Behind a call, so that it is no jump and its caller keeps its frame. */
#define STAY() __asm__ volatile("" ::: "memory")
#define FRAME  __attribute__((noinline, noclone))

FRAME void sample_allocates(uint64_t key)
{
    nt_begin(NT_BEGAN_BLOCK, key);
    STAY();
}

FRAME void sample_frees_twice(uint64_t key)
{
    nt_about(NT_BEGAN_BLOCK, key);
    nt_violate("pool-double-free", "ExFreePoolWithTag", "%p was freed before", (void *)(uintptr_t)key);
    STAY();
}

FRAME void sample_takes(uint64_t lock)
{
    nt_begin(NT_BEGAN_LOCK, lock);
    STAY();
}

FRAME void sample_releases(uint64_t lock)
{
    nt_end(NT_BEGAN_LOCK, lock);
    STAY();
}

FRAME void sample_releases_too_much(void)
{
    EX_RUNDOWN_REF protection;
    ExInitializeRundownProtection(&protection);
    ExReleaseRundownProtection(&protection);
    STAY();
}

FRAME void sample_forgets_a_decision(uint64_t operation)
{
    nt_about_connection(operation);
    nt_violate("decision-not-stored", "classifyFn", "it did not know the connection that it held");
    STAY();
}

FRAME void sample_says(const char *detail)
{
    nt_violate("assert", "NT_ASSERT", "%s", detail);
    STAY();
}

FRAME void sample_takes_stack(unsigned depth, struct nt_stack *stack)
{
    if (depth > 1)
        sample_takes_stack(depth - 1, stack);
    else
        nt_stack_take(stack);
    STAY();
}

/* The saved frame pointer leads to itself, then nowhere, while the stack is taken. */
FRAME void sample_takes_stack_of_damaged_frame(struct nt_stack *stack)
{
    uintptr_t *volatile frame = __builtin_frame_address(0);
    uintptr_t saved = *frame;
    *frame = (uintptr_t)frame;
    nt_stack_take(stack);
    *frame = (uintptr_t)0x1234567;
    nt_stack_take(stack);
    *frame = saved;
}

FRAME void sample_faults(void)
{
    int *volatile nowhere = (int *)(uintptr_t)64;
    int *volatile again = nowhere;
    STAY();
    *again = 1;
    STAY();
}

FRAME void sample_calls_null(void)
{
    void (*volatile nothing)(void) = (void (*)(void))(uintptr_t)64;
    nothing();
    STAY();
}
