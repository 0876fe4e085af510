/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one thread's waiting: descriptors and times, and what is called when one of them is due. No polling.
 *
 * epoll for descriptors, one timerfd on the clock that counts suspend (CLOCK_BOOTTIME) for all times: what fell due
 * while the machine slept is called when it wakes. A loop has a descriptor itself, so that a program with a loop of
 * its own (a terminal, a web server) waits for it as for any other and then takes a turn. Anything may be added and
 * removed inside a callback. One thread.
 */
#ifndef DESK_LOOP_H
#define DESK_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/result.h"

struct loop;
struct loop_watch;

/* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as they came. */
typedef void loop_ready(void *context, uint32_t events);

/* A time to be called at; the owner's, zeroed, in place until it is cleared. */
struct loop_timer {
    uint64_t when; /* boot time; 0: not set */
    void (*due)(void *context);
    void *context;
    struct loop_timer *next; /* the loop's own */
};

enum agent_result loop_new(struct loop **loop, struct problem *problem);
/* NULL is allowed. What is still watched is forgotten, not closed. */
void loop_free(struct loop *loop);

/* The descriptor stays the caller's, who removes the watch before closing it. */
enum agent_result loop_watch(struct loop *loop, int descriptor, uint32_t events, loop_ready *ready, void *context,
                             struct loop_watch **watch, struct problem *problem);
void loop_watch_change(struct loop_watch *watch, uint32_t events);
/* NULL is allowed. */
void loop_unwatch(struct loop_watch *watch);

/* Sets it anew if it was set. when 0 clears it. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t when);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/* Readable when a turn has something to do. */
int loop_descriptor(const struct loop *loop);
/* Waits until something is due, or for timeout_ms (0: not at all; negative: without end), and calls it. */
void loop_turn(struct loop *loop, int timeout_ms);
/* Turns until loop_end, or a stop is requested (agent/stop.h). */
void loop_run(struct loop *loop);
void loop_end(struct loop *loop);

#endif
