/* SPDX-License-Identifier: MIT */
/*
 * timer.c - kernel timers, in a binary heap ordered by due time.
 *
 * A set timer's place in the heap is kept in its own TimerListEntry, so that cancelling costs
 * O(log n). The heap is guarded by the pump's lock; expiring a timer signals it and queues its DPC
 * on the pumping thread while that lock is held, so that a KeCancelTimer which answers FALSE,
 * followed by KeFlushQueuedDpcs, is sure that the DPC has run (as on NT).
 * Absolute times are turned into intervals once; they do not follow later changes of the clock.
 * Rules: left-timer, not-initialized; pool-freed-in-use (verify/in_use.c).
 * Pages: wdm.h KeSetTimerEx, KeCancelTimer, KeInitializeTimerEx; "Timer Objects and DPCs".
 */
#include "nt/internal.h"
#include "nt/verify/in_use.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

static PKTIMER *heap;
static size_t heap_count, heap_room;

static void place(size_t index, PKTIMER timer)
{
    heap[index] = timer;
    timer->TimerListEntry.Flink = (PLIST_ENTRY)(index + 1);
}

static size_t index_of(const KTIMER *timer)
{
    return (size_t)timer->TimerListEntry.Flink - 1;
}

static void sift_up(size_t index, PKTIMER timer)
{
    while (index > 0 && heap[(index - 1) / 2]->DueTime.QuadPart > timer->DueTime.QuadPart) {
        place(index, heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    place(index, timer);
}

static void sift_down(size_t index, PKTIMER timer)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child + 1 < heap_count && heap[child + 1]->DueTime.QuadPart < heap[child]->DueTime.QuadPart)
            child++;
        if (child >= heap_count || heap[child]->DueTime.QuadPart >= timer->DueTime.QuadPart)
            break;
        place(index, heap[child]);
        index = child;
    }
    place(index, timer);
}

static bool is_set(const KTIMER *timer)
{
    return timer->TimerListEntry.Flink != NULL;
}

static void heap_insert(PKTIMER timer)
{
    if (heap_count == heap_room) {
        size_t room = heap_room == 0 ? 64 : heap_room * 2;
        PKTIMER *larger = realloc(heap, room * sizeof *heap);
        if (larger == NULL)
            abort();
        heap = larger;
        heap_room = room;
    }
    sift_up(heap_count++, timer);
}

static void heap_remove(PKTIMER timer)
{
    size_t index = index_of(timer);
    PKTIMER last = heap[--heap_count];
    timer->TimerListEntry.Flink = NULL;
    if (last == timer)
        return;
    if (index > 0 && heap[(index - 1) / 2]->DueTime.QuadPart > last->DueTime.QuadPart)
        sift_up(index, last);
    else
        sift_down(index, last);
}

uint64_t nt_timers_next(void)
{
    return heap_count == 0 ? NT_NEVER : heap[0]->DueTime.QuadPart;
}

size_t nt_timer_count(void)
{
    nt_pump_lock();
    size_t count = heap_count;
    nt_pump_unlock(NT_NEVER);
    return count;
}

void nt_timers_abandon(void)
{
    nt_pump_lock();
    heap_count = 0;
    nt_pump_unlock(NT_NEVER);
}

const void *nt_timer_take_within(const void *start, size_t size)
{
    const void *found = NULL;
    nt_pump_lock();
    for (size_t index = 0; index < heap_count && found == NULL; index++)
        if ((uintptr_t)heap[index] - (uintptr_t)start < size)
            found = heap[index];
    if (found != NULL)
        heap_remove((PKTIMER)(uintptr_t)found);
    nt_pump_unlock(NT_NEVER);
    return found;
}

/* One whose DPC routine lies in code; any one without code, whose memory is not looked at. */
static PKTIMER take_timer_of(const struct nt_code *code)
{
    PKTIMER found = NULL;
    nt_pump_lock();
    if (code == NULL && heap_count > 0)
        found = heap[--heap_count];
    for (size_t index = 0; code != NULL && index < heap_count && found == NULL; index++)
        if (heap[index]->Dpc != NULL && nt_code_holds(code, (const void *)(uintptr_t)heap[index]->Dpc->DeferredRoutine))
            found = heap[index];
    if (code != NULL && found != NULL)
        heap_remove(found);
    nt_pump_unlock(NT_NEVER);
    return found;
}

size_t nt_timers_report(const struct nt_code *code)
{
    size_t count = 0;
    for (PKTIMER timer; (timer = take_timer_of(code)) != NULL; count++) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)timer);
        nt_violate("left-timer", "DriverUnload", "the timer at %p is still set", (void *)timer);
    }
    return count;
}

static void expire(PKTIMER timer, uint64_t now)
{
    LONG previous;
    bool over;
    uint64_t period = (uint64_t)timer->Period * 10000u;
    heap_remove(timer);
    if (period != 0) {
        uint64_t next = timer->DueTime.QuadPart + period;
        timer->DueTime.QuadPart = next > now ? next : now + period;
        heap_insert(timer);
    }
    PKDPC dpc = timer->Dpc;
    nt_signal(&timer->Header, 1, 1, &previous, &over);
    if (dpc != NULL)
        (void)nt_dpc_enqueue(dpc, NULL, NULL);
}

bool nt_timers_expire(uint64_t now)
{
    bool any = false;
    /* Each timer once in a call: one with a period shorter than its DPC must not hold the pump. */
    for (size_t left = heap_count; left > 0 && heap_count > 0 && heap[0]->DueTime.QuadPart <= now; left--) {
        expire(heap[0], now);
        any = true;
    }
    return any;
}

void nt_timers_tick(uint64_t now)
{
    nt_pump_lock();
    if (heap_count != 0 && heap[0]->DueTime.QuadPart <= now)
        expire(heap[0], now);
    nt_pump_unlock(NT_NEVER);
    nt_dpc_drain();
}

void nt_timers_reset(void)
{
    heap_count = 0;
}

VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type)
{
    NT_ENTER(KeInitializeTimerEx);
    memset(Timer, 0, sizeof *Timer);
    nt_dispatcher_initialize(&Timer->Header, (UCHAR)(NT_NOTIFICATION_TIMER_OBJECT + Type), sizeof *Timer, 0);
}

VOID KeInitializeTimer(PKTIMER Timer)
{
    NT_ENTER(KeInitializeTimer);
    KeInitializeTimerEx(Timer, NotificationTimer);
}

static BOOLEAN set_timer(PKTIMER timer, const LARGE_INTEGER *due_time, ULONG period, PKDPC dpc, const char *routine)
{
    if (timer->Header.Type != NT_NOTIFICATION_TIMER_OBJECT && timer->Header.Type != NT_NOTIFICATION_TIMER_OBJECT + 1) {
        nt_violate("not-initialized", routine, "the timer at %p was not initialized", (void *)timer);
        return FALSE;
    }
    if (NT_VERIFYING)
        nt_check_resident(timer, "the timer", routine);
    uint64_t interval = nt_interval(due_time);
    uint64_t now = nt_now();
    nt_pump_lock();
    bool was_set = is_set(timer);
    if (was_set)
        heap_remove(timer);
    nt_unsignal(&timer->Header);
    timer->DueTime.QuadPart = interval < NT_NEVER - 1 - now ? now + interval : NT_NEVER - 1;
    timer->Period = period;
    timer->Dpc = dpc;
    heap_insert(timer);
    nt_pump_unlock(timer->DueTime.QuadPart);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)timer);
    return was_set;
}

BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc)
{
    NT_ENTER(KeSetTimerEx);
    return set_timer(Timer, &DueTime, Period > 0 ? (ULONG)Period : 0, Dpc, "KeSetTimerEx");
}

BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
    NT_ENTER(KeSetTimer);
    return set_timer(Timer, &DueTime, 0, Dpc, "KeSetTimer");
}

BOOLEAN KeSetCoalescableTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period, ULONG TolerableDelay, PKDPC Dpc)
{
    NT_ENTER(KeSetCoalescableTimer);
    UNREFERENCED_PARAMETER(TolerableDelay);
    return set_timer(Timer, &DueTime, Period, Dpc, "KeSetCoalescableTimer");
}

BOOLEAN KeCancelTimer(PKTIMER Timer)
{
    NT_ENTER(KeCancelTimer);
    nt_pump_lock();
    bool was_set = is_set(Timer);
    if (was_set)
        heap_remove(Timer);
    nt_pump_unlock(NT_NEVER);
    return was_set;
}

BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
    NT_ENTER(KeReadStateTimer);
    return nt_is_signaled(&Timer->Header);
}
