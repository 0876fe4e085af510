/* SPDX-License-Identifier: MIT */
/*
 * worker.h - runs part of a search in a child process: a crash, a hang or an exit costs that child, not the search.
 *
 * Parent and child share a board: how far it got, and what it found. The child may end itself at any place, also in a
 * signal handler, once what it found is on the board.
 */
#ifndef LAB_WORKER_H
#define LAB_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_WORKERS_MAX 8u

struct lab_board {
    uint64_t runs;    /* ended so far; the child counts with lab_board_run_over */
    uint64_t current; /* the run under way */
    uint64_t points;  /* of the scheduler, in all runs */
    uint32_t found;   /* not 0: something stands in data */
    uint32_t size;    /* of data */
    uint8_t data[];
};

enum lab_worker_end {
    LAB_WORKER_ENDED,   /* exit_code */
    LAB_WORKER_CRASHED, /* by signal_number; board->current tells in which run */
    LAB_WORKER_HUNG,    /* no run ended for so long; the child was ended */
    LAB_WORKER_STOPPED, /* the watcher said so */
    LAB_WORKER_FAILED   /* no child could be made */
};

struct lab_worker_result {
    enum lab_worker_end end;
    int exit_code, signal_number;
};

/* Shared memory for data of so many bytes; NULL: none. */
struct lab_board *lab_board_new(size_t data_size);
void lab_board_free(struct lab_board *board);
void lab_board_run_over(struct lab_board *board);

struct lab_worker {
    struct lab_board *board;
    struct lab_worker_result result;
    int pid, handle; /* 0: it does not run */
    uint64_t seen;   /* runs ended, when it was looked at last */
    unsigned quiet;  /* for how many milliseconds none has */
};

/* A child that runs body; its return value is the exit code. false: none could be made. The child leaves interrupts to
 * its parent, and ends with it. */
bool lab_worker_start(struct lab_worker *worker, int (*body)(void *context, struct lab_board *board), void *context);

/* In the parent, a few times a second. false: end the children. */
typedef bool lab_worker_watch(void *context);

/*
 * Waits until a child of these has ended: its index, with its result. count: none runs, or the watcher said so, and
 * then each is ended as LAB_WORKER_STOPPED. hang_ms: how long a run may take. A child that takes longer gets
 * SIGALRM to tell where it is, and a little later SIGKILL.
 */
size_t lab_workers_wait(struct lab_worker *workers, size_t count, lab_worker_watch *watch, void *context,
                        unsigned hang_ms);

/* Ends it, if it runs. */
void lab_worker_stop(struct lab_worker *worker);

/* One child, until it has ended. */
struct lab_worker_result lab_worker_run(struct lab_board *board, int (*body)(void *context, struct lab_board *board),
                                        lab_worker_watch *watch, void *context, unsigned hang_ms);

#endif
