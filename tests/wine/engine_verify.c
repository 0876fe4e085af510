/* SPDX-License-Identifier: MIT */
/*
 * engine_verify.c - the verifier that wfp/ calls (nt/verify/), under Wine: there is none, it is always off.
 */
#include "nt/verify/trap_page.h"
#include "nt/verify/verify.h"

bool nt_verify_on;

void nt_begin_verified(enum nt_beginning what, uint64_t key)
{
    (void)what;
    (void)key;
}

void nt_end_verified(enum nt_beginning what, uint64_t key)
{
    (void)what;
    (void)key;
}

void nt_about(enum nt_beginning what, uint64_t key)
{
    (void)what;
    (void)key;
}

void nt_about_routine_verified(const void *routine)
{
    (void)routine;
}

void nt_about_connection(uint64_t operation)
{
    (void)operation;
}

void nt_note(uint64_t operation, const char *format, ...)
{
    (void)operation;
    (void)format;
}

uint64_t nt_now(void)
{
    return 0;
}

PDRIVER_OBJECT nt_current_driver(void)
{
    return NULL;
}

PDRIVER_OBJECT nt_enter_driver(PDRIVER_OBJECT driver)
{
    return driver;
}

void nt_set_driver_gone(nt_driver_gone *gone)
{
    (void)gone;
}

void nt_set_irql_hook(nt_irql_hook *hook)
{
    (void)hook;
}

void *nt_trap_open(size_t size, const char *label, uint64_t connection)
{
    (void)size;
    (void)label;
    (void)connection;
    return NULL;
}

void nt_trap_close(void *group)
{
    (void)group;
}

void nt_trap_reset(void)
{
}

void *nt_trap_address(const char *label)
{
    (void)label;
    return NULL;
}

void nt_put_right(KIRQL irql, unsigned locks)
{
    (void)irql;
    (void)locks;
}
