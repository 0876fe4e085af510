/* SPDX-License-Identifier: MIT */
/*
 * worker.c - see worker.h. The parent waits on pidfds, so that a child's end is seen at once.
 */
#include "lab/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WATCH_MS 100
#define TELL_MS  21000u /* for a child that hangs to tell where; its handler has a limit of its own */

struct lab_board *lab_board_new(size_t data_size)
{
    size_t size = sizeof(struct lab_board) + data_size;
    struct lab_board *board = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (board == MAP_FAILED)
        return NULL;
    board->size = (uint32_t)data_size;
    return board;
}

void lab_board_free(struct lab_board *board)
{
    if (board != NULL)
        munmap(board, sizeof(*board) + board->size);
}

void lab_board_run_over(struct lab_board *board)
{
    __atomic_fetch_add(&board->runs, 1, __ATOMIC_RELAXED);
}

/* Reaps it, and sees why it ended; before, kills it if it did not by itself. */
static void end_child(struct lab_worker *worker, enum lab_worker_end end)
{
    int status = 0;

    if (end != LAB_WORKER_ENDED)
        kill(worker->pid, SIGKILL); /* ours: it is not reaped yet */
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (worker->handle > 0)
        close(worker->handle);
    worker->pid = worker->handle = 0;
    worker->result = (struct lab_worker_result){end, 0, 0};
    if (end == LAB_WORKER_ENDED && WIFSIGNALED(status))
        worker->result = (struct lab_worker_result){LAB_WORKER_CRASHED, 0, WTERMSIG(status)};
    else if (end == LAB_WORKER_ENDED)
        worker->result.exit_code = WEXITSTATUS(status);
}

/* Nobody is left behind: it ends with its parent. A terminal interrupts both; the parent tells the child. */
static void be_child(struct lab_worker *worker, pid_t parent, int (*body)(void *context, struct lab_board *board),
                     void *context)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_DFL);
    int code = body(context, worker->board);
    fflush(NULL);
    _exit(code);
}

bool lab_worker_start(struct lab_worker *worker, int (*body)(void *context, struct lab_board *board), void *context)
{
    pid_t parent = getpid();

    fflush(NULL);
    worker->result = (struct lab_worker_result){LAB_WORKER_FAILED, 0, 0};
    worker->handle = 0;
    worker->pid = fork();
    if (worker->pid == 0)
        be_child(worker, parent, body, context);
    if (worker->pid < 0) {
        worker->pid = 0;
        return false;
    }
    worker->handle = (int)syscall(SYS_pidfd_open, worker->pid, 0);
    worker->seen = __atomic_load_n(&worker->board->runs, __ATOMIC_RELAXED);
    worker->quiet = 0;
    if (worker->handle >= 0)
        return true;
    end_child(worker, LAB_WORKER_FAILED);
    return false;
}

/* Whether none of its runs has ended for too long, after it was told so. */
static bool hangs(struct lab_worker *worker, unsigned passed, unsigned hang_ms)
{
    uint64_t runs = __atomic_load_n(&worker->board->runs, __ATOMIC_RELAXED);
    unsigned before = worker->quiet;

    worker->quiet = runs == worker->seen ? before + passed : 0;
    worker->seen = runs;
    if (before < hang_ms && worker->quiet >= hang_ms)
        kill(worker->pid, SIGALRM); /* ours: it is not reaped yet */
    return worker->quiet >= hang_ms && worker->quiet - hang_ms >= TELL_MS;
}

static unsigned milliseconds_since(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)((now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000);
}

static size_t collect_handles(const struct lab_worker *workers, size_t count, struct pollfd *handles)
{
    size_t running = 0;

    for (size_t i = 0; i < count; i++) {
        handles[i] = (struct pollfd){workers[i].pid != 0 ? workers[i].handle : -1, POLLIN, 0};
        running += workers[i].pid != 0;
    }
    return running;
}

void lab_worker_stop(struct lab_worker *worker)
{
    if (worker->pid != 0)
        end_child(worker, LAB_WORKER_STOPPED);
}

size_t lab_workers_wait(struct lab_worker *workers, size_t count, lab_worker_watch *watch, void *context,
                        unsigned hang_ms)
{
    struct pollfd handles[LAB_WORKERS_MAX];
    struct timespec since;

    while (collect_handles(workers, count, handles) != 0) {
        if (watch != NULL && !watch(context)) {
            for (size_t i = 0; i < count; i++)
                lab_worker_stop(&workers[i]);
            break;
        }
        clock_gettime(CLOCK_MONOTONIC, &since);
        (void)poll(handles, count, WATCH_MS); /* an interrupt: looks again */
        for (size_t i = 0; i < count; i++)
            if (workers[i].pid != 0 && (handles[i].revents & POLLIN) != 0) {
                end_child(&workers[i], LAB_WORKER_ENDED);
                return i;
            }
        unsigned passed = milliseconds_since(&since);
        for (size_t i = 0; i < count; i++)
            if (workers[i].pid != 0 && hangs(&workers[i], passed, hang_ms)) {
                end_child(&workers[i], LAB_WORKER_HUNG);
                return i;
            }
    }
    return count;
}

struct lab_worker_result lab_worker_run(struct lab_board *board, int (*body)(void *context, struct lab_board *board),
                                        lab_worker_watch *watch, void *context, unsigned hang_ms)
{
    struct lab_worker worker = {.board = board};

    if (lab_worker_start(&worker, body, context))
        (void)lab_workers_wait(&worker, 1, watch, context, hang_ms);
    return worker.result;
}
