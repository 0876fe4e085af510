/* SPDX-License-Identifier: MIT */
/*
 * load_file.c - see tests/driver/load.h: the driver is a Windows binary, on special pool.
 */
#include "tests/driver/load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "pe/loader.h"

static struct pe_driver *driver;

/*
 * cmocka sets a handler of its own for SIGSEGV before each test, over the loader's, which answers what
 * the driver's inline routines do. This takes the C library's place: cmocka keeps all but that signal.
 */
void (*signal(int number, void (*handler)(int)))(int)
{
    struct sigaction action = {.sa_handler = handler}, previous;

    if (number == SIGSEGV)
        return SIG_DFL;
    return sigaction(number, &action, &previous) == 0 ? previous.sa_handler : SIG_ERR;
}

NTSTATUS driver_load(const struct nt_registry_value *values, size_t count)
{
    struct pe_error error = {""};
    const char *path = getenv("GATEHOUSE_SYS");

    if (!nt_special_pool_start(PE_SPECIAL_POOL_PAGES, FALSE))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (pe_driver_load(path == NULL ? "gatehouse.sys" : path, "gatehouse", values, count, &driver, &error))
        return STATUS_SUCCESS;
    fprintf(stderr, "%s\n", error.text);
    return STATUS_UNSUCCESSFUL;
}

void driver_unload(void)
{
    pe_driver_unload(driver);
}
