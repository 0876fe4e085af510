/* SPDX-License-Identifier: MIT */
/*
 * dpc.c - deferred procedure calls, one queue a thread.
 *
 * A thread stands for a processor: its queue drains on itself as soon as its IRQL falls below
 * DISPATCH_LEVEL. KDPC.DpcData names the queue that holds a DPC (NULL: none), so a DPC is queued
 * once only, as on NT. Queues are never freed, only given to later threads: a remover may look at
 * one whose thread has gone.
 * Pages: wdm.h KeInsertQueueDpc, KeRemoveQueueDpc, KeFlushQueuedDpcs; "Introduction to DPC Objects".
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/verify/in_use.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

struct nt_processor {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    LIST_ENTRY queue;
    uint32_t waiting; /* read without the lock by its own thread */
    unsigned running; /* and waiting ones: what KeFlushQueuedDpcs waits for */
    bool taken;
    struct nt_processor *next;
};

static pthread_mutex_t processors_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nt_processor *processors;

static struct nt_processor *processor_take(void)
{
    struct nt_processor *processor;
    pthread_mutex_lock(&processors_lock);
    for (processor = processors; processor != NULL && processor->taken; processor = processor->next)
        ;
    if (processor == NULL) {
        processor = calloc(1, sizeof *processor);
        if (processor == NULL)
            abort();
        pthread_mutex_init(&processor->lock, NULL);
        pthread_cond_init(&processor->idle, NULL);
        InitializeListHead(&processor->queue);
        processor->next = processors;
        processors = processor;
    }
    processor->taken = true;
    pthread_mutex_unlock(&processors_lock);
    return processor;
}

void nt_processor_release(struct nt_processor *processor)
{
    pthread_mutex_lock(&processors_lock);
    processor->taken = false;
    pthread_mutex_unlock(&processors_lock);
}

bool nt_dpc_enqueue(PKDPC dpc, PVOID argument1, PVOID argument2)
{
    if (nt_self.processor == NULL) {
        nt_self.processor = processor_take();
        nt_at_thread_exit();
    }
    struct nt_processor *processor = nt_self.processor;
    bool inserted = false;
    pthread_mutex_lock(&processor->lock);
    if (InterlockedCompareExchangePointer(&dpc->DpcData, processor, NULL) == NULL) {
        dpc->SystemArgument1 = argument1;
        dpc->SystemArgument2 = argument2;
        if (dpc->Importance == HighImportance)
            InsertHeadList(&processor->queue, &dpc->DpcListEntry);
        else
            InsertTailList(&processor->queue, &dpc->DpcListEntry);
        processor->running++;
        __atomic_fetch_add(&processor->waiting, 1, __ATOMIC_RELAXED);
        inserted = true;
    }
    pthread_mutex_unlock(&processor->lock);
    if (inserted)
        nt_begin(NT_BEGAN_OBJECT, (uintptr_t)dpc);
    return inserted;
}

static struct nt_processor *first_processor(void)
{
    pthread_mutex_lock(&processors_lock);
    struct nt_processor *processor = processors;
    pthread_mutex_unlock(&processors_lock);
    return processor;
}

/* The processor's lock is held. */
static void unqueue(struct nt_processor *processor, PKDPC dpc)
{
    RemoveEntryList(&dpc->DpcListEntry);
    __atomic_fetch_sub(&processor->waiting, 1, __ATOMIC_RELAXED);
    if (--processor->running == 0)
        pthread_cond_broadcast(&processor->idle);
}

/* A queued DPC in this memory, or whose routine is there (both NULL: any). It is queued no more. */
static PKDPC take_dpc(const struct nt_code *memory, const struct nt_code *code)
{
    PKDPC found = NULL;
    for (struct nt_processor *processor = first_processor(); processor != NULL && found == NULL;
         processor = processor->next) {
        pthread_mutex_lock(&processor->lock);
        for (PLIST_ENTRY entry = processor->queue.Flink; entry != &processor->queue && found == NULL;
             entry = entry->Flink) {
            PKDPC dpc = CONTAINING_RECORD(entry, KDPC, DpcListEntry);
            if ((memory == NULL || nt_code_holds(memory, dpc)) &&
                (code == NULL || nt_code_holds(code, (const void *)(uintptr_t)dpc->DeferredRoutine)))
                found = dpc;
        }
        if (found != NULL) {
            InterlockedExchangePointer(&found->DpcData, NULL);
            unqueue(processor, found);
        }
        pthread_mutex_unlock(&processor->lock);
    }
    return found;
}

const void *nt_dpc_take_within(const void *start, size_t size)
{
    return take_dpc(&(struct nt_code){(uintptr_t)start, size}, NULL);
}

void nt_dpcs_report(const struct nt_code *code)
{
    for (PKDPC dpc; (dpc = take_dpc(NULL, code)) != NULL;) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)dpc);
        nt_violate("left-dpc", "DriverUnload", "the DPC at %p is still queued", (void *)dpc);
    }
}

static void run_dpc(PKDPC dpc, const KDPC *copy)
{
    NT_CALL(copy->DeferredRoutine, dpc, copy->DeferredContext, copy->SystemArgument1, copy->SystemArgument2);
    nt_about_routine((const void *)(uintptr_t)copy->DeferredRoutine);
    if (nt_self.irql != DISPATCH_LEVEL)
        nt_violate("irql-changed", "KDEFERRED_ROUTINE",
                   "the DPC routine returned at another IRQL than it was called at");
    if (nt_self.spin_locks != 0) {
        nt_about_held_lock();
        nt_violate("lock-left", "KDEFERRED_ROUTINE", "the DPC routine returned with %u spin locks held",
                   nt_self.spin_locks);
    }
    nt_about_routine(NULL);
    nt_put_right(DISPATCH_LEVEL, 0);
}

void nt_dpc_drain(void)
{
    struct nt_processor *processor = nt_self.processor;
    KIRQL irql = nt_self.irql;
    while (processor != NULL && __atomic_load_n(&processor->waiting, __ATOMIC_RELAXED) != 0) {
        KDPC copy;
        PKDPC dpc = NULL;
        pthread_mutex_lock(&processor->lock);
        if (!IsListEmpty(&processor->queue)) {
            dpc = CONTAINING_RECORD(RemoveHeadList(&processor->queue), KDPC, DpcListEntry);
            copy = *dpc;
            __atomic_fetch_sub(&processor->waiting, 1, __ATOMIC_RELAXED);
            InterlockedExchangePointer(&dpc->DpcData, NULL);
        }
        pthread_mutex_unlock(&processor->lock);
        if (dpc == NULL)
            break;
        nt_self.irql = DISPATCH_LEVEL;
        run_dpc(dpc, &copy);
        nt_self.irql = irql;
        pthread_mutex_lock(&processor->lock);
        if (--processor->running == 0)
            pthread_cond_broadcast(&processor->idle);
        pthread_mutex_unlock(&processor->lock);
    }
}

VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
    NT_ENTER(KeInitializeDpc);
    memset(Dpc, 0, sizeof *Dpc);
    Dpc->Type = 19;
    Dpc->Importance = MediumImportance;
    Dpc->DeferredRoutine = DeferredRoutine;
    Dpc->DeferredContext = DeferredContext;
}

VOID KeSetImportanceDpc(PRKDPC Dpc, KDPC_IMPORTANCE Importance)
{
    NT_ENTER(KeSetImportanceDpc);
    Dpc->Importance = (UCHAR)Importance;
}

BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    NT_ENTER(KeInsertQueueDpc);
    if (Dpc->DeferredRoutine == NULL) {
        nt_violate("not-initialized", "KeInsertQueueDpc", "the DPC at %p was not initialized", (void *)Dpc);
        return FALSE;
    }
    if (NT_VERIFYING)
        nt_check_resident(Dpc, "the DPC", "KeInsertQueueDpc");
    bool inserted = nt_dpc_enqueue(Dpc, SystemArgument1, SystemArgument2);
    if (nt_self.irql < DISPATCH_LEVEL)
        nt_dpc_drain();
    return inserted;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc)
{
    NT_ENTER(KeRemoveQueueDpc);
    struct nt_processor *processor = __atomic_load_n(&Dpc->DpcData, __ATOMIC_ACQUIRE);
    BOOLEAN removed = FALSE;
    if (processor == NULL)
        return FALSE;
    pthread_mutex_lock(&processor->lock);
    if (InterlockedCompareExchangePointer(&Dpc->DpcData, NULL, processor) == processor) {
        unqueue(processor, Dpc);
        removed = TRUE;
    }
    pthread_mutex_unlock(&processor->lock);
    return removed;
}

static bool none_runs(const void *unused)
{
    (void)unused;
    const struct nt_processor *processor = processors;
    while (processor != NULL && processor->running == 0)
        processor = processor->next;
    return processor == NULL;
}

void nt_dpcs_reset(void)
{
    for (struct nt_processor *processor = processors; processor != NULL; processor = processor->next) {
        InitializeListHead(&processor->queue);
        processor->waiting = 0;
        processor->running = 0;
        processor->taken = processor == nt_self.processor;
    }
}

VOID KeFlushQueuedDpcs(VOID)
{
    NT_ENTER(KeFlushQueuedDpcs);
    if (nt_scheduling) {
        struct nt_wait wait = {.routine = "KeFlushQueuedDpcs", .ready = none_runs, .due = NT_NEVER, .has_to_end = true};
        (void)nt_schedule_until(&wait);
        return;
    }
    for (struct nt_processor *processor = first_processor(); processor != NULL; processor = processor->next) {
        pthread_mutex_lock(&processor->lock);
        while (processor->running != 0)
            pthread_cond_wait(&processor->idle, &processor->lock);
        pthread_mutex_unlock(&processor->lock);
    }
}
