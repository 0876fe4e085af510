/* SPDX-License-Identifier: MIT */
/*
 * start.c - the entry point of gatehouse.sys as mingw-w64 builds it.
 *
 * It stands where GsDriverEntry stands in a build with the WDK. It is in section INIT, which
 * windows/link-driver marks discardable: nothing calls it after the driver has started.
 */
#include "windows/start.h"

DRIVER_INITIALIZE DriverEntry;

__attribute__((section("INIT"))) NTSTATUS driver_start(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    pool_start();
    return DriverEntry(driver, registry_path);
}
