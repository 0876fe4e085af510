/* SPDX-License-Identifier: MIT */
/*
 * loop.c - epoll, level-triggered: what one ready() leaves unread comes again in the next turn.
 */
#include "host/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int loop_open(struct loop *loop)
{
    loop->batch_size = 0;
    loop->sleeping = NULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

static int loop_control(struct loop *loop, int operation, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
    return loop_control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
    return loop_control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    loop_control(loop, EPOLL_CTL_DEL, source, 0);
    for (unsigned i = 0; i < loop->batch_size; i++) {
        if (loop->batch[i] == source)
            loop->batch[i] = NULL;
    }
}

int loop_turn(struct loop *loop, bool wait)
{
    struct epoll_event events[64];

    if (loop->sleeping)
        loop->sleeping(loop->sleeping_context, true);
    int count = epoll_wait(loop->epoll_fd, events, 64, wait ? -1 : 0);
    int failed = count < 0 ? errno : 0;
    if (loop->sleeping)
        loop->sleeping(loop->sleeping_context, false);
    if (failed)
        return failed == EINTR ? 0 : -failed;
    for (int i = 0; i < count; i++)
        loop->batch[i] = events[i].data.ptr;
    loop->batch_size = (unsigned)count;
    for (int i = 0; i < count; i++) {
        struct loop_source *source = loop->batch[i];
        if (source)
            source->ready(source->context, events[i].events);
    }
    loop->batch_size = 0;
    return count;
}
