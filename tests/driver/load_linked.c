/* SPDX-License-Identifier: MIT */
/*
 * load_linked.c - see load.h: the driver is linked in.
 */
#include "tests/driver/load.h"

DRIVER_INITIALIZE DriverEntry;

static struct nt_driver *driver;

NTSTATUS driver_load(const struct nt_registry_value *values, size_t count)
{
    return nt_driver_load("gatehouse", DriverEntry, values, count, &driver);
}

void driver_unload(void)
{
    nt_driver_unload(driver);
}
