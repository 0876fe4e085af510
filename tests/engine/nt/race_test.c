/* SPDX-License-Identifier: MIT */
/*
 * race_test.c - many threads against one driver: each IRP ends once, whoever wins. Meant for TSan.
 *
 * Also measures what one device control costs, and prints it.
 */
#include "tests/engine/nt/test.h"
#include "tests/lib/echo_driver.h"

#include <pthread.h>

#define TURNS 2000

static const struct nt_caller administrator = {1, TRUE};
static struct nt_file *shared_file;
static LONG started, ended;

static void count_end(void *context, NTSTATUS status, const void *output, size_t information)
{
    (void)output;
    (void)information;
    if (InterlockedIncrement((LONG *)context) != 1 || (status != STATUS_SUCCESS && status != STATUS_CANCELLED))
        nt_violate("test", "count_end", "a call ended twice or with 0x%08X", (unsigned)status);
    InterlockedIncrement(&ended);
}

/* Waits, and cancels every second of its own. */
static void *wait_and_cancel(void *unused)
{
    static LONG ends[2][TURNS];
    LONG *mine = ends[InterlockedIncrement(&started) - 1];
    for (int turn = 0; turn < TURNS; turn++) {
        struct nt_call *call;
        nt_device_control(shared_file, ECHO_WAIT, NULL, 0, 8, count_end, &mine[turn], &call);
        if (turn % 2 == 0)
            nt_call_cancel(call);
        nt_call_put(call);
    }
    return unused;
}

static void *release_some(void *unused)
{
    for (int turn = 0; turn < TURNS; turn++)
        nt_device_control_wait(shared_file, ECHO_RELEASE, "x", 1, NULL, 0, NULL, 30000);
    return unused;
}

/* "Canceling IRPs": release, cancel and close race for each IRP; one wins. */
static void each_irp_ends_once(void **state)
{
    pthread_t threads[4];
    struct nt_driver *driver = NULL;
    (void)state;
    nt_runner_start();
    assert_int_equal(nt_driver_load("echo", echo_driver_entry, NULL, 0, &driver), STATUS_SUCCESS);
    assert_int_equal(nt_file_open("\\\\.\\Echo", GENERIC_READ | GENERIC_WRITE, &administrator, &shared_file),
                     STATUS_SUCCESS);
    for (int index = 0; index < 4; index++)
        assert_int_equal(pthread_create(&threads[index], NULL, index < 2 ? wait_and_cancel : release_some, NULL), 0);
    for (int index = 0; index < 4; index++)
        pthread_join(threads[index], NULL);
    nt_file_close(shared_file);
    assert_int_equal(ReadAcquire(&ended), 2 * TURNS);
    nt_driver_unload(driver);
    nt_runner_stop();
}

static void *work_and_timers(void *unused)
{
    char byte;
    for (int turn = 0; turn < 200; turn++) {
        nt_device_control_wait(shared_file, ECHO_WORK, "w", 1, &byte, 1, NULL, 30000);
        nt_device_control_wait(shared_file, ECHO_ARM, NULL, 0, NULL, 0, NULL, 30000);
    }
    return unused;
}

/* Work items and timers from several threads, with a runner. */
static void work_items_race(void **state)
{
    pthread_t threads[3];
    struct nt_driver *driver = NULL;
    (void)state;
    nt_runner_start();
    assert_int_equal(nt_driver_load("echo", echo_driver_entry, NULL, 0, &driver), STATUS_SUCCESS);
    assert_int_equal(nt_file_open("\\\\.\\Echo", GENERIC_READ, &administrator, &shared_file), STATUS_SUCCESS);
    for (int index = 0; index < 3; index++)
        assert_int_equal(pthread_create(&threads[index], NULL, work_and_timers, NULL), 0);
    for (int index = 0; index < 3; index++)
        pthread_join(threads[index], NULL);
    nt_file_close(shared_file);
    nt_driver_unload(driver);
    nt_runner_stop();
}

static void ignore_end(void *context, NTSTATUS status, const void *output, size_t information)
{
    (void)context;
    (void)status;
    (void)output;
    (void)information;
}

static void print_cost(const char *what, uint64_t from, unsigned turns)
{
    print_message("%s: %.0f ns\n", what, (double)(nt_now() - from) * 100.0 / turns);
}

static void costs_are_printed(void **state)
{
    enum { MANY = 200000 };
    struct nt_driver *driver = NULL;
    struct nt_call *call;
    KSPIN_LOCK lock;
    KIRQL irql;
    (void)state;
    assert_int_equal(nt_driver_load("echo", echo_driver_entry, NULL, 0, &driver), STATUS_SUCCESS);
    assert_int_equal(nt_file_open("\\\\.\\Echo", GENERIC_READ, &administrator, &shared_file), STATUS_SUCCESS);
    uint64_t from = nt_now();
    for (unsigned turn = 0; turn < MANY; turn++)
        nt_device_control(shared_file, ECHO_NOW, "12345678", 8, 8, ignore_end, NULL, NULL);
    print_cost("device control, completed at once", from, MANY);
    from = nt_now();
    for (unsigned turn = 0; turn < MANY; turn++) {
        nt_device_control(shared_file, ECHO_WAIT, NULL, 0, 8, ignore_end, NULL, &call);
        nt_call_cancel(call);
        nt_call_put(call);
    }
    print_cost("device control, pended and cancelled", from, MANY);
    KeInitializeSpinLock(&lock);
    from = nt_now();
    for (unsigned turn = 0; turn < MANY; turn++) {
        KeAcquireSpinLock(&lock, &irql);
        KeReleaseSpinLock(&lock, irql);
    }
    print_cost("spin lock, acquired and released", from, MANY);
    from = nt_now();
    for (unsigned turn = 0; turn < MANY; turn++)
        ExFreePoolWithTag(ExAllocatePool2(POOL_FLAG_NON_PAGED, 256, 'tseT'), 'tseT');
    print_cost("pool, allocated and freed", from, MANY);
    nt_file_close(shared_file);
    nt_driver_unload(driver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {nt_test(each_irp_ends_once), nt_test(work_items_race),
                                       nt_test(costs_are_printed)};
    return cmocka_run_group_tests_name("nt races", tests, NULL, NULL);
}
