/* SPDX-License-Identifier: MIT */
/*
 * process_ends.c - see process_ends.h.
 *
 * A process that is gone before its pidfd is opened is told in the next turn: an eventfd stands for it.
 */
#include "host/process_ends.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ntddk.h>
#include "host/hash_table.h"
#include "nt/nt.h"

#define BATCH 64

struct process {
    uint64_t id, start;
    int fd;
    UT_hash_handle hh;
};

struct process_ends {
    int epoll_fd;
    unsigned room; /* processes; the descriptors are needed elsewhere too */
    struct process *processes;
};

/* How many descriptors may be taken: half of what this process may have, after asking for more. */
static unsigned find_room(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < 2 * PROCESS_ENDS_MAX) {
        rlim_t wanted = limit.rlim_max < 2 * PROCESS_ENDS_MAX ? limit.rlim_max : 2 * PROCESS_ENDS_MAX;

        if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){wanted, limit.rlim_max}) == 0)
            limit.rlim_cur = wanted;
    }
    return limit.rlim_cur / 2 < PROCESS_ENDS_MAX ? (unsigned)(limit.rlim_cur / 2) : PROCESS_ENDS_MAX;
}

struct process_ends *process_ends_new(void)
{
    struct process_ends *ends = calloc(1, sizeof(*ends));

    if (ends == NULL)
        return NULL;
    ends->room = find_room();
    ends->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ends->epoll_fd >= 0)
        return ends;
    free(ends);
    return NULL;
}

static struct process *process_find(const struct process_ends *ends, uint64_t id)
{
    struct process *process;

    HASH_FIND(hh, ends->processes, &id, sizeof(id), process);
    return process;
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
    struct process *process;

    if (ends == NULL || process_id == 0)
        return;
    if (process_find(ends, process_id) != NULL || HASH_COUNT(ends->processes) >= ends->room)
        return;
    process = calloc(1, sizeof(*process));
    if (process == NULL)
        return;
    process->id = process_id;
    process->start = start;
    process->fd = end_open(process_id);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = process_id};
    if (process->fd < 0 || epoll_ctl(ends->epoll_fd, EPOLL_CTL_ADD, process->fd, &event) < 0) {
        if (process->fd >= 0)
            close(process->fd);
        free(process);
        return;
    }
    HASH_ADD(hh, ends->processes, id, sizeof(process->id), process);
    if (process->hh.tbl == NULL) {
        close(process->fd);
        free(process);
    }
}

void process_ends_tell(struct process_ends *ends)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(ends->epoll_fd, events, BATCH, 0);

    for (int i = 0; i < count; i++) {
        uint64_t id = events[i].data.u64;
        struct process *process = process_find(ends, id);

        if (process == NULL)
            continue;
        uint64_t start = process->start;
        process_forget(ends, process);
        nt_process_ended(id, start);
    }
}
