/* SPDX-License-Identifier: MIT */
/*
 * process_ends.c - see process_ends.h.
 *
 * A process that is gone before its pidfd is opened is told in the next turn: an eventfd stands for it.
 */
#include "host/process_ends.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ntddk.h>
#include <uthash.h>

#include "nt/nt.h"

#define BATCH 64

struct process {
    uint64_t id, start;
    int fd;
    UT_hash_handle hh;
};

struct process_ends {
    int epoll_fd;
    struct process *processes;
};

struct process_ends *process_ends_new(void)
{
    struct process_ends *ends = calloc(1, sizeof(*ends));

    if (ends == NULL)
        return NULL;
    ends->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ends->epoll_fd >= 0)
        return ends;
    free(ends);
    return NULL;
}

static void process_forget(struct process_ends *ends, struct process *process)
{
    HASH_DEL(ends->processes, process);
    close(process->fd);
    free(process);
}

void process_ends_free(struct process_ends *ends)
{
    struct process *process, *next;

    if (ends == NULL)
        return;
    HASH_ITER(hh, ends->processes, process, next)
    {
        process_forget(ends, process);
    }
    close(ends->epoll_fd);
    free(ends);
}

int process_ends_fd(const struct process_ends *ends)
{
    return ends->epoll_fd;
}

/* Readable when the process has ended; -1: none to be had. */
static int end_open(uint64_t process_id)
{
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)process_id, 0);

    return fd < 0 && errno == ESRCH ? eventfd(1, EFD_CLOEXEC) : fd;
}

void process_ends_watch(struct process_ends *ends, uint64_t process_id, uint64_t start)
{
    struct process *process = NULL;

    if (ends == NULL || process_id == 0)
        return;
    HASH_FIND(hh, ends->processes, &process_id, sizeof(process_id), process);
    if (process != NULL || HASH_COUNT(ends->processes) >= PROCESS_ENDS_MAX)
        return;
    process = calloc(1, sizeof(*process));
    if (process == NULL)
        return;
    process->id = process_id;
    process->start = start;
    process->fd = end_open(process_id);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = process};
    if (process->fd < 0 || epoll_ctl(ends->epoll_fd, EPOLL_CTL_ADD, process->fd, &event) < 0) {
        if (process->fd >= 0)
            close(process->fd);
        free(process);
        return;
    }
    HASH_ADD(hh, ends->processes, id, sizeof(process->id), process);
}

void process_ends_tell(struct process_ends *ends)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(ends->epoll_fd, events, BATCH, 0);

    for (int i = 0; i < count; i++) {
        struct process *process = events[i].data.ptr;
        uint64_t id = process->id, start = process->start;

        process_forget(ends, process);
        nt_process_ended(id, start);
    }
}
