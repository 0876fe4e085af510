/* SPDX-License-Identifier: MIT */
/*
 * work_test.c - work items that wait: for who waits below them, for each other, beside a host of one thread.
 *
 * Pages: wdm.h IoQueueWorkItem, KeWaitForSingleObject; "System Worker Threads": an item may wait, and others go on.
 * Every wait has a deadline, so that a deadlock fails instead of hanging.
 */
#include "tests/engine/nt/test.h"

#include <pthread.h>
#include <time.h>

#define MS     10000ll
#define ITEMS  6u
#define ROUNDS 200u

static PDEVICE_OBJECT device;
static struct nt_driver *driver;

static VOID unload(PDRIVER_OBJECT object)
{
    UNREFERENCED_PARAMETER(object);
    IoDeleteDevice(device);
}

static NTSTATUS entry(PDRIVER_OBJECT object, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    object->DriverUnload = unload;
    return IoCreateDevice(object, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
}

static int load(void **state)
{
    record_violations(state);
    return NT_SUCCESS(nt_driver_load("work", entry, NULL, 0, &driver)) ? 0 : 1;
}

static int unload_again(void **state)
{
    nt_driver_unload(driver);
    return no_violations_left(state);
}

static NTSTATUS wait_ms(PVOID object, LONGLONG milliseconds)
{
    LARGE_INTEGER timeout = {.QuadPart = -milliseconds * MS};
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
}

static void sleep_ms(LONGLONG milliseconds)
{
    LARGE_INTEGER interval = {.QuadPart = -milliseconds * MS};
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

/* Whoever runs without waiting notes it here: plain, so that TSan sees who runs beside a turn of somebody else. */
static struct {
    unsigned entered, most, total;
} turns;

static void turn_is_mine(void)
{
    turns.entered++;
    turns.total++;
    if (turns.entered > turns.most)
        turns.most = turns.entered;
    for (volatile unsigned spin = 0; spin < 200; spin++)
        ;
    turns.entered--;
}

struct item {
    PIO_WORKITEM work;
    KEVENT *gate; /* taken and given back */
    KEVENT *wanted, *told;
    bool alone; /* no other thread pumps: its turn excludes all others */
    NTSTATUS status;
    KEVENT ended;
};

static VOID item_run(PDEVICE_OBJECT object, PVOID context)
{
    struct item *item = context;
    UNREFERENCED_PARAMETER(object);
    if (item->alone)
        turn_is_mine();
    item->status = STATUS_SUCCESS;
    if (item->wanted != NULL)
        item->status = wait_ms(item->wanted, 30000);
    if (item->gate != NULL && NT_SUCCESS(item->status))
        item->status = wait_ms(item->gate, 30000);
    if (item->gate != NULL && item->status == STATUS_SUCCESS) {
        if (item->alone)
            turn_is_mine();
        KeSetEvent(item->gate, 0, FALSE);
    }
    if (item->told != NULL)
        KeSetEvent(item->told, 0, FALSE);
    if (item->alone)
        turn_is_mine();
    KeSetEvent(&item->ended, 0, FALSE);
}

static void item_start(struct item *item)
{
    item->status = STATUS_PENDING;
    KeInitializeEvent(&item->ended, NotificationEvent, FALSE);
    item->work = IoAllocateWorkItem(device);
    IoQueueWorkItem(item->work, item_run, DelayedWorkQueue, item);
}

/* Waits itself until the item does, on a helper. */
static void item_is_waiting(const struct item *item)
{
    for (int tries = 0; tries < 30000 && item->status == STATUS_PENDING; tries++)
        sleep_ms(1);
    assert_int_equal(item->status, STATUS_SUCCESS); /* as it is set before its wait */
}

static void item_finish(struct item *item)
{
    assert_int_equal(wait_ms(&item->ended, 30000), STATUS_SUCCESS);
    assert_int_equal(item->status, STATUS_SUCCESS);
    IoFreeWorkItem(item->work);
}

/* The thread that pumps holds what the item waits for, and waits itself. */
static void an_item_waits_for_the_thread_that_pumps(void **state)
{
    KEVENT gate;
    struct item item = {.gate = &gate};
    (void)state;
    nt_pump();
    KeInitializeEvent(&gate, SynchronizationEvent, FALSE);
    item_start(&item);
    uint64_t before = nt_now();
    item_is_waiting(&item);
    assert_true(nt_now() - before < 2000 * MS);
    assert_int_equal(KeReadStateEvent(&item.ended), 0);
    KeSetEvent(&gate, 0, FALSE);
    item_finish(&item);
}

/* One that was queued first waits for one that was queued later, down a whole row of them. */
static void items_wait_for_each_other(void **state)
{
    static struct item items[ITEMS];
    static KEVENT told[ITEMS];
    (void)state;
    for (unsigned index = 0; index < ITEMS; index++) {
        KeInitializeEvent(&told[index], NotificationEvent, FALSE);
        items[index] = (struct item){.wanted = index + 1 < ITEMS ? &told[index + 1] : NULL, .told = &told[index]};
    }
    for (unsigned index = 0; index < ITEMS; index++)
        item_start(&items[index]);
    nt_pump(); /* the first runs here and waits; the others run in its wait */
    assert_int_equal(KeReadStateEvent(&items[0].ended), 1);
    for (unsigned index = 0; index < ITEMS; index++)
        item_finish(&items[index]);
}

/* More than there are helpers: those that found none run when one is free. */
static void more_items_wait_than_there_are_helpers(void **state)
{
    static struct item items[40];
    KEVENT gate;
    (void)state;
    nt_pump();
    KeInitializeEvent(&gate, SynchronizationEvent, FALSE);
    for (unsigned index = 0; index < 40; index++) {
        items[index] = (struct item){.gate = &gate};
        item_start(&items[index]);
    }
    sleep_ms(10);
    KeSetEvent(&gate, 0, FALSE);
    for (unsigned index = 0; index < 40; index++)
        item_finish(&items[index]);
}

/* Host and items never run at the same time, wherever they wait. */
static void host_and_items_take_turns(void **state)
{
    static struct item items[ITEMS];
    KEVENT gate;
    (void)state;
    nt_pump();
    memset(&turns, 0, sizeof turns);
    KeInitializeEvent(&gate, SynchronizationEvent, TRUE);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned index = 0; index < ITEMS; index++) {
            items[index] = (struct item){.gate = &gate, .alone = true};
            item_start(&items[index]);
        }
        assert_int_equal(wait_ms(&gate, 30000), STATUS_SUCCESS);
        turn_is_mine();
        if (round % 3 == 0)
            sleep_ms(1); /* the items come and wait for the gate */
        turn_is_mine();
        KeSetEvent(&gate, 0, FALSE);
        turn_is_mine();
        if (round % 2 == 0)
            nt_pump();
        for (unsigned index = 0; index < ITEMS; index++) {
            turn_is_mine();
            item_finish(&items[index]);
        }
    }
    assert_int_equal(turns.most, 1);
    assert_true(turns.total >= ROUNDS * ITEMS * 3);
}

static uint32_t woken;

static void wake(void *context)
{
    __atomic_store_n((uint32_t *)context, 1, __ATOMIC_RELEASE);
}

/* A host that sleeps outside of nt/ is woken for an item that can go on, and nt_pump lets it. */
static void a_sleeping_host_is_woken_for_an_item_that_can_go_on(void **state)
{
    KEVENT gate;
    struct item item = {.gate = &gate};
    (void)state;
    nt_pump();
    KeInitializeEvent(&gate, SynchronizationEvent, FALSE);
    item_start(&item);
    item_is_waiting(&item);
    nt_set_pump_wake(wake, &woken);
    nt_pump();
    __atomic_store_n(&woken, 0, __ATOMIC_RELEASE);
    KeSetEvent(&gate, 0, FALSE);
    for (int tries = 0; tries < 30000 && !__atomic_load_n(&woken, __ATOMIC_ACQUIRE); tries++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_int_equal(__atomic_load_n(&woken, __ATOMIC_ACQUIRE), 1);
    assert_int_equal(KeReadStateEvent(&item.ended), 0);
    nt_pump();
    assert_int_equal(KeReadStateEvent(&item.ended), 1);
    nt_set_pump_wake(NULL, NULL);
    item_finish(&item);
}

static void *pump_and_end(void *unused)
{
    KEVENT gate;
    struct item item = {.gate = &gate};
    (void)unused;
    nt_pump();
    KeInitializeEvent(&gate, SynchronizationEvent, FALSE);
    item_start(&item);
    sleep_ms(2);
    KeSetEvent(&gate, 0, FALSE);
    item_finish(&item);
    return NULL;
}

/* Threads that pump and end give their turn away for good. */
static void pumping_threads_come_and_go(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        pthread_t threads[2];
        for (unsigned index = 0; index < 2; index++)
            assert_int_equal(pthread_create(&threads[index], NULL, pump_and_end, NULL), 0);
        for (unsigned index = 0; index < 2; index++)
            pthread_join(threads[index], NULL);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, load, unload_again)
    const struct CMUnitTest tests[] = {
        TEST(an_item_waits_for_the_thread_that_pumps),
        TEST(items_wait_for_each_other),
        TEST(more_items_wait_than_there_are_helpers),
        TEST(host_and_items_take_turns),
        TEST(a_sleeping_host_is_woken_for_an_item_that_can_go_on),
        TEST(pumping_threads_come_and_go),
    };
    return cmocka_run_group_tests_name("nt work items", tests, NULL, NULL);
}
