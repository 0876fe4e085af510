/* SPDX-License-Identifier: MIT */
/*
 * no_scheduler.c - until the scheduler is there: nothing is a fiber.
 */
#include "nt/verify/scheduler.h"

bool nt_scheduled(void)
{
    return false;
}
void nt_schedule_spawn(const char *name, void (*body)(void *context), void *context)
{
    (void)name;
    body(context);
}
void nt_schedule_settle(void)
{
}
void nt_schedule_sleep(uint64_t interval)
{
    (void)interval;
}
