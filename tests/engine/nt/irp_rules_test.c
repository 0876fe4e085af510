/* SPDX-License-Identifier: MIT */
/*
 * irp_rules_test.c - what the verifier says about IRPs: cancelled too early, left at cleanup, used after completion.
 */
#define NT_LAB 1 /* as the lab compiles a driver */
#include "tests/engine/nt/rules.h"

static struct nt_driver *driver;
static struct nt_file *file;
static PIRP parked;
static struct nt_call *in_dispatch;

struct result {
    unsigned ends;
    NTSTATUS status;
};

static void keep_result(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct result *result = context;
    (void)output, (void)information;
    result->ends++;
    result->status = status;
}

static int setup(void **state)
{
    rules_setup(state);
    memset(&small, 0, sizeof small);
    parked = NULL;
    driver = small_load();
    file = small_open();
    return 0;
}

static uint64_t hurried;

static uint64_t hurried_now(void)
{
    return __atomic_add_fetch(&hurried, 10000000, __ATOMIC_RELAXED);
}

/* file may be closed already: NULL. */
static void end(void)
{
    nt_set_clock(hurried_now);
    if (file != NULL)
        nt_file_close(file);
    nt_set_clock(NULL);
    if (parked != NULL)
        small_complete(parked, STATUS_CANCELLED, 0);
    nt_driver_unload(driver);
    file = NULL;
}

static VOID complete_cancelled(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    IoReleaseCancelSpinLock(irp->CancelIrql);
    parked = NULL;
    small_complete(irp, STATUS_CANCELLED, 0);
}

static NTSTATUS park(PIRP irp)
{
    parked = irp;
    IoMarkIrpPending(irp);
    return STATUS_PENDING;
}

static NTSTATUS park_cancelable(PIRP irp)
{
    IoSetCancelRoutine(irp, complete_cancelled);
    return park(irp);
}

static void send(NTSTATUS (*control)(PIRP irp), struct result *result)
{
    small.control = control;
    nt_device_control(file, SMALL_CODE, NULL, 0, 16, keep_result, result, &in_dispatch);
}

/* "DispatchCleanup Routines": neither cleanup nor a cancel ends it. */
static void an_irp_left_at_cleanup_is_said(void **state)
{
    struct result result = {0};
    (void)state;
    send(park, &result);
    end();
    broken("irp-left-at-cleanup", NT_BEGAN_IRP);
    assert_int_equal(result.ends, 1);
    nt_call_put(in_dispatch);
}

static VOID complete_parked(PIRP irp)
{
    (void)irp;
    if (parked != NULL && IoSetCancelRoutine(parked, NULL) != NULL)
        small_complete(parked, STATUS_CANCELLED, 0);
    parked = NULL;
}

/* Both the cancel routine alone and the cleanup routine are enough. */
static void cleanup_or_cancel_ends_it(void **state)
{
    struct result result = {0};
    (void)state;
    send(park_cancelable, &result);
    nt_call_put(in_dispatch);
    nt_file_close(file);
    assert_int_equal(result.ends, 1);
    file = small_open();
    small.cleanup = complete_parked;
    send(park_cancelable, &result);
    nt_call_put(in_dispatch);
    end();
    assert_int_equal(result.ends, 2);
}

static NTSTATUS park_cancelled(PIRP irp)
{
    assert_false(IoCancelIrp(irp)); /* meanwhile, on another processor */
    return park_cancelable(irp);
}

static NTSTATUS park_cancelled_well(PIRP irp)
{
    assert_false(IoCancelIrp(irp));
    IoSetCancelRoutine(irp, complete_cancelled);
    IoMarkIrpPending(irp);
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL)
        small_complete(irp, STATUS_CANCELLED, 0);
    return STATUS_PENDING;
}

/* "Implementing a Cancel Routine": who sets the routine looks at Cancel. */
static void a_cancel_that_came_first_is_not_missed(void **state)
{
    struct result result = {0};
    (void)state;
    send(park_cancelled_well, &result);
    nt_call_put(in_dispatch);
    assert_int_equal(result.ends, 1);
    nt_file_close(file);
    violations_none();
    file = small_open();
    send(park_cancelled, &result);
    assert_int_equal(result.ends, 1);
    nt_set_clock(hurried_now);
    nt_file_close(file);
    nt_set_clock(NULL);
    broken("cancel-missed", NT_BEGAN_IRP);
    file = NULL;
    IoSetCancelRoutine(parked, NULL);
    end();
    nt_call_put(in_dispatch);
}

static NTSTATUS return_its_status(PIRP irp)
{
    PIRP volatile kept = irp;
    small_complete(irp, STATUS_SUCCESS, 0);
    return kept->IoStatus.Status;
}

static NTSTATUS mark_after(PIRP irp)
{
    small_complete(irp, STATUS_SUCCESS, 0);
    IoMarkIrpPending(irp);
    return STATUS_SUCCESS;
}

static volatile UCHAR *output_buffer;

static NTSTATUS keep_buffer(PIRP irp)
{
    output_buffer = irp->AssociatedIrp.SystemBuffer;
    return small_complete(irp, STATUS_SUCCESS, 0);
}

/* wdm.h IoCompleteRequest: the IRP is nobody's any more. Under ASan the access itself is seen. */
static void a_completed_irp_is_not_used(void **state)
{
    struct result result = {0};
    (void)state;
    if (!NT_SANITIZED) {
        send(return_its_status, &result);
        broken("irp-used-after-completion", NT_COMPLETED_IRP);
        nt_call_put(in_dispatch);
        send(mark_after, &result);
        broken("irp-used-after-completion", NT_COMPLETED_IRP);
        nt_call_put(in_dispatch);
        send(keep_buffer, &result);
        nt_call_put(in_dispatch);
        nt_quarantine_check(false);
        violations_none();
        output_buffer[3] = 1;
        nt_quarantine_check(false);
        broken("irp-used-after-completion", NT_COMPLETED_IRP);
    }
    end();
}

static NTSTATUS write_too_much(PIRP irp)
{
    volatile UCHAR *bytes = irp->AssociatedIrp.SystemBuffer;
    bytes[16] = 1;
    return small_complete(irp, STATUS_SUCCESS, 16);
}

/* "Failure to Check the Size of Buffers". */
static void the_system_buffer_has_its_size(void **state)
{
    struct result result = {0};
    (void)state;
    if (!NT_SANITIZED) {
        send(write_too_much, &result);
        violations_expect("pool-overrun", 1u);
        nt_call_put(in_dispatch);
    }
    end();
}

static NTSTATUS complete_twice(PIRP irp)
{
    small_complete(irp, STATUS_SUCCESS, 0);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static KSPIN_LOCK lock;

static NTSTATUS complete_locked(PIRP irp)
{
    KIRQL irql;
    KeAcquireSpinLock(&lock, &irql);
    small_complete(irp, STATUS_SUCCESS, 0);
    KeReleaseSpinLock(&lock, irql);
    return STATUS_SUCCESS;
}

static void reports_show_the_other_place(void **state)
{
    struct result result = {0};
    (void)state;
    send(complete_twice, &result);
    broken("irp-completed-twice", NT_COMPLETED_IRP);
    nt_call_put(in_dispatch);
    send(complete_locked, &result);
    broken("irp-completed-under-lock", NT_BEGAN_LOCK);
    nt_call_put(in_dispatch);
    end();
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, rules_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_irp_left_at_cleanup_is_said),         TEST(cleanup_or_cancel_ends_it),
        TEST(a_cancel_that_came_first_is_not_missed), TEST(a_completed_irp_is_not_used),
        TEST(the_system_buffer_has_its_size),         TEST(reports_show_the_other_place),
    };
    return cmocka_run_group_tests_name("nt irp rules", tests, NULL, NULL);
}
