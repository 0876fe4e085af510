/* SPDX-License-Identifier: MIT */
/*
 * io_test.c - contract of drivers, devices, files and IRPs, through a driver that is not Gatehouse's.
 */
#include "tests/engine/nt/test.h"
#include "tests/lib/echo_driver.h"

#include <wdmsec.h>

static const struct nt_caller administrator = {4321, TRUE};
static const struct nt_caller somebody = {4322, FALSE};

static struct nt_driver *load(ULONG leave)
{
    struct nt_registry_value values[] = {{"Other", 99}, {"Leave", leave}};
    struct nt_driver *driver = NULL;
    assert_int_equal(nt_driver_load("echo", echo_driver_entry, values, 2, &driver), STATUS_SUCCESS);
    return driver;
}

static struct nt_file *open_echo(ACCESS_MASK access)
{
    struct nt_file *file = NULL;
    assert_int_equal(nt_file_open("\\\\.\\Echo", access, &administrator, &file), STATUS_SUCCESS);
    return file;
}

struct result {
    LONG ends;
    NTSTATUS status;
    size_t information;
    char text[32];
};

static void keep_result(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct result *result = context;
    result->status = status;
    result->information = information;
    if (information != 0 && information <= sizeof result->text)
        memcpy(result->text, output, information);
    InterlockedIncrement(&result->ends);
}

/* METHOD_BUFFERED ("Buffer Descriptions for I/O Control Codes"): input in, Information bytes out. */
static void echo_comes_back(void **state)
{
    char output[16] = {0};
    size_t information = 0;
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ | GENERIC_WRITE);
    assert_int_equal(nt_device_control_wait(file, ECHO_NOW, "hello", 5, output, sizeof output, &information, 30000),
                     STATUS_SUCCESS);
    assert_int_equal(information, 5);
    assert_memory_equal(output, "hello", 5);
    assert_int_equal(nt_device_control_wait(file, ECHO_NOW, "hello", 5, output, 4, &information, 30000),
                     STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(nt_device_control_wait(file, 0x1234000, NULL, 0, NULL, 0, NULL, 30000),
                     STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(nt_device_control_wait(file, ECHO_DIRECT, NULL, 0, NULL, 0, NULL, 30000), STATUS_NOT_SUPPORTED);
    nt_file_close(file);
    nt_driver_unload(driver);
}

/* "SDDL for Device Objects": SY and BA only, so others are refused; names that lead nowhere too. */
static void only_administrators_open(void **state)
{
    struct nt_file *file = NULL;
    (void)state;
    assert_int_equal(nt_file_open("\\\\.\\Echo", GENERIC_READ, &administrator, &file), STATUS_OBJECT_NAME_NOT_FOUND);
    struct nt_driver *driver = load(0);
    assert_int_equal(nt_file_open("\\\\.\\Echo", GENERIC_READ, &somebody, &file), STATUS_ACCESS_DENIED);
    assert_int_equal(nt_file_open("\\\\.\\echo", GENERIC_READ, &administrator, &file), STATUS_SUCCESS);
    nt_file_close(file);
    assert_int_equal(nt_file_open("Echo", GENERIC_READ, &administrator, &file), STATUS_OBJECT_NAME_INVALID);
    nt_driver_unload(driver);
    assert_int_equal(nt_file_open("\\\\.\\Echo", GENERIC_READ, &administrator, &file), STATUS_OBJECT_NAME_NOT_FOUND);
}

/* "Defining I/O Control Codes": FILE_READ_ACCESS and FILE_WRITE_ACCESS against the handle's access. */
static void code_needs_its_access(void **state)
{
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    assert_int_equal(nt_device_control_wait(file, ECHO_RELEASE, NULL, 0, NULL, 0, NULL, 30000), STATUS_ACCESS_DENIED);
    nt_file_close(file);
    file = open_echo(GENERIC_WRITE);
    assert_int_equal(nt_device_control_wait(file, ECHO_WAIT, NULL, 0, NULL, 0, NULL, 30000), STATUS_ACCESS_DENIED);
    assert_int_equal(nt_device_control_wait(file, ECHO_RELEASE, NULL, 0, NULL, 0, NULL, 30000), STATUS_NOT_FOUND);
    nt_file_close(file);
    nt_driver_unload(driver);
}

/* wdm.h IoMarkIrpPending, IoCancelIrp; "Cancel-Safe IRP Queues": pended, released in order, cancelled once. */
static void pended_irp_is_released_or_cancelled(void **state)
{
    struct result a = {0}, b = {0};
    struct nt_call *call_a, *call_b;
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ | GENERIC_WRITE);
    nt_device_control(file, ECHO_WAIT, NULL, 0, 8, keep_result, &a, &call_a);
    nt_device_control(file, ECHO_WAIT, NULL, 0, 8, keep_result, &b, &call_b);
    assert_int_equal(a.ends, 0);
    assert_int_equal(nt_device_control_wait(file, ECHO_RELEASE, "one", 3, NULL, 0, NULL, 30000), STATUS_SUCCESS);
    assert_int_equal(a.ends, 1);
    assert_int_equal(a.status, STATUS_SUCCESS);
    assert_memory_equal(a.text, "one", 3);
    assert_int_equal(b.ends, 0);
    nt_call_cancel(call_a);
    nt_call_cancel(call_b);
    nt_call_cancel(call_b);
    assert_int_equal(b.ends, 1);
    assert_int_equal(b.status, STATUS_CANCELLED);
    assert_int_equal(a.ends, 1);
    nt_call_put(call_a);
    nt_call_put(call_b);
    nt_file_close(file);
    nt_driver_unload(driver);
}

/* IRP_MJ_CLEANUP: outstanding IRPs of the file, and of no other, are ended. */
static void close_ends_what_is_pended(void **state)
{
    struct result mine[3] = {0}, other = {0};
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ), *second = open_echo(GENERIC_READ);
    for (int index = 0; index < 3; index++)
        nt_device_control(file, ECHO_WAIT, NULL, 0, 8, keep_result, &mine[index], NULL);
    nt_device_control(second, ECHO_WAIT, NULL, 0, 8, keep_result, &other, NULL);
    nt_file_close(file);
    for (int index = 0; index < 3; index++) {
        assert_int_equal(mine[index].ends, 1);
        assert_int_equal(mine[index].status, STATUS_CANCELLED);
    }
    assert_int_equal(other.ends, 0);
    nt_file_close(second);
    assert_int_equal(other.status, STATUS_CANCELLED);
    nt_driver_unload(driver);
}

/* wdm.h KeSetTimer with a DPC; IoQueueWorkItemEx: both end pended IRPs from the pump. */
static void timer_and_work_item_end_irps(void **state)
{
    struct result waiting = {0};
    char output[4];
    size_t information;
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ | GENERIC_WRITE);
    assert_int_equal(nt_device_control_wait(file, ECHO_WORK, "work", 4, output, 4, &information, 30000),
                     STATUS_SUCCESS);
    assert_memory_equal(output, "work", 4);
    nt_device_control(file, ECHO_WAIT, NULL, 0, 8, keep_result, &waiting, NULL);
    assert_int_equal(nt_device_control_wait(file, ECHO_ARM, NULL, 0, NULL, 0, NULL, 30000), STATUS_SUCCESS);
    assert_int_equal(nt_device_control_wait(file, ECHO_WAIT, NULL, 0, output, 4, &information, 30000),
                     STATUS_IO_TIMEOUT);
    assert_int_equal(waiting.status, STATUS_IO_TIMEOUT);
    assert_int_equal(nt_device_control_wait(file, ECHO_WAIT, NULL, 0, output, 4, &information, 10), STATUS_CANCELLED);
    nt_file_close(file);
    nt_driver_unload(driver);
}

/* ExWaitForRundownProtectionRelease in DriverUnload, with the work item still queued: unload pumps (nt.h). */
static void unload_waits_for_its_work_item(void **state)
{
    struct result work = {0};
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    nt_device_control(file, ECHO_WORK, "x", 1, 8, keep_result, &work, NULL);
    assert_int_equal(work.ends, 0);
    nt_file_close(file);
    nt_driver_unload(driver);
    assert_int_equal(work.ends, 1);
}

/* ntifs.h IoGetRequestorProcessId; dispatch runs in the context of the caller. */
static void requestor_is_the_opener(void **state)
{
    ULONG input = ECHO_FAULT_PROCESS, answer[2];
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    assert_int_equal(nt_device_control_wait(file, ECHO_FAULT, &input, 4, answer, 8, NULL, 30000), STATUS_SUCCESS);
    assert_int_equal(answer[0], administrator.process_id);
    assert_int_equal(answer[1], administrator.process_id);
    nt_file_close(file);
    nt_driver_unload(driver);
}

/*
 * SDV rules DoubleCompletion, MarkIrpPending, PendedCompletedRequest; wdm.h IoCompleteRequest (no
 * spin lock held, cancel routine NULL); Driver Verifier, I/O Verification (IRQL, status).
 */
static void irp_mistakes_are_seen(void **state)
{
    static const struct {
        ULONG fault;
        const char *rule;
    } cases[] = {
        {ECHO_FAULT_COMPLETE_TWICE, "irp-completed-twice"},
        {ECHO_FAULT_PENDING_UNMARKED, "irp-pending-unmarked"},
        {ECHO_FAULT_MARKED_NOT_PENDING, "irp-marked-not-pending"},
        {ECHO_FAULT_COMPLETE_CANCELABLE, "irp-completed-cancelable"},
        {ECHO_FAULT_COMPLETE_UNDER_LOCK, "irp-completed-under-lock"},
        {ECHO_FAULT_INFORMATION, "irp-information-too-large"},
        {ECHO_FAULT_STATUS_MISMATCH, "irp-status-mismatch"},
        {ECHO_FAULT_IRQL, "irql-changed"},
    };
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    for (size_t index = 0; index < RTL_NUMBER_OF(cases); index++) {
        struct result result = {0};
        ULONG fault = cases[index].fault;
        nt_device_control(file, ECHO_FAULT, &fault, sizeof fault, 8, keep_result, &result, NULL);
        assert_int_equal(result.ends, 1);
        violations_expect(cases[index].rule, 1u);
        if (KeGetCurrentIrql() != PASSIVE_LEVEL)
            KeLowerIrql(PASSIVE_LEVEL);
    }
    nt_file_close(file);
    nt_driver_unload(driver);
}

static uint64_t hurried;

/* A second passes with each look. */
static uint64_t hurried_now(void)
{
    return __atomic_add_fetch(&hurried, 10000000, __ATOMIC_RELAXED);
}

/* "Canceling IRPs": an IRP that close cannot end is lost; it is said, and close goes on. */
static void lost_irp_is_seen_at_close(void **state)
{
    struct result result = {0};
    ULONG fault = ECHO_FAULT_LOSE;
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    nt_device_control(file, ECHO_FAULT, &fault, sizeof fault, 8, keep_result, &result, NULL);
    nt_set_clock(hurried_now);
    nt_file_close(file);
    nt_set_clock(NULL);
    violations_expect("irp-left-at-cleanup", 1u);
    assert_int_equal(result.ends, 0);
    nt_driver_unload(driver);
    assert_int_equal(result.ends, 1);
}

/* wdm.h IoSetCancelRoutine: the cancel routine has to release the cancel spin lock. */
static void cancel_routine_releases_the_lock(void **state)
{
    struct result result = {0};
    struct nt_call *call;
    ULONG fault = ECHO_FAULT_CANCEL_KEEPS_LOCK;
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    nt_device_control(file, ECHO_FAULT, &fault, sizeof fault, 8, keep_result, &result, &call);
    nt_call_cancel(call);
    violations_expect("cancel-lock-kept", 1u);
    IoReleaseCancelSpinLock(PASSIVE_LEVEL);
    nt_call_put(call);
    nt_set_clock(hurried_now);
    nt_file_close(file);
    nt_set_clock(NULL);
    violations_expect("irp-left-at-cleanup", 1u);
    nt_driver_unload(driver);
    assert_int_equal(result.ends, 1);
}

/* wdm.h IoQueueWorkItemEx: not while it is queued; IoFreeWorkItem: neither. */
static void work_item_is_queued_once(void **state)
{
    ULONG fault = ECHO_FAULT_ITEM_TWICE;
    (void)state;
    struct nt_driver *driver = load(0);
    struct nt_file *file = open_echo(GENERIC_READ);
    assert_int_equal(nt_device_control_wait(file, ECHO_FAULT, &fault, sizeof fault, NULL, 0, NULL, 30000),
                     STATUS_SUCCESS);
    violations_expect("work-item-freed-queued", 2u);
    nt_pump();
    nt_file_close(file);
    nt_driver_unload(driver);
}

/* "Writing an Unload Routine": everything the driver made goes with it. */
static void what_is_left_at_unload_is_named(void **state)
{
    static const struct {
        ULONG leave;
        const char *rule, *named;
    } cases[] = {
        {ECHO_LEAVE_POOL, "left-pool", "'Echo': 1 blocks, 123 bytes"},
        {ECHO_LEAVE_DEVICE, "left-device", "\\Device\\Echo"},
        {ECHO_LEAVE_LINK, "left-link", "symbolic link Echo"},
        {ECHO_LEAVE_ITEM, "left-work-item", "a work item"},
        {ECHO_LEAVE_TIMER, "left-timer", "1 timers"},
    };
    (void)state;
    for (size_t index = 0; index < RTL_NUMBER_OF(cases); index++) {
        nt_driver_unload(load(cases[index].leave));
        assert_non_null(strstr(violations_seen.detail, cases[index].named));
        violations_expect(cases[index].rule, 1u);
    }
}

/* wdm.h DRIVER_UNLOAD: not while a file is open. */
static NTSTATUS entry_without_unload(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)driver;
    assert_true(path->Length > 0 && path->Buffer[path->Length / 2 - 1] == 'x');
    return STATUS_SUCCESS;
}

static NTSTATUS entry_that_fails(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    PDEVICE_OBJECT device;
    (void)path;
    assert_int_equal(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device), STATUS_SUCCESS);
    return STATUS_UNSUCCESSFUL;
}

/* wdm.h DRIVER_INITIALIZE: its failure is the load's; what it made and kept is left over. */
static void load_fails_with_its_entry(void **state)
{
    struct nt_driver *driver = NULL;
    (void)state;
    assert_int_equal(nt_driver_load("x", entry_that_fails, NULL, 0, &driver), STATUS_UNSUCCESSFUL);
    assert_null(driver);
    violations_expect("left-device", 1u);
    assert_int_equal(nt_driver_load("x", entry_without_unload, NULL, 0, &driver), STATUS_SUCCESS);
    nt_driver_unload(driver);
    violations_expect("no-unload-routine", 1u);
}

struct fault_plan {
    unsigned fail_at, seen;
};

static BOOLEAN fail_nth(const char *routine, void *context)
{
    struct fault_plan *plan = context;
    (void)routine;
    return plan->seen++ == plan->fail_at;
}

/* Each routine that DriverEntry calls may fail; nothing stays loaded then. */
static void load_survives_each_fault(void **state)
{
    NTSTATUS status = STATUS_UNSUCCESSFUL;
    unsigned tries = 0;
    (void)state;
    for (; tries < 50; tries++) {
        struct fault_plan plan = {tries, 0};
        struct nt_driver *driver = NULL;
        nt_set_fault(fail_nth, &plan);
        status = nt_driver_load("echo", echo_driver_entry, NULL, 0, &driver);
        nt_set_fault(NULL, NULL);
        violations_none();
        if (driver != NULL)
            nt_driver_unload(driver);
        if (plan.seen <= tries)
            break;
    }
    assert_int_equal(status, STATUS_SUCCESS);
    assert_in_range(tries, 2, 49);
}

static DEVICE_OBJECT *made;

static NTSTATUS entry_exclusive(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Ex"), link = RTL_CONSTANT_STRING(L"\\??\\Ex");
    UNICODE_STRING sddl = RTL_CONSTANT_STRING(L"D:P(A;;GA;;;SY)(A;;GR;;;XX)");
    PDEVICE_OBJECT device;
    (void)path;
    assert_int_equal(IoCreateDeviceSecure(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &sddl, NULL, &device),
                     STATUS_NOT_SUPPORTED);
    assert_int_equal(IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, TRUE, &made), STATUS_SUCCESS);
    assert_int_equal(IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, TRUE, &device),
                     STATUS_OBJECT_NAME_COLLISION);
    assert_int_equal(IoCreateSymbolicLink(&link, &name), STATUS_SUCCESS);
    assert_int_equal(IoCreateSymbolicLink(&link, &name), STATUS_OBJECT_NAME_COLLISION);
    struct nt_file *file;
    assert_int_equal(nt_file_open("\\\\.\\Ex", 0, &somebody, &file), STATUS_NO_SUCH_DEVICE); /* still initializing */
    return STATUS_SUCCESS;
}

/* "Specifying Exclusive Access to Device Objects"; no handler: IRPs end with STATUS_INVALID_DEVICE_REQUEST. */
static void exclusive_device_and_no_handlers(void **state)
{
    struct nt_driver *driver = NULL;
    struct nt_file *file = NULL;
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Ex");
    (void)state;
    assert_int_equal(nt_driver_load("ex", entry_exclusive, NULL, 0, &driver), STATUS_SUCCESS);
    assert_int_equal(nt_file_open("\\\\.\\Ex", 0, &somebody, &file), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(IoDeleteSymbolicLink(&link), STATUS_SUCCESS);
    assert_int_equal(IoDeleteSymbolicLink(&link), STATUS_OBJECT_NAME_NOT_FOUND);
    IoDeleteDevice(made);
    nt_driver_unload(driver);
    violations_expect("no-unload-routine", 1u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        nt_test(echo_comes_back),
        nt_test(only_administrators_open),
        nt_test(code_needs_its_access),
        nt_test(pended_irp_is_released_or_cancelled),
        nt_test(close_ends_what_is_pended),
        nt_test(timer_and_work_item_end_irps),
        nt_test(unload_waits_for_its_work_item),
        nt_test(requestor_is_the_opener),
        nt_test(irp_mistakes_are_seen),
        nt_test(lost_irp_is_seen_at_close),
        nt_test(cancel_routine_releases_the_lock),
        nt_test(work_item_is_queued_once),
        nt_test(what_is_left_at_unload_is_named),
        nt_test(load_fails_with_its_entry),
        nt_test(load_survives_each_fault),
        nt_test(exclusive_device_and_no_handlers),
    };
    return cmocka_run_group_tests_name("nt io", tests, NULL, NULL);
}
