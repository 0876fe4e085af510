/* SPDX-License-Identifier: MIT */
/*
 * worker_test.c - lab/worker.h: whatever a child does, its parent hears of it, and in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/worker.h"

static int finds(void *context, struct lab_board *board)
{
    (void)context;
    for (board->current = 0; board->current < 5; board->current++)
        lab_board_run_over(board);
    memcpy(board->data, "found", 6);
    board->found = 1;
    return 3;
}

static int crashes(void *context, struct lab_board *board)
{
    (void)context;
    board->current = 41;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would end the child otherwise */
    raise(SIGSEGV);
    return 0;
}

static int hangs(void *context, struct lab_board *board)
{
    (void)context, (void)board;
    for (int seconds = 0; seconds < 30; seconds++)
        sleep(1);
    return 0;
}

static int goes_on(void *context, struct lab_board *board)
{
    (void)context;
    for (int i = 0; i < 3000; i++) {
        usleep(10000);
        lab_board_run_over(board);
    }
    return 0;
}

static bool until_a_few(void *context)
{
    const struct lab_board *board = context;

    return board->runs < 5;
}

static void tell(int number)
{
    (void)number;
    _exit(9);
}

static int ends_later(void *context, struct lab_board *board)
{
    (void)context;
    usleep((useconds_t)(100000 * (1 + board->data[0])));
    return board->data[0];
}

static void tells_what_became_of_the_child(void **state)
{
    struct lab_board *board = lab_board_new(64);
    struct lab_worker_result result;

    (void)state;
    assert_non_null(board);
    result = lab_worker_run(board, finds, NULL, NULL, 30000);
    assert_int_equal(result.end, LAB_WORKER_ENDED);
    assert_int_equal(result.exit_code, 3);
    assert_int_equal(board->runs, 5);
    assert_int_equal(board->found, 1);
    assert_string_equal((char *)board->data, "found");

    result = lab_worker_run(board, crashes, NULL, NULL, 30000);
    assert_int_equal(result.end, LAB_WORKER_CRASHED);
    assert_int_equal(result.signal_number, SIGSEGV);
    assert_int_equal(board->current, 41);

    /* SIGALRM ends a child that does not catch it. */
    result = lab_worker_run(board, hangs, NULL, NULL, 300);
    assert_int_equal(result.end, LAB_WORKER_CRASHED);
    assert_int_equal(result.signal_number, SIGALRM);
    /* Here, and so before the child begins, however late that is. */
    signal(SIGALRM, tell);
    result = lab_worker_run(board, hangs, NULL, NULL, 300);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(result.end, LAB_WORKER_ENDED);
    assert_int_equal(result.exit_code, 9);
    board->runs = 0;
    assert_int_equal(lab_worker_run(board, goes_on, until_a_few, board, 30000).end, LAB_WORKER_STOPPED);
    lab_board_free(board);
    lab_board_free(NULL);
}

static void waits_for_several(void **state)
{
    struct lab_worker workers[4] = {{NULL}};
    unsigned ended = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        workers[i].board = lab_board_new(1);
        assert_non_null(workers[i].board);
        workers[i].board->data[0] = (uint8_t)(3 - i);
        assert_true(lab_worker_start(&workers[i], ends_later, NULL));
    }
    for (unsigned number = 0; number < 4; number++) {
        size_t at = lab_workers_wait(workers, 4, NULL, NULL, 20000);
        assert_true(at < 4);
        assert_int_equal(workers[at].result.end, LAB_WORKER_ENDED);
        assert_int_equal(workers[at].result.exit_code, 3 - at);
        assert_int_equal(workers[at].pid, 0);
        ended |= 1u << at;
    }
    assert_int_equal(ended, 15);
    assert_int_equal(lab_workers_wait(workers, 4, NULL, NULL, 1000), 4); /* none runs */

    assert_true(lab_worker_start(&workers[1], goes_on, NULL));
    int pid = workers[1].pid;
    lab_worker_stop(&workers[1]);
    assert_int_equal(workers[1].result.end, LAB_WORKER_STOPPED);
    assert_int_equal(kill(pid, 0), -1);
    for (unsigned i = 0; i < 4; i++)
        lab_board_free(workers[i].board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_became_of_the_child),
        cmocka_unit_test(waits_for_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
