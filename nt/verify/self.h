/* SPDX-License-Identifier: MIT */
/*
 * self.h - what the verifier keeps for each thread of the machine, in nt_self, so that it moves with a fiber; and the
 * lock of its tables.
 *
 * Whoever makes a fiber sets stack_low, stack_high and name of its nt_self; everybody else leaves them alone.
 */
#ifndef NT_VERIFY_SELF_H
#define NT_VERIFY_SELF_H

#include <stdbool.h>
#include <stdint.h>

#define NT_HELD_MAX 16u /* locks of one thread that a report names; more are counted only */

struct nt_stack;

struct nt_verify_self {
    uintptr_t stack_low, stack_high; /* where its frames lie; 0: found out when first needed */
    const char *name;                /* of the fiber, as long as it lives; NULL: it has none */
    uint32_t about;                  /* enum nt_beginning, of the next violation */
    uint64_t about_key, about_connection;
    const struct nt_stack *about_stack;
    const void *about_routine;
    uint32_t held;
    uint64_t locks[NT_HELD_MAX]; /* in the order in which they were taken */
};

/* A leaf: held for some dozen instructions, and nothing is called under it. */
static inline void nt_verify_lock(bool *lock)
{
    while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            ;
}

static inline void nt_verify_unlock(bool *lock)
{
    __atomic_clear(lock, __ATOMIC_RELEASE);
}

#endif
