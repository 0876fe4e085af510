/* SPDX-License-Identifier: MIT */
/*
 * current.c - whose code runs on this thread, and what a filter engine on top of nt/ is told and asked.
 *
 * nt/ knows no filter engine: it gives two routines, and is called by nobody else.
 */
#include "nt/internal.h"

static nt_driver_gone *gone_now;
static nt_irql_hook *irql_hook_now;

PDRIVER_OBJECT nt_current_driver(void)
{
    return nt_self.driver;
}

PDRIVER_OBJECT nt_enter_driver(PDRIVER_OBJECT driver)
{
    PDRIVER_OBJECT before = nt_self.driver;
    nt_self.driver = driver;
    return before;
}

void nt_set_driver_gone(nt_driver_gone *gone)
{
    __atomic_store_n(&gone_now, gone, __ATOMIC_RELEASE);
}

void nt_tell_driver_gone(PDRIVER_OBJECT driver)
{
    nt_driver_gone *gone = __atomic_load_n(&gone_now, __ATOMIC_ACQUIRE);
    if (gone != NULL)
        gone(driver);
}

void nt_set_irql_hook(nt_irql_hook *hook)
{
    __atomic_store_n(&irql_hook_now, hook, __ATOMIC_RELEASE);
}

bool nt_irql_explained(const char *routine, KIRQL highest)
{
    nt_irql_hook *hook = __atomic_load_n(&irql_hook_now, __ATOMIC_ACQUIRE);
    return hook != NULL && hook(routine, highest);
}
