/* SPDX-License-Identifier: MIT */
/*
 * pool_rules_test.c - what the verifier says about pool: writes beside and behind the life of a block, memory freed in
 * use, and the special pool for drivers that are source. Under ASan stray writes end the program at once, so those
 * tests are skipped there.
 */
#include "tests/engine/nt/rules.h"

#define TAG 'looP'

static void skip_under_asan(void)
{
    if (NT_SANITIZED)
        skip();
}

/* Driver Verifier, Special Pool: the bytes beside a block are looked at when it is freed. */
static void writes_beside_a_block_are_seen_at_its_free(void **state)
{
    (void)state;
    skip_under_asan();
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 20, TAG);
    block[19] = 1;
    ExFreePoolWithTag((PVOID)block, TAG);
    violations_none();
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 20, TAG);
    block[20] = 1;
    ExFreePoolWithTag((PVOID)block, TAG);
    assert_non_null(strstr(violations_seen.detail, "byte 20 "));
    broken("pool-overrun", NT_BEGAN_BLOCK);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 20, TAG);
    block[-1] = 1;
    ExFreePoolWithTag((PVOID)block, TAG);
    broken("pool-underrun", NT_BEGAN_BLOCK);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 3 * PAGE_SIZE, TAG);
    block[3 * PAGE_SIZE] = 1;
    ExFreePoolWithTag((PVOID)block, TAG);
    broken("pool-overrun", NT_BEGAN_BLOCK);
}

/* wdm.h ExFreePoolWithTag: "after calling, the block must not be accessed". */
static void writes_after_the_free_are_seen_later(void **state)
{
    (void)state;
    skip_under_asan();
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);
    ExFreePoolWithTag((PVOID)block, TAG);
    nt_quarantine_check(false);
    violations_none();
    block[40] = 7;
    nt_quarantine_check(false);
    assert_non_null(strstr(violations_seen.detail, "byte 40 "));
    broken("pool-use-after-free", NT_FREED_BLOCK);
    struct nt_driver *driver = small_load();
    block[42] = 7;
    nt_driver_unload(driver);
    broken("pool-use-after-free", NT_FREED_BLOCK);
    block[41] = 7;
    for (int turn = 0; turn < 300 && violations_seen.count == 0; turn++)
        ExFreePoolWithTag(ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, TAG), TAG);
    violations_expect("pool-use-after-free", 1u);
}

static void mistakes_show_where_the_block_began(void **state)
{
    (void)state;
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, TAG);
    ExFreePoolWithTag(block, 'rehO');
    broken("pool-tag-mismatch", NT_BEGAN_BLOCK);
    ExFreePoolWithTag(block, TAG);
    broken("pool-double-free", NT_FREED_BLOCK);
}

static unsigned dpc_runs;

static VOID count_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    dpc_runs++;
}

struct objects {
    UCHAR before[16];
    KTIMER timer;
    KDPC dpc;
    KEVENT event;
};

/* wdm.h KeCancelTimer: before the memory of the timer is freed. Bug check 0xC7, TIMER_OR_DPC_INVALID. */
static void an_armed_timer_is_not_freed(void **state)
{
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    struct objects *objects = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *objects, TAG);
    (void)state;
    KeInitializeTimer(&objects->timer);
    KeSetTimer(&objects->timer, hour, NULL);
    KeCancelTimer(&objects->timer);
    ExFreePoolWithTag(objects, TAG);
    violations_none();
    objects = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *objects, TAG);
    KeInitializeTimer(&objects->timer);
    KeSetTimer(&objects->timer, hour, NULL);
    ExFreePoolWithTag(objects, TAG);
    assert_non_null(strstr(violations_seen.detail, "a timer that is set lies at byte 16 "));
    broken("pool-freed-in-use", NT_BEGAN_OBJECT);
    assert_true(nt_pump() == NT_NEVER); /* and it is set no more */
}

/* wdm.h KeRemoveQueueDpc; bug check 0xC7. */
static void a_queued_dpc_is_not_freed(void **state)
{
    struct objects *objects = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *objects, TAG);
    KIRQL irql;
    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInitializeDpc(&objects->dpc, count_dpc, NULL);
    assert_true(KeInsertQueueDpc(&objects->dpc, NULL, NULL));
    assert_true(KeRemoveQueueDpc(&objects->dpc));
    violations_none();
    assert_true(KeInsertQueueDpc(&objects->dpc, NULL, NULL));
    ExFreePoolWithTag(objects, TAG);
    broken("pool-freed-in-use", NT_BEGAN_OBJECT);
    KeLowerIrql(irql);
    assert_int_equal(dpc_runs, 0);
}

static struct objects *awaited;
static NTSTATUS wait_result;

static VOID wait_for_event(PVOID context)
{
    LARGE_INTEGER timeout = {.QuadPart = -50000000}; /* 5 s: nobody can set it any more */
    (void)context;
    wait_result = KeWaitForSingleObject(&awaited->event, Executive, KernelMode, FALSE, &timeout);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* "Introduction to Kernel Dispatcher Objects": its storage lives as long as somebody waits. */
static void an_awaited_object_is_not_freed(void **state)
{
    LARGE_INTEGER moment = {.QuadPart = -10000};
    struct nt_stack since;
    HANDLE handle;
    PVOID thread;
    (void)state;
    awaited = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *awaited, TAG);
    KeInitializeEvent(&awaited->event, NotificationEvent, FALSE);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, wait_for_event, NULL);
    ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    for (int i = 0; i < 30000 && !nt_find_beginning(NT_BEGAN_OBJECT, (uintptr_t)&awaited->event, &since); i++)
        KeDelayExecutionThread(KernelMode, FALSE, &moment);
    ExFreePoolWithTag(awaited, TAG);
    broken("pool-freed-in-use", NT_BEGAN_OBJECT);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    assert_int_equal(wait_result, STATUS_TIMEOUT);
}

static VOID free_context(PDEVICE_OBJECT device, PVOID context)
{
    (void)device;
    ExFreePoolWithTag(context, TAG);
}

/* wdm.h IoQueueWorkItem: Context is valid until the routine has it. The routine itself may free it. */
static void the_context_of_a_queued_item_is_not_freed(void **state)
{
    struct nt_driver *driver = small_load();
    PIO_WORKITEM item = IoAllocateWorkItem(small.device);
    PVOID context = ExAllocatePool2(POOL_FLAG_NON_PAGED, 32, TAG);
    (void)state;
    IoQueueWorkItem(item, free_context, DelayedWorkQueue, context);
    nt_pump();
    violations_none();
    context = ExAllocatePool2(POOL_FLAG_NON_PAGED, 32, TAG);
    IoQueueWorkItem(item, free_context, DelayedWorkQueue, context);
    ExFreePoolWithTag(context, TAG);
    violations_expect("pool-freed-in-use", 1u);
    nt_pump();
    violations_expect("pool-double-free", 1u);
    IoFreeWorkItem(item);
    nt_driver_unload(driver);
}

/* Driver Verifier, Special Pool, for a driver that was compiled with the host. */
static void special_pool_serves_source_drivers(void **state)
{
    const void *block = NULL;
    (void)state;
    assert_true(nt_special_pool_start(256, FALSE));
    UCHAR *nobody = ExAllocatePool2(POOL_FLAG_NON_PAGED, 48, TAG);
    assert_null(nt_special_pool_rule(nobody, &block)); /* no driver is loaded */
    ExFreePoolWithTag(nobody, TAG);
    struct nt_driver *driver = small_load();
    UCHAR *bytes = ExAllocatePool2(POOL_FLAG_NON_PAGED, 48, TAG);
    assert_string_equal(nt_special_pool_rule(bytes + 48, &block), "pool-overrun");
    assert_ptr_equal(block, bytes);
    ExFreePoolWithTag(bytes, TAG);
    assert_string_equal(nt_special_pool_rule(bytes + 5, &block), "pool-use-after-free");
    assert_ptr_equal(block, bytes);
    struct nt_stack stack;
    assert_true(nt_find_beginning(NT_FREED_BLOCK, (uintptr_t)block, &stack));
    assert_null(nt_special_pool_rule(&stack, &block));
    nt_driver_unload(driver);
    nt_special_pool_stop();
}

/* wdm.h KeInitializeSpinLock, KeInitializeEvent, KeInitializeTimer, KeInitializeDpc: storage in nonpaged memory. */
static void what_dispatch_level_uses_is_not_paged(void **state)
{
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    struct objects *objects = ExAllocatePool2(POOL_FLAG_PAGED, sizeof *objects, TAG);
    KIRQL irql;
    (void)state;
    KeInitializeEvent(&objects->event, NotificationEvent, FALSE);
    KeSetEvent(&objects->event, 0, FALSE); /* at PASSIVE_LEVEL it may be paged in */
    violations_none();
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeSetEvent(&objects->event, 0, FALSE);
    broken("pageable-at-dispatch", NT_BEGAN_BLOCK);
    KeLowerIrql(irql);
    KeInitializeTimer(&objects->timer);
    KeSetTimer(&objects->timer, hour, NULL);
    broken("pageable-at-dispatch", NT_BEGAN_BLOCK);
    KeCancelTimer(&objects->timer);
    KeAcquireSpinLock((PKSPIN_LOCK)(PVOID)objects, &irql);
    broken("pageable-at-dispatch", NT_BEGAN_BLOCK);
    KeReleaseSpinLock((PKSPIN_LOCK)(PVOID)objects, irql);
    ExFreePoolWithTag(objects, TAG);
}

/* With the verifier off, none of it costs or happens. */
static void off_means_off(void **state)
{
    (void)state;
    nt_verify_on = false;
    UCHAR *block = ExAllocatePoolWithTag(NonPagedPool, 10, TAG);
    KTIMER *timer = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *timer, TAG);
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    KeInitializeTimer(timer);
    KeSetTimer(timer, hour, NULL);
    KeCancelTimer(timer);
    ExFreePoolWithTag(timer, TAG);
    ExFreePoolWithTag(block, TAG);
    nt_verify_on = true;
    violations_none();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rules_test(writes_beside_a_block_are_seen_at_its_free),
        rules_test(writes_after_the_free_are_seen_later),
        rules_test(mistakes_show_where_the_block_began),
        rules_test(an_armed_timer_is_not_freed),
        rules_test(a_queued_dpc_is_not_freed),
        rules_test(an_awaited_object_is_not_freed),
        rules_test(the_context_of_a_queued_item_is_not_freed),
        rules_test(special_pool_serves_source_drivers),
        rules_test(what_dispatch_level_uses_is_not_paged),
        rules_test(off_means_off),
    };
    return cmocka_run_group_tests_name("nt pool rules", tests, NULL, NULL);
}
