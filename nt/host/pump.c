/* SPDX-License-Identifier: MIT */
/*
 * pump.c - runs timers and work items on the threads that the host gives.
 *
 * No thread of its own, so nothing wakes an idle host. A thread that has pumped, or that is inside
 * a load, an unload or a close while no runner runs, goes on pumping while it waits: timers on its own
 * stack, work items on a helper's (helper.c). One lock guards the timer heap, the work queue and who is to be told of
 * new work.
 */
#include "nt/internal.h"
#include "nt/verify/fibers.h"

#include <semaphore.h>
#include <stdlib.h>

struct sleeper {
    LIST_ENTRY link;
    uint32_t *token;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY work_queue = {&work_queue, &work_queue};
static LIST_ENTRY sleepers = {&sleepers, &sleepers};
static uint64_t armed = NT_NEVER; /* what the host's nt_pump last gave; 0: it is running or was told */
static void (*wake_now)(void *context);
static void *wake_context;

static pthread_t runner;
static bool runner_started;
static uint32_t runner_stop;
static uint32_t *runner_token;
static sem_t runner_ready;

void nt_pump_lock(void)
{
    pthread_mutex_lock(&lock);
}

void nt_pump_unlock(uint64_t due)
{
    void (*wake)(void *context) = NULL;
    void *context = wake_context;
    if (due != NT_NEVER && !nt_scheduling) {
        for (PLIST_ENTRY entry = sleepers.Flink; entry != &sleepers; entry = entry->Flink)
            nt_unpark(CONTAINING_RECORD(entry, struct sleeper, link)->token);
        if (due < armed) {
            armed = due;
            wake = wake_now;
        }
    }
    pthread_mutex_unlock(&lock);
    if (wake != NULL)
        wake(context);
}

void nt_set_pump_wake(void (*wake)(void *context), void *context)
{
    pthread_mutex_lock(&lock);
    wake_now = wake;
    wake_context = context;
    pthread_mutex_unlock(&lock);
}

static struct nt_work *take_work(void)
{
    struct nt_work *work = NULL;
    if (!IsListEmpty(&work_queue)) {
        work = CONTAINING_RECORD(RemoveHeadList(&work_queue), struct nt_work, link);
        __atomic_store_n(&work->queued, false, __ATOMIC_RELEASE); /* read without the lock by IoQueueWorkItem */
    }
    return work;
}

/* Under the scheduler each item brings a worker, which takes the oldest: any order of several is possible. */
static void work_on(void *unused)
{
    struct nt_work *work;
    (void)unused;
    while ((work = take_work()) != NULL)
        work->run(work);
}

bool nt_work_queue(struct nt_work *work)
{
    nt_pump_lock();
    bool accepted = !work->queued;
    if (accepted) {
        __atomic_store_n(&work->queued, true, __ATOMIC_RELEASE);
        InsertTailList(&work_queue, &work->link);
    }
    nt_pump_unlock(accepted ? 0 : NT_NEVER);
    if (accepted && nt_scheduling)
        (void)nt_fiber_start(FIBER_WORKER, NULL, work_on, NULL);
    return accepted;
}

/* Where the stack holds nothing of a driver's, a work item runs on it. */
enum place { OUTSIDE, IN_WAIT };

/* One round; false: there was nothing to do, and *next is when there will be. Leaves the lock held then. */
static bool run_round(enum place place, uint64_t *next)
{
    struct nt_work *work = NULL;
    struct helper *helper = NULL;
    pthread_mutex_lock(&lock);
    bool expired = nt_timers_expire(nt_now());
    if (!IsListEmpty(&work_queue) && (place == OUTSIDE || (helper = nt_helper_take()) != NULL))
        work = take_work();
    *next = nt_timers_next();
    if (!expired && work == NULL)
        return false;
    pthread_mutex_unlock(&lock);
    if (expired)
        nt_dpc_drain();
    if (helper != NULL)
        nt_helper_give(helper, work);
    else if (work != NULL)
        work->run(work);
    return true;
}

uint64_t nt_pump(void)
{
    uint64_t next;
    nt_require_irql("nt_pump", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (nt_scheduling) {
        nt_schedule_settle();
        return nt_timers_next();
    }
    if (!nt_self.pumps) {
        nt_self.pumps = true;
        nt_turn_take();
    }
    pthread_mutex_lock(&lock);
    armed = 0;
    pthread_mutex_unlock(&lock);
    for (;;) {
        if (run_round(OUTSIDE, &next))
            continue;
        if (!nt_turn_wanted())
            break;
        pthread_mutex_unlock(&lock);
        nt_turn_leave();
        nt_turn_take();
    }
    armed = next;
    pthread_mutex_unlock(&lock);
    return next;
}

/* How long a pumping thread may sleep when the next timer is due then. A turned clock is looked at every ms. */
static uint64_t sleep_time(uint64_t next, uint64_t left)
{
    uint64_t time = left;
    if (next != NT_NEVER) {
        uint64_t now = nt_now();
        uint64_t until = next > now ? next - now : 0;
        time = until < UINT64_MAX / 100u ? until * 100u : UINT64_MAX;
        if (!nt_clock_is_real() && time > 1000000u)
            time = 1000000u;
    }
    return time < left ? time : left;
}

static void pump_and_park(enum place place, const uint32_t *flag, uint64_t left)
{
    struct sleeper sleeper = {.token = &nt_self.token};
    uint64_t next;
    if (run_round(place, &next))
        return;
    InsertTailList(&sleepers, &sleeper.link);
    pthread_mutex_unlock(&lock);
    nt_turn_leave();
    if (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
        nt_park(sleep_time(next, left));
    nt_turn_take();
    pthread_mutex_lock(&lock);
    RemoveEntryList(&sleeper.link);
    pthread_mutex_unlock(&lock);
}

static bool sleep_until(enum place place, const uint32_t *flag, const struct nt_deadline *deadline)
{
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
        uint64_t left = nt_deadline_left(deadline);
        if (left == 0)
            break;
        if (nt_self.pumps && nt_self.irql == PASSIVE_LEVEL) {
            pump_and_park(place, flag, left);
        } else {
            nt_turn_leave();
            nt_park(left);
            nt_turn_take();
        }
    }
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

bool nt_sleep_until(const uint32_t *flag, const struct nt_deadline *deadline)
{
    if (nt_scheduling)
        return nt_schedule_flag(flag, deadline->due);
    return sleep_until(IN_WAIT, flag, deadline);
}

static bool runner_runs(void)
{
    return __atomic_load_n(&runner_started, __ATOMIC_ACQUIRE);
}

bool nt_pump_begin(void)
{
    bool before = nt_self.pumps;
    if (!before && !nt_scheduling && !runner_runs()) {
        nt_self.pumps = true;
        nt_turn_take();
    }
    return before;
}

void nt_pump_end(bool before)
{
    if (nt_self.pumps && !before && !nt_scheduling)
        nt_turn_leave();
    nt_self.pumps = before;
}

static void *run(void *unused)
{
    struct nt_deadline never = {NT_NEVER, UINT64_MAX};
    nt_self.pumps = true;
    runner_token = &nt_self.token;
    sem_post(&runner_ready);
    (void)sleep_until(OUTSIDE, &runner_stop, &never);
    return unused;
}

void nt_runner_start(void)
{
    if (runner_runs() || nt_scheduling)
        return;
    runner_stop = 0;
    sem_init(&runner_ready, 0, 0);
    if (pthread_create(&runner, NULL, run, NULL) != 0)
        abort();
    while (sem_wait(&runner_ready) != 0)
        ;
    __atomic_store_n(&runner_started, true, __ATOMIC_RELEASE);
}

void nt_runner_stop(void)
{
    if (!runner_runs())
        return;
    __atomic_store_n(&runner_started, false, __ATOMIC_RELEASE);
    __atomic_store_n(&runner_stop, 1, __ATOMIC_RELEASE);
    nt_unpark(runner_token);
    pthread_join(runner, NULL);
    sem_destroy(&runner_ready);
}

void nt_pump_reset(void)
{
    InitializeListHead(&work_queue);
    armed = NT_NEVER;
}
