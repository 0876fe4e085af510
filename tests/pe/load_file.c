/* SPDX-License-Identifier: MIT */
/*
 * load_file.c - see tests/driver/load.h: the driver is a Windows binary.
 */
#include "tests/driver/load.h"

#include <stdio.h>
#include <stdlib.h>

#include "pe/loader.h"

static struct pe_driver *driver;

NTSTATUS driver_load(const struct nt_registry_dword *values, size_t count)
{
    struct pe_error error = {""};
    const char *path = getenv("GATEHOUSE_SYS");

    if (pe_driver_load(path == NULL ? "gatehouse.sys" : path, "gatehouse", values, count, &driver, &error))
        return STATUS_SUCCESS;
    fprintf(stderr, "%s\n", error.text);
    return STATUS_UNSUCCESSFUL;
}

void driver_unload(void)
{
    pe_driver_unload(driver);
}
