/* SPDX-License-Identifier: MIT */
/*
 * threads.h - threads of a test: pthreads, or fibers when the caller is one (nt/verify/scheduler.h).
 *
 * So that one test runs on real threads and in thousands of orders that a seed chooses.
 */
#ifndef TESTS_LIB_THREADS_H
#define TESTS_LIB_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct test_thread {
    const char *name; /* the caller's */
    void (*body)(void *argument);
    void *argument;
    uint32_t over;
    bool fiber;
    pthread_t thread;
};

/* *thread stays until it was joined. */
void thread_start(struct test_thread *thread, const char *name, void (*body)(void *argument), void *argument);
void thread_join(struct test_thread *thread);

/* Of real time, or of the scheduler's. */
void thread_sleep(uint64_t microseconds);

/* On a fiber, with no other thread of the test: until nothing moves any more. Else nothing. */
void thread_settle(void);

#endif
