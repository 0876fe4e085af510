/* SPDX-License-Identifier: MIT */
/*
 * terminal_output_windows.c - standard output that never makes a decision wait. See terminal.h.
 *
 * A write to a console waits while somebody marks text in it, one to a full pipe until somebody reads. So a
 * thread writes, from a ring; what is in the ring when the program ends has a moment to get out.
 */
#include "agent/terminal.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "agent/terminal_windows.h"

#define RING_SIZE     65536u
#define LAST_WRITE_MS 1000

static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE changed; /* something is in it, or it is empty or closed */
    HANDLE room;                /* NULL: not started */
    bool failed, closed;
    size_t start, used;
    char bytes[RING_SIZE];
} ring = {.lock = SRWLOCK_INIT, .changed = CONDITION_VARIABLE_INIT};

static DWORD WINAPI write_ring(void *context)
{
    (void)context;
    AcquireSRWLockExclusive(&ring.lock);
    while (!ring.closed) {
        size_t count = ring.used < RING_SIZE - ring.start ? ring.used : RING_SIZE - ring.start;
        DWORD done = 0;
        bool good;

        if (count == 0) {
            SleepConditionVariableSRW(&ring.changed, &ring.lock, INFINITE, 0);
            continue;
        }
        ReleaseSRWLockExclusive(&ring.lock);
        good = WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), ring.bytes + ring.start, (DWORD)count, &done, NULL) != 0;
        AcquireSRWLockExclusive(&ring.lock);
        ring.start = (ring.start + done) % RING_SIZE;
        ring.used -= done;
        ring.closed = !good;
        SetEvent(ring.room);
        if (ring.used == 0 || ring.closed)
            WakeAllConditionVariable(&ring.changed);
    }
    ReleaseSRWLockExclusive(&ring.lock);
    return 0;
}

static void write_last(void)
{
    ULONGLONG now, end = GetTickCount64() + LAST_WRITE_MS;

    AcquireSRWLockExclusive(&ring.lock);
    while (ring.used > 0 && !ring.closed && (now = GetTickCount64()) < end)
        SleepConditionVariableSRW(&ring.changed, &ring.lock, (DWORD)(end - now), 0);
    ReleaseSRWLockExclusive(&ring.lock);
}

/* Only the first call does something; one thread writes through this file. */
static bool start_writing(void)
{
    HANDLE thread;

    if (ring.room != NULL || ring.failed)
        return !ring.failed;
    ring.room = CreateEventW(NULL, TRUE, FALSE, NULL);
    thread = ring.room == NULL ? NULL : CreateThread(NULL, 0, write_ring, NULL, 0, NULL);
    ring.failed = thread == NULL;
    if (ring.failed)
        return false;
    CloseHandle(thread);
    atexit(write_last);
    return true;
}

/* The lock is held. */
static size_t room_left(void)
{
    size_t room = RING_SIZE - ring.used;

    if (room == 0)
        ResetEvent(ring.room);
    return room;
}

long terminal_try_write(const char *bytes, size_t count)
{
    size_t end, part;
    long result = -1;

    if (!start_writing())
        return -1;
    AcquireSRWLockExclusive(&ring.lock);
    if (!ring.closed) {
        count = count < room_left() ? count : room_left();
        end = (ring.start + ring.used) % RING_SIZE;
        part = count < RING_SIZE - end ? count : RING_SIZE - end;
        memcpy(ring.bytes + end, bytes, part);
        memcpy(ring.bytes, bytes + part, count - part);
        ring.used += count;
        result = (long)count;
        WakeAllConditionVariable(&ring.changed);
    }
    ReleaseSRWLockExclusive(&ring.lock);
    return result;
}

bool terminal_output_is_ready(void)
{
    bool ready;

    if (!start_writing())
        return true;
    AcquireSRWLockExclusive(&ring.lock);
    ready = ring.closed || room_left() > 0;
    ReleaseSRWLockExclusive(&ring.lock);
    return ready;
}

void *terminal_output_event(void)
{
    return ring.room;
}
