/* SPDX-License-Identifier: MIT */
/*
 * dispatcher.c - events, semaphores, and waiting for them, for timers and for threads.
 *
 * An object is guarded by one of a few hashed locks. A waiter links itself into the object's wait
 * list and parks; whoever signals hands the signal to it, so a synchronization event wakes exactly
 * one. The signaller touches a waiter only under the lock, and a woken waiter takes that lock once
 * before it returns: then its stack, and the object, may vanish.
 * Pages: wdm.h KeWaitForSingleObject, KeSetEvent, KeReleaseSemaphore; "Introduction to Kernel
 * Dispatcher Objects".
 */
#include "nt/internal.h"
#include "nt/verify/in_use.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

enum object_type {
    TYPE_NOTIFICATION_EVENT = 0,
    TYPE_SYNCHRONIZATION_EVENT = 1,
    TYPE_SEMAPHORE = 5,
    TYPE_THREAD = 6,
    TYPE_NOTIFICATION_TIMER = 8,
    TYPE_SYNCHRONIZATION_TIMER = 9,
};

struct waiter {
    LIST_ENTRY link;
    uint32_t woken;
    uint32_t *token;
    LIST_ENTRY all; /* linked while the verifier is on */
    DISPATCHER_HEADER *object;
};

#define BUCKETS 64
static pthread_mutex_t buckets[BUCKETS]; /* zeroes are PTHREAD_MUTEX_INITIALIZER with glibc and musl */

/* Every waiter, while the verifier is on. Its lock comes before a bucket's. */
static pthread_mutex_t waiters_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY waiters = {&waiters, &waiters};

static pthread_mutex_t *bucket_of(const DISPATCHER_HEADER *object)
{
    uintptr_t address = (uintptr_t)object;
    return &buckets[(address >> 4 ^ address >> 12) % BUCKETS];
}

/* Takes what one satisfied wait takes from the object. */
static void consume(DISPATCHER_HEADER *object)
{
    if (object->Type == TYPE_SYNCHRONIZATION_EVENT || object->Type == TYPE_SYNCHRONIZATION_TIMER)
        object->SignalState = 0;
    else if (object->Type == TYPE_SEMAPHORE)
        object->SignalState--;
}

static void wake_waiters(DISPATCHER_HEADER *object)
{
    while (object->SignalState > 0 && !IsListEmpty(&object->WaitListHead)) {
        struct waiter *waiter = CONTAINING_RECORD(RemoveHeadList(&object->WaitListHead), struct waiter, link);
        consume(object);
        uint32_t *token = waiter->token;
        __atomic_store_n(&waiter->woken, 1, __ATOMIC_RELEASE);
        nt_unpark(token);
    }
}

void nt_signal(DISPATCHER_HEADER *object, LONG adjustment, LONG limit, LONG *previous, bool *over)
{
    pthread_mutex_t *bucket = bucket_of(object);
    pthread_mutex_lock(bucket);
    *previous = object->SignalState;
    *over = adjustment > limit - object->SignalState && object->Type == TYPE_SEMAPHORE;
    if (!*over) {
        object->SignalState = object->Type == TYPE_SEMAPHORE ? object->SignalState + adjustment : 1;
        wake_waiters(object);
    }
    pthread_mutex_unlock(bucket);
}

bool nt_is_signaled(const DISPATCHER_HEADER *object)
{
    pthread_mutex_t *bucket = bucket_of(object);
    pthread_mutex_lock(bucket);
    bool signaled = object->SignalState > 0;
    pthread_mutex_unlock(bucket);
    return signaled;
}

void nt_unsignal(DISPATCHER_HEADER *object)
{
    pthread_mutex_t *bucket = bucket_of(object);
    pthread_mutex_lock(bucket);
    object->SignalState = 0;
    pthread_mutex_unlock(bucket);
}

static LONG read_state(const DISPATCHER_HEADER *object)
{
    pthread_mutex_t *bucket = bucket_of(object);
    pthread_mutex_lock(bucket);
    LONG state = object->SignalState;
    pthread_mutex_unlock(bucket);
    return state;
}

void nt_dispatcher_initialize(DISPATCHER_HEADER *object, UCHAR type, size_t size, LONG state)
{
    memset(object, 0, sizeof *object);
    object->Type = type;
    object->Size = (UCHAR)(size / sizeof(LONG));
    object->SignalState = state;
    InitializeListHead(&object->WaitListHead);
}

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
    NT_ENTER(KeInitializeEvent);
    nt_dispatcher_initialize(&Event->Header, (UCHAR)Type, sizeof *Event, State != FALSE);
}

/* With Wait set the caller keeps the dispatcher lock until its next wait: not at DISPATCH_LEVEL. */
static void require_wait_level(const char *routine, BOOLEAN wait)
{
    if (wait && nt_self.irql > APC_LEVEL)
        nt_violate("irql-too-high", routine, "with Wait = TRUE it may be called at IRQL %u at most", APC_LEVEL);
}

LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    NT_ENTER(KeSetEvent);
    LONG previous;
    bool over;
    UNREFERENCED_PARAMETER(Increment);
    require_wait_level("KeSetEvent", Wait);
    if (NT_VERIFYING && nt_self.irql >= DISPATCH_LEVEL)
        nt_check_resident(Event, "the event", "KeSetEvent");
    nt_signal(&Event->Header, 1, 1, &previous, &over);
    NT_POINT("KeSetEvent"); /* whom it woke may run before the caller */
    return previous;
}

LONG KeResetEvent(PRKEVENT Event)
{
    NT_ENTER(KeResetEvent);
    pthread_mutex_t *bucket = bucket_of(&Event->Header);
    pthread_mutex_lock(bucket);
    LONG previous = Event->Header.SignalState;
    Event->Header.SignalState = 0;
    pthread_mutex_unlock(bucket);
    return previous;
}

VOID KeClearEvent(PRKEVENT Event)
{
    NT_ENTER(KeClearEvent);
    (void)KeResetEvent(Event);
}

LONG KeReadStateEvent(PRKEVENT Event)
{
    NT_ENTER(KeReadStateEvent);
    return read_state(&Event->Header);
}

VOID KeInitializeSemaphore(PRKSEMAPHORE Semaphore, LONG Count, LONG Limit)
{
    NT_ENTER(KeInitializeSemaphore);
    if (Count < 0 || Limit <= 0 || Count > Limit)
        nt_violate("semaphore-limit", "KeInitializeSemaphore", "count %d does not fit limit %d", Count, Limit);
    nt_dispatcher_initialize(&Semaphore->Header, TYPE_SEMAPHORE, sizeof *Semaphore, Count);
    Semaphore->Limit = Limit;
}

LONG KeReleaseSemaphore(PRKSEMAPHORE Semaphore, KPRIORITY Increment, LONG Adjustment, BOOLEAN Wait)
{
    NT_ENTER(KeReleaseSemaphore);
    LONG previous;
    bool over;
    UNREFERENCED_PARAMETER(Increment);
    require_wait_level("KeReleaseSemaphore", Wait);
    if (Adjustment <= 0) {
        nt_violate("semaphore-limit", "KeReleaseSemaphore", "the adjustment %d is not positive", Adjustment);
        return KeReadStateSemaphore(Semaphore);
    }
    nt_signal(&Semaphore->Header, Adjustment, Semaphore->Limit, &previous, &over);
    if (over)
        nt_violate("semaphore-limit", "KeReleaseSemaphore",
                   "%d more than %d exceed the limit %d: raises STATUS_SEMAPHORE_LIMIT_EXCEEDED", Adjustment, previous,
                   Semaphore->Limit);
    NT_POINT("KeReleaseSemaphore");
    return previous;
}

LONG KeReadStateSemaphore(PRKSEMAPHORE Semaphore)
{
    NT_ENTER(KeReadStateSemaphore);
    return read_state(&Semaphore->Header);
}

static bool is_waitable(const DISPATCHER_HEADER *object)
{
    return object->Type == TYPE_NOTIFICATION_EVENT || object->Type == TYPE_SYNCHRONIZATION_EVENT ||
           object->Type == TYPE_SEMAPHORE || object->Type == TYPE_THREAD || object->Type == TYPE_NOTIFICATION_TIMER ||
           object->Type == TYPE_SYNCHRONIZATION_TIMER;
}

static bool is_timer(const DISPATCHER_HEADER *object)
{
    return object->Type == TYPE_NOTIFICATION_TIMER || object->Type == TYPE_SYNCHRONIZATION_TIMER;
}

static void note_waiter(struct waiter *waiter, DISPATCHER_HEADER *object)
{
    bool timer = is_timer(object); /* once the waiter is in the list, the object may be freed by mistake */
    waiter->object = object;
    pthread_mutex_lock(&waiters_lock);
    InsertTailList(&waiters, &waiter->all);
    pthread_mutex_unlock(&waiters_lock);
    if (!timer) /* that one began where it was set */
        nt_begin(NT_BEGAN_OBJECT, (uintptr_t)object);
}

static void forget_waiter(struct waiter *waiter)
{
    pthread_mutex_lock(&waiters_lock);
    RemoveEntryList(&waiter->all);
    pthread_mutex_unlock(&waiters_lock);
}

void nt_waiters_reset(void)
{
    InitializeListHead(&waiters);
}

const void *nt_awaited_take_within(const void *start, size_t size)
{
    const void *found = NULL;
    pthread_mutex_lock(&waiters_lock);
    for (PLIST_ENTRY entry = waiters.Flink; entry != &waiters && found == NULL; entry = entry->Flink) {
        struct waiter *waiter = CONTAINING_RECORD(entry, struct waiter, all);
        if ((uintptr_t)waiter->object - (uintptr_t)start >= size)
            continue;
        pthread_mutex_t *bucket = bucket_of(waiter->object);
        pthread_mutex_lock(bucket);
        if (!__atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE)) {
            found = waiter->object;
            RemoveEntryList(&waiter->link);
            InitializeListHead(&waiter->link); /* it takes itself out later */
        }
        pthread_mutex_unlock(bucket);
        waiter->object = NULL;
    }
    pthread_mutex_unlock(&waiters_lock);
    return found;
}

static NTSTATUS wait_for(DISPATCHER_HEADER *object, const struct nt_deadline *deadline)
{
    struct waiter waiter = {.token = &nt_self.token};
    pthread_mutex_t *bucket = bucket_of(object);
    NTSTATUS status = STATUS_SUCCESS;
    pthread_mutex_lock(bucket);
    bool satisfied = object->SignalState > 0;
    if (satisfied)
        consume(object);
    else if (deadline != NULL)
        InsertTailList(&object->WaitListHead, &waiter.link);
    pthread_mutex_unlock(bucket);
    if (satisfied)
        return STATUS_SUCCESS;
    if (deadline == NULL)
        return STATUS_TIMEOUT;
    bool noted = NT_VERIFYING;
    if (noted)
        note_waiter(&waiter, object);
    (void)nt_sleep_until(&waiter.woken, deadline);
    if (noted)
        forget_waiter(&waiter);
    pthread_mutex_lock(bucket);
    if (!__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE)) {
        RemoveEntryList(&waiter.link);
        status = STATUS_TIMEOUT;
    }
    pthread_mutex_unlock(bucket);
    nt_thread_check_code("KeWaitForSingleObject");
    return status;
}

NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode, BOOLEAN Alertable,
                               PLARGE_INTEGER Timeout)
{
    NT_ENTER(KeWaitForSingleObject);
    DISPATCHER_HEADER *object = Object;
    UNREFERENCED_PARAMETER(WaitReason);
    UNREFERENCED_PARAMETER(WaitMode);
    UNREFERENCED_PARAMETER(Alertable);
    if (!is_waitable(object)) {
        nt_violate("not-initialized", "KeWaitForSingleObject", "%p is no dispatcher object", Object);
        return STATUS_INVALID_PARAMETER;
    }
    if (Timeout != NULL && Timeout->QuadPart == 0)
        return wait_for(object, NULL);
    if (nt_self.irql > APC_LEVEL) {
        if (nt_irql_explained("KeWaitForSingleObject", APC_LEVEL))
            return STATUS_TIMEOUT;
        nt_about_held_lock();
        nt_violate("wait-at-dispatch", "KeWaitForSingleObject",
                   "waits at IRQL %u, with a timeout that is not 0; it may wait at %u at most", nt_self.irql,
                   APC_LEVEL);
        return STATUS_TIMEOUT;
    }
    struct nt_deadline deadline = nt_deadline_after(Timeout == NULL ? NT_NEVER : nt_interval(Timeout));
    return wait_for(object, &deadline);
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
    uint32_t never = 0;
    UNREFERENCED_PARAMETER(WaitMode);
    UNREFERENCED_PARAMETER(Alertable);
    if (nt_self.irql > NT_HIGH_KeDelayExecutionThread) {
        if (nt_irql_explained("KeDelayExecutionThread", APC_LEVEL))
            return STATUS_SUCCESS;
        nt_about_held_lock();
        nt_violate("wait-at-dispatch", "KeDelayExecutionThread", "waits at IRQL %u; it may at %u at most", nt_self.irql,
                   APC_LEVEL);
        return STATUS_SUCCESS;
    }
    NT_ENTER(KeDelayExecutionThread);
    struct nt_deadline deadline = nt_deadline_after(nt_interval(Interval));
    (void)nt_sleep_until(&never, &deadline);
    nt_thread_check_code("KeDelayExecutionThread");
    return STATUS_SUCCESS;
}
