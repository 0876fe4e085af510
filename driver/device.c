/* SPDX-License-Identifier: MIT */
/*
 * device.c - see device.h.
 */
#include "driver/device.h"

#include <wdmsec.h>

DECLARE_CONST_UNICODE_STRING(device_name, L"\\Device\\Gatehouse");
DECLARE_CONST_UNICODE_STRING(link_name, L"\\??\\Gatehouse");
DECLARE_CONST_UNICODE_STRING(seed_link_name, L"\\??\\SampleWfpCallout");
DECLARE_CONST_UNICODE_STRING(device_sddl, L"D:P(A;;GA;;;SY)(A;;GA;;;BA)");

/* Made at random; an administrator may override the descriptor for this class in the registry. */
static const GUID device_class = {0x0d5a1b1e, 0x7c8e, 0x4a36, {0x9b, 0x52, 0x1f, 0x6d, 0x30, 0xc4, 0x77, 0x20}};

_Use_decl_annotations_
NTSTATUS device_create(PDRIVER_OBJECT driver)
{
    NTSTATUS status =
        IoCreateDeviceSecure(driver, 0, (PUNICODE_STRING)&device_name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN,
                             FALSE, &device_sddl, &device_class, &driver_state.device);

    if (!NT_SUCCESS(status)) {
        driver_state.device = NULL;
        return status;
    }
    status = IoCreateSymbolicLink((PUNICODE_STRING)&link_name, (PUNICODE_STRING)&device_name);
    if (NT_SUCCESS(status)) {
        status = IoCreateSymbolicLink((PUNICODE_STRING)&seed_link_name, (PUNICODE_STRING)&device_name);
        if (!NT_SUCCESS(status))
            (void)IoDeleteSymbolicLink((PUNICODE_STRING)&link_name);
    }
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(driver_state.device);
        driver_state.device = NULL;
    }
    return status;
}

_Use_decl_annotations_
void device_delete(void)
{
    if (driver_state.device == NULL)
        return;
    (void)IoDeleteSymbolicLink((PUNICODE_STRING)&seed_link_name);
    (void)IoDeleteSymbolicLink((PUNICODE_STRING)&link_name);
    IoDeleteDevice(driver_state.device);
    driver_state.device = NULL;
}
