/* SPDX-License-Identifier: MIT */
/*
 * unload_rules_test.c - what a driver leaves behind is named, with where it was made; and what runs after its end.
 *
 * Pages: "Writing an Unload Routine"; Driver Verifier, "Pool Tracking" and "Automatic Checks".
 */
#include "tests/engine/nt/rules.h"

#include <pthread.h>

#define TAG 'tfeL'

static int setup(void **state)
{
    memset(&small, 0, sizeof small);
    return rules_setup(state);
}

static PVOID left_blocks[6];

static PVOID allocate_here(void)
{
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG);
}

static VOID leave_pool(PDEVICE_OBJECT device)
{
    (void)device;
    for (int index = 0; index < 5; index++)
        left_blocks[index] = allocate_here();
    left_blocks[5] = allocate_here();
}

/* One report for each place, with how much it left. */
static void pool_is_named_by_the_place_it_came_from(void **state)
{
    (void)state;
    nt_driver_unload(small_load());
    violations_none();
    small.unload = leave_pool;
    nt_driver_unload(small_load());
    assert_int_equal(violations_seen.count, 2);
    assert_string_equal(violations_seen.rule, "left-pool");
    assert_int_equal(last_report.began_what, NT_BEGAN_BLOCK);
    assert_true(strstr(violations_seen.detail, "5 blocks, 50 bytes") != NULL ||
                strstr(violations_seen.detail, "1 blocks, 10 bytes") != NULL);
    for (int index = 0; index < 6; index++)
        ExFreePoolWithTag(left_blocks[index], TAG);
    violations_record();
}

static KTIMER timer;

static VOID leave_timer(PDEVICE_OBJECT device)
{
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    (void)device;
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, hour, NULL);
}

static VOID leave_timer_in_extension(PDEVICE_OBJECT device)
{
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    PKTIMER inside = device->DeviceExtension;
    KeInitializeTimer(inside);
    KeSetTimer(inside, hour, NULL);
}

/* "Using Timer Objects". */
static void a_timer_is_cancelled_before(void **state)
{
    (void)state;
    small.unload = leave_timer;
    nt_driver_unload(small_load());
    broken("left-timer", NT_BEGAN_OBJECT);
    small.unload = leave_timer_in_extension;
    nt_driver_unload(small_load());
    broken("left-timer", NT_BEGAN_OBJECT);
    assert_true(nt_pump() == NT_NEVER);
}

static unsigned items_run;

static VOID count_item(PDEVICE_OBJECT device, PVOID context)
{
    (void)device, (void)context;
    items_run++;
}

static PIO_WORKITEM item;

static VOID leave_item(PDEVICE_OBJECT device)
{
    item = IoAllocateWorkItem(device);
}

static VOID leave_queued_item(PDEVICE_OBJECT device)
{
    item = IoAllocateWorkItem(device);
    IoQueueWorkItem(item, count_item, DelayedWorkQueue, NULL);
}

/* "System Worker Threads": the routine would run code that is gone. */
static void a_work_item_is_gone_before(void **state)
{
    (void)state;
    small.unload = leave_item;
    nt_driver_unload(small_load());
    broken("left-work-item", NT_BEGAN_OBJECT);
    IoFreeWorkItem(item);
    small.unload = leave_queued_item;
    nt_driver_unload(small_load());
    broken("left-work-item", NT_BEGAN_OBJECT);
    nt_pump();
    broken("code-after-unload", NT_BEGAN_OBJECT);
    assert_int_equal(items_run, 0);
    IoFreeWorkItem(item);
}

static KEVENT stop;
static KEVENT stopped;

static VOID run_until_stopped(PVOID context)
{
    (void)context;
    KeWaitForSingleObject(&stop, Executive, KernelMode, FALSE, NULL);
    KeSetEvent(&stopped, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static PVOID start_thread(void)
{
    HANDLE handle;
    PVOID thread;
    KeInitializeEvent(&stop, NotificationEvent, FALSE);
    KeInitializeEvent(&stopped, NotificationEvent, FALSE);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run_until_stopped, NULL);
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    return thread;
}

static PVOID left_thread;

static VOID leave_thread(PDEVICE_OBJECT device)
{
    (void)device;
    left_thread = start_thread();
}

static VOID end_thread(PDEVICE_OBJECT device)
{
    PVOID thread = start_thread();
    (void)device;
    KeSetEvent(&stop, 0, FALSE);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
}

/* "Device-Dedicated Threads": DriverUnload waits for the thread object. */
static void a_thread_has_ended_before(void **state)
{
    (void)state;
    small.unload = end_thread;
    nt_driver_unload(small_load());
    violations_none();
    small.unload = leave_thread;
    nt_driver_unload(small_load());
    broken("left-thread", NT_BEGAN_OBJECT);
    KeSetEvent(&stop, 0, FALSE);
    KeWaitForSingleObject(left_thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(left_thread);
    violations_expect("code-after-unload", 1u);
}

static VOID no_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    items_run++;
}

static KDPC dpc;
static pthread_barrier_t queued, unloaded;

/* A processor that stays at DISPATCH_LEVEL with a queued DPC. */
static void *busy_processor(void *unused)
{
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    pthread_barrier_wait(&queued);
    pthread_barrier_wait(&unloaded);
    KeLowerIrql(irql);
    return unused;
}

/* "Guidelines for Writing DPC Routines": KeFlushQueuedDpcs in DriverUnload. */
static void a_dpc_is_flushed_before(void **state)
{
    pthread_t native;
    (void)state;
    items_run = 0;
    KeInitializeDpc(&dpc, no_dpc, NULL);
    pthread_barrier_init(&queued, NULL, 2);
    pthread_barrier_init(&unloaded, NULL, 2);
    struct nt_driver *driver = small_load();
    pthread_create(&native, NULL, busy_processor, NULL);
    pthread_barrier_wait(&queued);
    nt_driver_unload(driver);
    broken("left-dpc", NT_BEGAN_OBJECT);
    pthread_barrier_wait(&unloaded);
    pthread_join(native, NULL);
    assert_int_equal(items_run, 0);
}

static NTSTATUS forget_device(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    PDEVICE_OBJECT device;
    (void)path;
    IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    return STATUS_UNSUCCESSFUL;
}

static void a_device_is_shown_with_where_it_was_made(void **state)
{
    struct nt_driver *driver = NULL;
    (void)state;
    assert_int_equal(nt_driver_load("forgets", forget_device, NULL, 0, &driver), STATUS_UNSUCCESSFUL);
    broken("left-device", NT_BEGAN_OBJECT);
    small.keeps_device = true;
    nt_driver_unload(small_load());
    broken("left-device", NT_BEGAN_OBJECT);
}

/* wdm.h IoDeleteDevice: the extension goes with the device, also while the driver stays. */
static void an_extension_in_use_is_not_deleted(void **state)
{
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    struct nt_driver *driver = small_load();
    PDEVICE_OBJECT device;
    (void)state;
    IoCreateDevice(small.device->DriverObject, sizeof(KTIMER), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    KeInitializeTimer(device->DeviceExtension);
    KeSetTimer(device->DeviceExtension, hour, NULL);
    IoDeleteDevice(device);
    broken("pool-freed-in-use", NT_BEGAN_OBJECT);
    nt_driver_unload(driver);
}

/* Two drivers' files: a page of code each. */
__attribute__((noinline, aligned(4096))) static PVOID allocate_in_first(void)
{
    PVOID volatile block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 30, TAG);
    return block;
}

__attribute__((noinline, aligned(4096))) static PVOID allocate_in_second(void)
{
    PVOID volatile block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 40, TAG);
    return block;
}

static VOID unload_nothing(PDRIVER_OBJECT driver)
{
    (void)driver;
}

static NTSTATUS entry_of_one(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    driver->DriverUnload = unload_nothing;
    return STATUS_SUCCESS;
}

/* What a driver left is said when it goes, not when the last one does. */
static void each_of_two_drivers_is_told_its_own(void **state)
{
    struct nt_driver *first = NULL, *second = NULL;
    (void)state;
    nt_next_driver_code((const void *)(uintptr_t)allocate_in_first, 4096);
    assert_int_equal(nt_driver_load("first", entry_of_one, NULL, 0, &first), STATUS_SUCCESS);
    nt_next_driver_code((const void *)(uintptr_t)allocate_in_second, 4096);
    assert_int_equal(nt_driver_load("second", entry_of_one, NULL, 0, &second), STATUS_SUCCESS);
    PVOID of_second = allocate_in_second(), of_first = allocate_in_first();
    nt_driver_unload(first);
    assert_non_null(strstr(violations_seen.detail, "1 blocks, 30 bytes"));
    broken("left-pool", NT_BEGAN_BLOCK);
    ExFreePoolWithTag(of_first, TAG);
    ExFreePoolWithTag(of_second, TAG);
    nt_driver_unload(second);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, rules_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pool_is_named_by_the_place_it_came_from),
        TEST(a_timer_is_cancelled_before),
        TEST(a_work_item_is_gone_before),
        TEST(a_thread_has_ended_before),
        TEST(a_dpc_is_flushed_before),
        TEST(a_device_is_shown_with_where_it_was_made),
        TEST(an_extension_in_use_is_not_deleted),
        TEST(each_of_two_drivers_is_told_its_own),
    };
    return cmocka_run_group_tests_name("nt unload rules", tests, NULL, NULL);
}
