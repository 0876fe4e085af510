/* SPDX-License-Identifier: MIT */
/*
 * pthread.h - the part of POSIX threads that wfp/ uses, over Wine's kernel (tests/wine/engine_threads.c).
 *
 * Only for the engine in fwpkclnt.sys: a waiter polls, which suits a host whose IRQL is always PASSIVE_LEVEL.
 */
#ifndef TESTS_WINE_PTHREAD_H
#define TESTS_WINE_PTHREAD_H

#include <time.h>

typedef struct {
    volatile long held;
} pthread_mutex_t;
typedef struct {
    volatile long long moves;
} pthread_cond_t;
typedef struct {
    volatile long state;
} pthread_once_t;
typedef int pthread_mutexattr_t;
typedef int pthread_condattr_t;
typedef unsigned long long pthread_t;

/* All zeros, which is also what static memory starts as. */
#define PTHREAD_MUTEX_INITIALIZER                                                                                      \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define PTHREAD_ONCE_INIT                                                                                              \
    {                                                                                                                  \
        0                                                                                                              \
    }

/* All return 0, but for ETIMEDOUT of timedwait. */
int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_condattr_init(pthread_condattr_t *attributes);
int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock);
int pthread_condattr_destroy(pthread_condattr_t *attributes);
int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int pthread_cond_broadcast(pthread_cond_t *condition);
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline);
int pthread_once(pthread_once_t *once, void (*routine)(void));
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);

#endif
