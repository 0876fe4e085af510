/* SPDX-License-Identifier: MIT */
/*
 * threads.c - see threads.h.
 */
#include "tests/lib/threads.h"

#include <stdlib.h>
#include <time.h>

#include "nt/verify/scheduler.h"

static unsigned fibers; /* started and not joined; only fibers look at it */

static void on_fiber(void *context)
{
    struct test_thread *thread = context;

    thread->body(thread->argument);
    thread->over = 1;
}

static void *on_thread(void *context)
{
    struct test_thread *thread = context;

    thread->body(thread->argument);
    return NULL;
}

void thread_start(struct test_thread *thread, const char *name, void (*body)(void *argument), void *argument)
{
    *thread = (struct test_thread){.name = name, .body = body, .argument = argument, .fiber = nt_scheduled()};
    if (thread->fiber) {
        fibers++;
        nt_schedule_spawn(name, on_fiber, thread);
    } else if (pthread_create(&thread->thread, NULL, on_thread, thread) != 0) {
        abort();
    }
}

void thread_join(struct test_thread *thread)
{
    if (!thread->fiber) {
        pthread_join(thread->thread, NULL);
        return;
    }
    if (!nt_schedule_wait(&thread->over))
        abort(); /* it waits for ever, which the scheduler reports */
    fibers--;
}

void thread_sleep(uint64_t microseconds)
{
    struct timespec pause = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};

    if (nt_scheduled())
        nt_schedule_sleep(microseconds * 10);
    else
        nanosleep(&pause, NULL);
}

void thread_settle(void)
{
    if (nt_scheduled() && fibers == 0)
        nt_schedule_settle();
}
