/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one thread that waits for many descriptors.
 *
 * A host has one thread: the queue, the clients and the driver's timers take turns in it, so
 * nothing in host/ needs a lock. It sleeps in epoll_wait with no time-out; a wake-up always has a cause.
 */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Something to wait for. Owned by the caller, which keeps it in place until loop_remove. */
struct loop_source {
    int fd;
    void (*ready)(void *context, uint32_t events); /* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
    void *context;
};

struct loop {
    int epoll_fd;
    struct loop_source *batch[64]; /* sources of the wake-up being handled; a removed one is cleared here */
    unsigned batch_size;
    void (*sleeping)(void *context, bool sleeps); /* around each wait; NULL after loop_open: nobody needs to know */
    void *sleeping_context;
};

/* All return 0 or -errno. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);

/* Safe from inside any ready(): the source's own, or one that comes later in the same wake-up. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Waits (or only looks, when wait is false) and calls ready for each. Returns how many, or -errno. */
int loop_turn(struct loop *loop, bool wait);

#endif
