/* SPDX-License-Identifier: MIT */
/*
 * engine_driver.c - keeps the filter engine loaded without gatehouse.sys: a driver that only imports fwpkclnt.sys.
 *
 * On Windows the engine is there from boot on. Under Wine it comes with the first driver that wants it, and goes with
 * the driver host; a service that is started before gatehouse is in the same host, and keeps both.
 */
#include <ntddk.h>

#include <fwpmk.h>

DRIVER_INITIALIZE DriverEntry;

static void NTAPI unload(PDRIVER_OBJECT driver)
{
    (void)driver;
}

/* The engine makes its device at the first call. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HANDLE engine;
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);

    (void)registry_path;
    if (NT_SUCCESS(status))
        status = FwpmEngineClose0(engine);
    driver->DriverUnload = unload;
    return status;
}
