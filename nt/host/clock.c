/* SPDX-License-Identifier: MIT */
/*
 * clock.c - nt_now, and the times of day and since boot that drivers ask for.
 *
 * nt_now is CLOCK_BOOTTIME in 100 ns: it counts the time the machine slept, so deadlines and
 * lifetimes end when a person's watch says so. That is what KeQueryInterruptTime ("biased") is on
 * Windows; KeQueryUnbiasedInterruptTime leaves sleep out: CLOCK_MONOTONIC.
 * Pages: wdm.h KeQueryInterruptTime, KeQueryUnbiasedInterruptTime, KeQuerySystemTimePrecise.
 *
 * With nt_set_clock every one of them follows the given clock, system time from the moment it was set; under the
 * scheduler, its virtual time.
 */
#include "nt/internal.h"

#include <time.h>

#define UNIX_EPOCH_1601 116444736000000000ull
#define SCHEDULED_EPOCH 134000000000000000ull /* when virtual time began: 2025 */

static uint64_t (*clock_now)(void);
static uint64_t clock_epoch; /* system time minus clock, with a clock set */

static uint64_t read_clock(clockid_t id)
{
    struct timespec time;
    clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * 10000000u + (uint64_t)time.tv_nsec / 100u;
}

void nt_set_clock(uint64_t (*now)(void))
{
    if (now != NULL)
        __atomic_store_n(&clock_epoch, read_clock(CLOCK_REALTIME) + UNIX_EPOCH_1601 - now(), __ATOMIC_RELAXED);
    __atomic_store_n(&clock_now, now, __ATOMIC_RELEASE);
}

bool nt_clock_is_real(void)
{
    return __atomic_load_n(&clock_now, __ATOMIC_ACQUIRE) == NULL;
}

uint64_t nt_now(void)
{
    if (nt_scheduling)
        return nt_schedule_now();
    uint64_t (*now)(void) = __atomic_load_n(&clock_now, __ATOMIC_ACQUIRE);
    return now != NULL ? now() : read_clock(CLOCK_BOOTTIME);
}

static uint64_t system_now(void)
{
    if (nt_scheduling)
        return SCHEDULED_EPOCH + nt_schedule_now();
    uint64_t (*now)(void) = __atomic_load_n(&clock_now, __ATOMIC_ACQUIRE);
    if (now != NULL)
        return now() + __atomic_load_n(&clock_epoch, __ATOMIC_RELAXED);
    return read_clock(CLOCK_REALTIME) + UNIX_EPOCH_1601;
}

uint64_t nt_interval(const LARGE_INTEGER *time)
{
    if (time->QuadPart <= 0)
        return 0 - (uint64_t)time->QuadPart;
    uint64_t now = system_now();
    return (uint64_t)time->QuadPart > now ? (uint64_t)time->QuadPart - now : 0;
}

struct nt_deadline nt_deadline_after(uint64_t interval)
{
    struct nt_deadline deadline = {NT_NEVER, UINT64_MAX};
    uint64_t now = nt_now();
    if (nt_scheduling) {
        deadline.due = interval < NT_NEVER - now ? now + interval : NT_NEVER;
    } else if (interval < NT_NEVER - now) {
        uint64_t real = read_clock(CLOCK_MONOTONIC) * 100u;
        deadline.due = now + interval;
        deadline.real = interval < (UINT64_MAX - real) / 100u ? real + interval * 100u : UINT64_MAX;
    }
    return deadline;
}

uint64_t nt_deadline_left(const struct nt_deadline *deadline)
{
    if (deadline->due == NT_NEVER)
        return UINT64_MAX;
    uint64_t now = nt_now();
    if (now >= deadline->due)
        return 0;
    if (nt_clock_is_real()) {
        uint64_t left = deadline->due - now;
        return left < UINT64_MAX / 100u ? left * 100u : UINT64_MAX;
    }
    uint64_t real = read_clock(CLOCK_MONOTONIC) * 100u;
    if (real >= deadline->real)
        return 0;
    return deadline->real - real < 1000000u ? deadline->real - real : 1000000u;
}

ULONGLONG KeQueryInterruptTime(VOID)
{
    NT_ENTER(KeQueryInterruptTime);
    return nt_now();
}

ULONGLONG KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp)
{
    NT_ENTER(KeQueryInterruptTimePrecise);
    uint64_t now = nt_now();
    *QpcTimeStamp = now;
    return now;
}

ULONGLONG KeQueryUnbiasedInterruptTime(VOID)
{
    NT_ENTER(KeQueryUnbiasedInterruptTime);
    return nt_clock_is_real() && !nt_scheduling ? read_clock(CLOCK_MONOTONIC) : nt_now();
}

VOID KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime)
{
    NT_ENTER(KeQuerySystemTimePrecise);
    CurrentTime->QuadPart = (LONGLONG)system_now();
}

VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
    NT_ENTER(KeQuerySystemTime);
    CurrentTime->QuadPart = (LONGLONG)system_now();
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency)
{
    NT_ENTER(KeQueryPerformanceCounter);
    LARGE_INTEGER counter = {.QuadPart = (LONGLONG)nt_now()};
    if (PerformanceFrequency != NULL)
        PerformanceFrequency->QuadPart = 10000000;
    return counter;
}

/* 100 ns a tick of the 64 Hz clock interrupt. */
ULONG KeQueryTimeIncrement(VOID)
{
    NT_ENTER(KeQueryTimeIncrement);
    return 156250;
}
