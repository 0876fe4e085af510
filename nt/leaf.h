/* SPDX-License-Identifier: MIT */
/*
 * leaf.h - locks that code takes under which a driver or an NT routine may be called (an allocation, a violation).
 *
 * Under the scheduler there is one real thread: the lock is only a count, and while it is not 0 no other fiber gets the
 * turn. So a fiber never stops with such a lock held, and a run that is abandoned leaves none behind. A mutex under
 * which nothing of that kind is called may stay a plain one.
 *
 * A short lock is a leaf that every connection takes several times, for some dozens of instructions: one word, whose
 * release is a plain store. So nobody can be woken by it: who finds it held looks again and again, then now and then.
 */
#ifndef NT_LEAF_H
#define NT_LEAF_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

extern bool nt_scheduling; /* the scheduler runs (nt/verify/scheduler.h) */
extern unsigned nt_leaves; /* leaf locks held under it */

static inline void nt_leaf_lock(pthread_mutex_t *mutex)
{
    if (__builtin_expect(nt_scheduling, 0))
        nt_leaves++;
    else
        pthread_mutex_lock(mutex);
}

static inline void nt_leaf_unlock(pthread_mutex_t *mutex)
{
    if (__builtin_expect(nt_scheduling, 0))
        nt_leaves--;
    else
        pthread_mutex_unlock(mutex);
}

struct nt_short_lock {
    uint32_t held; /* zeroed: free */
};

void nt_short_wait(uint32_t *held); /* host/thread.c: until it is 0, then sets it to 1 */

static inline bool nt_short_try(uint32_t *held)
{
    uint32_t free_state = 0;

    return __atomic_compare_exchange_n(held, &free_state, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void nt_short_acquire(struct nt_short_lock *lock)
{
    if (__builtin_expect(nt_scheduling, 0))
        nt_leaves++;
    else if (!nt_short_try(&lock->held))
        nt_short_wait(&lock->held);
}

static inline void nt_short_release(struct nt_short_lock *lock)
{
    if (__builtin_expect(nt_scheduling, 0))
        nt_leaves--;
    else
        __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
