/* SPDX-License-Identifier: MIT */
/*
 * clock_windows.c - see clock.h.
 *
 * The driver's boot time is KeQueryInterruptTime, which counts the time the machine slept. QueryInterruptTime reads
 * the same clock. Wine 8 lacks it, and has one clock for that and for the unbiased interrupt time.
 */
#include "agent/clock.h"

#include <stdbool.h>

#include <windows.h>

#include "agent/library_windows.h"

typedef void WINAPI query_interrupt_time(PULONGLONG time);

uint64_t clock_boot(void)
{
    static bool looked_up;
    static query_interrupt_time *query;
    ULONGLONG now = 0;

    if (!looked_up) {
        query = (query_interrupt_time *)library_routine(L"kernelbase.dll", "QueryInterruptTime");
        looked_up = true;
    }
    if (query != NULL)
        query(&now);
    else
        QueryUnbiasedInterruptTime(&now);
    return now;
}

static uint64_t join(FILETIME time)
{
    return (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

uint64_t clock_wall(void)
{
    FILETIME now;

    GetSystemTimePreciseAsFileTime(&now);
    return join(now);
}

static struct clock_date to_date(const SYSTEMTIME *parts)
{
    return (struct clock_date){.year = parts->wYear,
                               .month = parts->wMonth,
                               .day = parts->wDay,
                               .hour = parts->wHour,
                               .minute = parts->wMinute,
                               .second = parts->wSecond,
                               .millisecond = parts->wMilliseconds};
}

struct clock_date clock_date_utc(uint64_t wall)
{
    FILETIME time = {(DWORD)wall, (DWORD)(wall >> 32)};
    SYSTEMTIME parts = {0};

    FileTimeToSystemTime(&time, &parts);
    return to_date(&parts);
}

struct clock_date clock_date_local(uint64_t wall)
{
    FILETIME time = {(DWORD)wall, (DWORD)(wall >> 32)};
    SYSTEMTIME utc = {0}, local;

    FileTimeToSystemTime(&time, &utc);
    if (!SystemTimeToTzSpecificLocalTime(NULL, &utc, &local))
        local = utc;
    return to_date(&local);
}
