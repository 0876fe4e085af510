/* SPDX-License-Identifier: MIT */
/*
 * engine_threads.c - include/pthread.h, the monotonic clock and thread-local variables, over Wine's kernel.
 *
 * Everything polls or yields: locks are held for a few instructions, and waits are bounded by their callers.
 * Thread-local: gcc for mingw asks __emutls_get_address, which stands in libgcc on top of user mode.
 */
#include "tests/wine/include/pthread.h"

#include <ntddk.h>

#include <errno.h>
#include <string.h>

#define THREADS_TAG 'TpfW'
#define SECOND      1000000000ll

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    mutex->held = 0;
    return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    while (InterlockedExchange(&mutex->held, 1) != 0)
        (void)ZwYieldExecution();
    return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    (void)InterlockedExchange(&mutex->held, 0);
    return 0;
}

int pthread_condattr_init(pthread_condattr_t *attributes)
{
    *attributes = 0;
    return 0;
}

int pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock)
{
    *attributes = clock;
    return 0;
}

int pthread_condattr_destroy(pthread_condattr_t *attributes)
{
    (void)attributes;
    return 0;
}

int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    (void)attributes;
    condition->moves = 0;
    return 0;
}

int pthread_cond_broadcast(pthread_cond_t *condition)
{
    (void)InterlockedIncrement64(&condition->moves);
    return 0;
}

static BOOLEAN is_past(const struct timespec *deadline)
{
    struct timespec now;

    if (deadline == NULL)
        return FALSE;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec || (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline)
{
    LONG64 seen = InterlockedCompareExchange64(&condition->moves, 0, 0);
    LARGE_INTEGER millisecond = {.QuadPart = -10000};
    int result = 0;

    pthread_mutex_unlock(mutex);
    while (result == 0 && InterlockedCompareExchange64(&condition->moves, 0, 0) == seen) {
        if (is_past(deadline))
            result = ETIMEDOUT;
        else
            (void)KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
    }
    pthread_mutex_lock(mutex);
    return result;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return pthread_cond_timedwait(condition, mutex, NULL);
}

int pthread_once(pthread_once_t *once, void (*routine)(void))
{
    enum { NEW, RUNNING, DONE };

    if (InterlockedCompareExchange(&once->state, RUNNING, NEW) == NEW) {
        routine();
        (void)InterlockedExchange(&once->state, DONE);
    }
    while (InterlockedCompareExchange(&once->state, DONE, DONE) != DONE)
        (void)ZwYieldExecution();
    return 0;
}

pthread_t pthread_self(void)
{
    return (pthread_t)(ULONG_PTR)PsGetCurrentThreadId();
}

int pthread_equal(pthread_t a, pthread_t b)
{
    return a == b;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    LARGE_INTEGER frequency;
    LARGE_INTEGER counter = KeQueryPerformanceCounter(&frequency);
    LONGLONG part = counter.QuadPart % frequency.QuadPart;

    (void)clock;
    now->tv_sec = counter.QuadPart / frequency.QuadPart;
    now->tv_nsec = (long)(part * SECOND / frequency.QuadPart);
    return 0;
}

/* As gcc lays out a thread-local variable that libgcc emulates. */
struct __emutls_object {
    size_t size;
    size_t align;
    void *slots;
    const void *start; /* NULL: zeros */
};

/* One thread's copy. Kept for the next thread with this number: whoever leaves classify leaves zeros. */
struct slot {
    struct slot *next;
    const struct __emutls_object *object;
    pthread_t thread;
    ULONG64 value[2];
};

void *__emutls_get_address(struct __emutls_object *object);

void *__emutls_get_address(struct __emutls_object *object)
{
    static struct slot *volatile slots;
    struct slot *slot = slots;
    struct slot *first;

    while (slot != NULL && (slot->object != object || slot->thread != pthread_self()))
        slot = slot->next;
    if (slot != NULL)
        return slot->value;
    slot = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*slot), THREADS_TAG);
    if (slot == NULL || object->size > sizeof(slot->value) || object->start != NULL)
        KeBugCheckEx(0xE2, (ULONG_PTR)object, object->size, 0, 0);
    RtlZeroMemory(slot, sizeof(*slot));
    slot->object = object;
    slot->thread = pthread_self();
    do {
        first = slots;
        slot->next = first;
    } while (InterlockedCompareExchangePointer((PVOID volatile *)&slots, slot, first) != first);
    return slot->value;
}
