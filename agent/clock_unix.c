/* SPDX-License-Identifier: MIT */
/*
 * clock_unix.c - see clock.h. Both clocks are read without a system call.
 */
#include "agent/clock.h"

#include <time.h>

/* 1601-01-01 to 1970-01-01. */
#define EPOCH_DIFFERENCE (UINT64_C(11644473600) * CLOCK_SECOND)

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now = {0};

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec / 100u;
}

uint64_t clock_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME) + EPOCH_DIFFERENCE;
}

static struct clock_date to_date(const struct tm *parts, uint64_t wall)
{
    return (struct clock_date){.year = parts->tm_year + 1900,
                               .month = parts->tm_mon + 1,
                               .day = parts->tm_mday,
                               .hour = parts->tm_hour,
                               .minute = parts->tm_min,
                               .second = parts->tm_sec,
                               .millisecond = (int)(wall % CLOCK_SECOND / CLOCK_MILLISECOND)};
}

static time_t to_seconds(uint64_t wall)
{
    return (time_t)(wall / CLOCK_SECOND) - (time_t)(EPOCH_DIFFERENCE / CLOCK_SECOND);
}

struct clock_date clock_date_utc(uint64_t wall)
{
    time_t seconds = to_seconds(wall);
    struct tm parts = {0};

    gmtime_r(&seconds, &parts);
    return to_date(&parts, wall);
}

struct clock_date clock_date_local(uint64_t wall)
{
    time_t seconds = to_seconds(wall);
    struct tm parts = {0};

    localtime_r(&seconds, &parts);
    return to_date(&parts, wall);
}
