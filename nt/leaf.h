/* SPDX-License-Identifier: MIT */
/*
 * leaf.h - locks that code takes under which a driver or an NT routine may be called (an allocation, a violation).
 *
 * Under the scheduler there is one real thread: the lock is only a count, and while it is not 0 no other fiber gets the
 * turn. So a fiber never stops with such a lock held, and a run that is abandoned leaves none behind. A mutex under
 * which nothing of that kind is called may stay a plain one.
 */
#ifndef NT_LEAF_H
#define NT_LEAF_H

#include <pthread.h>
#include <stdbool.h>

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

#endif
