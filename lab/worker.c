/* SPDX-License-Identifier: MIT */
/*
 * worker.c - see worker.h. The parent waits on a pidfd, so that a child's end is seen at once.
 */
#include "lab/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCH_MS 100

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

/* What the child leaves when the parent has gone is nobody's: it ends with it. */
static void child(struct lab_board *board, int (*body)(void *context, struct lab_board *board), void *context)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int code = body(context, board);
    fflush(NULL);
    _exit(code);
}

static struct lab_worker_result reap(pid_t pid, enum lab_worker_end end)
{
    struct lab_worker_result result = {end, 0, 0};
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (end != LAB_WORKER_ENDED)
        return result;
    if (WIFSIGNALED(status)) {
        result.end = LAB_WORKER_CRASHED;
        result.signal_number = WTERMSIG(status);
    } else {
        result.exit_code = WEXITSTATUS(status);
    }
    return result;
}

/* Until the child has ended, is to end, or has ended no run for too long. */
static enum lab_worker_end watch_child(int handle, const struct lab_board *board, lab_worker_watch *watch,
                                       void *context, unsigned hang_ms)
{
    struct pollfd ended = {handle, POLLIN, 0};
    uint64_t seen = __atomic_load_n(&board->runs, __ATOMIC_RELAXED);
    unsigned quiet = 0;

    for (;;) {
        if (poll(&ended, 1, WATCH_MS) > 0)
            return LAB_WORKER_ENDED;
        uint64_t runs = __atomic_load_n(&board->runs, __ATOMIC_RELAXED);
        quiet = runs == seen ? quiet + WATCH_MS : 0;
        seen = runs;
        if (quiet >= hang_ms)
            return LAB_WORKER_HUNG;
        if (watch != NULL && !watch(context, board))
            return LAB_WORKER_STOPPED;
    }
}

struct lab_worker_result lab_worker_run(struct lab_board *board, int (*body)(void *context, struct lab_board *board),
                                        lab_worker_watch *watch, void *context, unsigned hang_ms)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(board, body, context);
    if (pid < 0)
        return (struct lab_worker_result){LAB_WORKER_FAILED, 0, 0};
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    enum lab_worker_end end = LAB_WORKER_FAILED;
    if (handle >= 0) {
        end = watch_child(handle, board, watch, context, hang_ms);
        close(handle);
    }
    if (end != LAB_WORKER_ENDED)
        kill(pid, SIGKILL); /* ours: it is not reaped yet */
    return reap(pid, end);
}
