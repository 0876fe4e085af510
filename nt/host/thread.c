/* SPDX-License-Identifier: MIT */
/*
 * thread.c - the per-thread state, and sleeping on a futex.
 *
 * A thread becomes known the first time it does something NT. nt_park has one token a thread: an
 * nt_unpark that comes first is not lost. Raw futexes, because a KSPIN_LOCK has eight bytes and no
 * destructor; all ordering is in __atomic operations, which TSan understands.
 */
#define _GNU_SOURCE
#include "nt/internal.h"
#include "nt/leaf.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread struct nt_thread nt_self;

static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

void nt_thread_forget(void)
{
    if (nt_self.process != NULL)
        nt_object_release(nt_self.process);
    nt_self.process = NULL;
    if (nt_self.object != NULL)
        nt_object_release(nt_self.object);
    nt_self.object = NULL;
    if (nt_self.processor != NULL)
        nt_processor_release(nt_self.processor);
    nt_self.processor = NULL;
}

static void thread_exit(void *unused)
{
    (void)unused;
    nt_turn_thread_exit();
    nt_thread_forget();
}

static void make_exit_key(void)
{
    pthread_key_create(&exit_key, thread_exit);
}

void nt_at_thread_exit(void)
{
    if (nt_scheduling)
        return; /* nt_fiber_exit does it */
    pthread_once(&exit_once, make_exit_key);
    pthread_setspecific(exit_key, &nt_self);
}

uint32_t nt_thread_number(void)
{
    if (nt_self.number == 0)
        nt_self.number = (uint32_t)syscall(SYS_gettid);
    return nt_self.number;
}

void nt_futex_wait(uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
    struct timespec time = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nanoseconds == UINT64_MAX ? NULL : &time, NULL, 0);
}

#define SPINS  200
#define NAP_NS 50000u

void nt_short_wait(uint32_t *held)
{
    for (unsigned spin = 0; __atomic_load_n(held, __ATOMIC_RELAXED) != 0 || !nt_short_try(held); spin++) {
        if (spin < SPINS)
            YieldProcessor();
        else
            nt_futex_wait(held, 1, NAP_NS); /* nobody wakes it: only a nap, which a release before it spares */
    }
}

void nt_futex_wake(uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void nt_park(uint64_t nanoseconds)
{
    if (__atomic_exchange_n(&nt_self.token, 0, __ATOMIC_ACQUIRE) == 0) {
        nt_futex_wait(&nt_self.token, 0, nanoseconds);
        __atomic_exchange_n(&nt_self.token, 0, __ATOMIC_ACQUIRE);
    }
}

void nt_unpark(uint32_t *token)
{
    if (nt_scheduling)
        return; /* nobody is parked: who waits is asked */
    __atomic_store_n(token, 1, __ATOMIC_RELEASE);
    nt_futex_wake(token, 1);
}
