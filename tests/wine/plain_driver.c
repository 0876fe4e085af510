/* SPDX-License-Identifier: MIT */
/*
 * plain_driver.c - stands in for gatehouse.sys where only its installation is tested: it starts, or with -DREFUSES does
 * not, and stops.
 */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

#ifdef REFUSES
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    (void)driver;
    (void)registry_path;
    return STATUS_DEVICE_NOT_CONNECTED;
}
#else
static void NTAPI unload(PDRIVER_OBJECT driver)
{
    (void)driver;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    (void)registry_path;
    driver->DriverUnload = unload;
    return STATUS_SUCCESS;
}
#endif
