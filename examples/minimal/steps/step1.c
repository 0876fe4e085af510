/* SPDX-License-Identifier: MIT */
/*
 * step1.c - a driver that comes and goes. It forgets something.
 */
#include <ntddk.h>

static PDEVICE_OBJECT device;
static UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Step");
static UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Step");

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    (void)driver;
    IoDeleteDevice(device);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_NETWORK, 0, FALSE, &device);

    (void)path;
    driver->DriverUnload = unload;
    if (NT_SUCCESS(status))
        status = IoCreateSymbolicLink(&link, &name);
    return status;
}
