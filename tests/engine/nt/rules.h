/* SPDX-License-Identifier: MIT */
/*
 * rules.h - for the tests of the verifier's rules: the verifier on, the last report, and a small driver.
 *
 * The driver's dispatch and unload routines are what a test puts into small; everything else is in order. broken(rule)
 * asserts that exactly one violation came, of this rule, and that its report shows where it began if began is given.
 */
#ifndef TESTS_ENGINE_NT_RULES_H
#define TESTS_ENGINE_NT_RULES_H

#include "tests/engine/nt/test.h"

#include "nt/sanitize.h"
#include "nt/verify/report.h"
#include "nt/verify/verify.h"

static struct {
    enum nt_beginning began_what;
    uint32_t began_frames;
} last_report;

static inline void keep_report(void *context, const struct nt_report *report)
{
    (void)context;
    last_report.began_what = report->began_what;
    last_report.began_frames = report->began.count;
}

static inline int rules_setup(void **state)
{
    nt_verify_on = true;
    nt_verify_clear();
    nt_reports_clear();
    nt_set_report_handler(keep_report, NULL);
    return record_violations(state);
}

static inline int rules_teardown(void **state)
{
    nt_quarantine_check(true);
    int result = no_violations_left(state);
    nt_set_report_handler(NULL, NULL);
    nt_verify_on = false;
    return result;
}

#define rules_test(function) cmocka_unit_test_setup_teardown(function, rules_setup, rules_teardown)

/* began: what the report has to show beside the place of the violation. */
#define broken(rule, began)                                                                                            \
    do {                                                                                                               \
        violations_expect(rule, 1u);                                                                                   \
        assert_int_equal(last_report.began_what, (began));                                                             \
        assert_true((began) == NT_BEGAN_NOTHING || last_report.began_frames > 0);                                      \
        memset(&last_report, 0, sizeof last_report);                                                                   \
        nt_reports_clear();                                                                                            \
    } while (0)

static struct {
    NTSTATUS (*control)(PIRP irp);
    VOID (*cleanup)(PIRP irp);
    VOID (*unload)(PDEVICE_OBJECT device);
    PDEVICE_OBJECT device;
    bool keeps_device;
} small;

static inline NTSTATUS small_complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static inline NTSTATUS small_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    UCHAR major = IoGetCurrentIrpStackLocation(irp)->MajorFunction;
    (void)device;
    if (major == IRP_MJ_DEVICE_CONTROL)
        return small.control(irp);
    if (major == IRP_MJ_CLEANUP && small.cleanup != NULL)
        small.cleanup(irp);
    return small_complete(irp, STATUS_SUCCESS, 0);
}

static inline VOID small_unload(PDRIVER_OBJECT driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Small");
    if (small.unload != NULL)
        small.unload(driver->DeviceObject);
    IoDeleteSymbolicLink(&link);
    if (!small.keeps_device)
        IoDeleteDevice(driver->DeviceObject);
}

#define SMALL_EXTENSION 256

static inline NTSTATUS small_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Small"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\Small");
    (void)path;
    NTSTATUS status = IoCreateDevice(driver, SMALL_EXTENSION, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &small.device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(small.device);
        return status;
    }
    for (int major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++)
        driver->MajorFunction[major] = small_dispatch;
    driver->DriverUnload = small_unload;
    return STATUS_SUCCESS;
}

static inline struct nt_driver *small_load(void)
{
    struct nt_driver *driver = NULL;
    assert_int_equal(nt_driver_load("small", small_entry, NULL, 0, &driver), STATUS_SUCCESS);
    return driver;
}

static inline struct nt_file *small_open(void)
{
    static const struct nt_caller caller = {1234, TRUE};
    struct nt_file *file = NULL;
    assert_int_equal(nt_file_open("\\\\.\\Small", GENERIC_READ | GENERIC_WRITE, &caller, &file), STATUS_SUCCESS);
    return file;
}

#define SMALL_CODE CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

#endif
