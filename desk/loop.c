/* SPDX-License-Identifier: MIT */
/*
 * loop.c - see loop.h.
 *
 * A watch that is removed inside a turn stays in memory until the turn's end: events for it may already be in hand.
 */
#define _GNU_SOURCE
#include "desk/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/stop.h"
#include "agent/stop_unix.h"

#define EVENTS_AT_ONCE 32

struct loop_watch {
    struct loop *loop;
    int descriptor;
    loop_ready *ready; /* NULL: removed */
    void *context;
    struct loop_watch *next;
};

struct loop {
    int epoll, timer;
    struct loop_timer *timers;  /* the earliest first */
    struct loop_watch *watches; /* all */
    struct loop_watch *removed;
    uint64_t armed; /* what the timer is set to; 0: it is not */
    bool turning;
    bool ended;
};

static bool watch_stop(struct loop *loop)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int stop = stop_descriptor();

    return stop < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, stop, &event) == 0;
}

static void on_timer(void *context, uint32_t events)
{
    struct loop *loop = context;
    uint64_t count;

    (void)events;
    (void)!read(loop->timer, &count, sizeof(count));
    loop->armed = 0;
}

enum agent_result loop_new(struct loop **loop, struct problem *problem)
{
    struct loop *made = calloc(1, sizeof(*made));
    struct loop_watch *timer;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    made->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (made->epoll < 0 || made->timer < 0 || !watch_stop(made)) {
        problem_set(problem, AGENT_FAILED, "cannot wait for several things at once: %s.", strerror(errno));
        loop_free(made);
        return AGENT_FAILED;
    }
    if (loop_watch(made, made->timer, EPOLLIN, on_timer, made, &timer, problem) != AGENT_OK) {
        loop_free(made);
        return AGENT_FAILED;
    }
    *loop = made;
    return AGENT_OK;
}

static void free_list(struct loop_watch *list)
{
    while (list != NULL) {
        struct loop_watch *next = list->next;

        free(list);
        list = next;
    }
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    free_list(loop->watches);
    free_list(loop->removed);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->timer >= 0)
        close(loop->timer);
    free(loop);
}

enum agent_result loop_watch(struct loop *loop, int descriptor, uint32_t events, loop_ready *ready, void *context,
                             struct loop_watch **watch, struct problem *problem)
{
    struct loop_watch *made = malloc(sizeof(*made));
    struct epoll_event event = {.events = events, .data.ptr = made};

    if (made == NULL || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        problem_set(problem, AGENT_FAILED, "cannot wait for one thing more: %s.", strerror(errno));
        free(made);
        return AGENT_FAILED;
    }
    *made = (struct loop_watch){loop, descriptor, ready, context, loop->watches};
    loop->watches = made;
    *watch = made;
    return AGENT_OK;
}

void loop_watch_change(struct loop_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    (void)epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->descriptor, &event);
}

void loop_unwatch(struct loop_watch *watch)
{
    struct loop_watch **at;

    if (watch == NULL)
        return;
    (void)epoll_ctl(watch->loop->epoll, EPOLL_CTL_DEL, watch->descriptor, NULL);
    for (at = &watch->loop->watches; *at != watch; at = &(*at)->next)
        ;
    *at = watch->next;
    watch->ready = NULL;
    if (!watch->loop->turning) {
        free(watch);
        return;
    }
    watch->next = watch->loop->removed;
    watch->loop->removed = watch;
}

/* Sets the descriptor to the earliest time. */
static void arm(struct loop *loop)
{
    uint64_t when = loop->timers == NULL ? 0 : loop->timers->when;
    struct itimerspec at = {.it_value = {(time_t)(when / CLOCK_SECOND), (long)(when % CLOCK_SECOND * 100)}};

    if (when == loop->armed)
        return;
    loop->armed = when;
    (void)timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    for (struct loop_timer **at = &loop->timers; *at != NULL; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    }
    timer->when = 0;
    arm(loop);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t when)
{
    struct loop_timer **at;

    if (when == timer->when)
        return;
    loop_timer_clear(loop, timer);
    if (when == 0)
        return;
    timer->when = when;
    for (at = &loop->timers; *at != NULL && (*at)->when <= when; at = &(*at)->next)
        ;
    timer->next = *at;
    *at = timer;
    arm(loop);
}

static void call_timers(struct loop *loop)
{
    uint64_t now = clock_boot();

    while (loop->timers != NULL && loop->timers->when <= now) {
        struct loop_timer *timer = loop->timers;

        loop->timers = timer->next;
        timer->when = 0;
        timer->due(timer->context);
    }
    arm(loop);
}

int loop_descriptor(const struct loop *loop)
{
    return loop->epoll;
}

void loop_turn(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, timeout_ms);

    loop->turning = true;
    for (int i = 0; i < count; i++) {
        struct loop_watch *watch = events[i].data.ptr;

        if (watch != NULL && watch->ready != NULL)
            watch->ready(watch->context, events[i].events);
    }
    call_timers(loop);
    loop->turning = false;
    free_list(loop->removed);
    loop->removed = NULL;
}

void loop_run(struct loop *loop)
{
    loop->ended = false;
    while (!loop->ended && !stop_requested())
        loop_turn(loop, -1);
}

void loop_end(struct loop *loop)
{
    loop->ended = true;
}
