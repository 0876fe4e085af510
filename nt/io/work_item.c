/* SPDX-License-Identifier: MIT */
/*
 * work_item.c - work items: a driver's work at PASSIVE_LEVEL, run by the pump.
 *
 * A queued item keeps its device object. The routine may free its own item.
 * Rules: work-item-queued-twice, work-item-freed-queued, irql-changed, lock-left, left-work-item, code-after-unload.
 * Pages: wdm.h IoAllocateWorkItem, IoQueueWorkItem, IoQueueWorkItemEx, IoFreeWorkItem; "System Worker Threads".
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/verify/in_use.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

struct _IO_WORKITEM {
    struct nt_work work;
    LIST_ENTRY link;
    PDEVICE_OBJECT device;
    PDRIVER_OBJECT driver; /* NULL: it has been unloaded without this item */
    PIO_WORKITEM_ROUTINE routine;
    PIO_WORKITEM_ROUTINE_EX routine_ex;
    PVOID context;
    bool begun; /* written when a run has read the three, read before they are written again */
};

static pthread_mutex_t items_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY items = {&items, &items};

static void run(struct nt_work *work)
{
    struct _IO_WORKITEM *item = CONTAINING_RECORD(work, struct _IO_WORKITEM, work);
    PDEVICE_OBJECT device = item->device;
    if (item->driver == NULL) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)item);
        nt_violate("code-after-unload", "IO_WORKITEM_ROUTINE",
                   "a work item would run code of a driver that was unloaded; it is not run");
        nt_object_release(device);
        return;
    }
    PDRIVER_OBJECT driver = nt_enter_driver(item->driver);
    /* Read before the call: the routine may free its work item, or have it queued again. */
    PIO_WORKITEM_ROUTINE routine = item->routine;
    PIO_WORKITEM_ROUTINE_EX routine_ex = item->routine_ex;
    PVOID context = item->context;
    __atomic_store_n(&item->begun, true, __ATOMIC_RELEASE);
    const void *item_routine =
        routine_ex != NULL ? (const void *)(uintptr_t)routine_ex : (const void *)(uintptr_t)routine;
    if (routine_ex != NULL)
        NT_CALL(routine_ex, device, context, item);
    else
        NT_CALL(routine, device, context);
    nt_enter_driver(driver);
    nt_about_routine(item_routine);
    if (nt_self.irql != PASSIVE_LEVEL)
        nt_violate("irql-changed", "IO_WORKITEM_ROUTINE", "the work item returned at IRQL %u", nt_self.irql);
    if (nt_self.spin_locks != 0) {
        nt_about_held_lock();
        nt_violate("lock-left", "IO_WORKITEM_ROUTINE", "the work item returned with %u spin locks held",
                   nt_self.spin_locks);
    }
    nt_about_routine(NULL);
    nt_put_right(PASSIVE_LEVEL, 0);
    nt_object_release(device);
}

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    NT_ENTER(IoAllocateWorkItem);
    struct _IO_WORKITEM *item = nt_fails("IoAllocateWorkItem") ? NULL : calloc(1, sizeof *item);
    if (item == NULL)
        return NULL;
    item->work.run = run;
    item->device = DeviceObject;
    item->driver = DeviceObject->DriverObject;
    pthread_mutex_lock(&items_lock);
    InsertTailList(&items, &item->link);
    pthread_mutex_unlock(&items_lock);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)item);
    return item;
}

static void queue(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, PIO_WORKITEM_ROUTINE_EX routine_ex, PVOID context,
                  const char *name)
{
    if (__atomic_load_n(&item->work.queued, __ATOMIC_ACQUIRE)) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)item);
        nt_violate("work-item-queued-twice", name, "the work item waits in the queue already");
        return;
    }
    (void)__atomic_load_n(&item->begun, __ATOMIC_ACQUIRE);
    item->routine = routine;
    item->routine_ex = routine_ex;
    item->context = context;
    (void)ObfReferenceObject(item->device);
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)item); /* from now on: where it was queued */
    if (!nt_work_queue(&item->work))
        nt_object_release(item->device);
}

VOID IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine, WORK_QUEUE_TYPE QueueType,
                     PVOID Context)
{
    NT_ENTER(IoQueueWorkItem);
    UNREFERENCED_PARAMETER(QueueType);
    queue(IoWorkItem, WorkerRoutine, NULL, Context, "IoQueueWorkItem");
}

VOID IoQueueWorkItemEx(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE_EX WorkerRoutine, WORK_QUEUE_TYPE QueueType,
                       PVOID Context)
{
    NT_ENTER(IoQueueWorkItemEx);
    UNREFERENCED_PARAMETER(QueueType);
    queue(IoWorkItem, NULL, WorkerRoutine, Context, "IoQueueWorkItemEx");
}

VOID IoFreeWorkItem(PIO_WORKITEM IoWorkItem)
{
    NT_ENTER(IoFreeWorkItem);
    if (__atomic_load_n(&IoWorkItem->work.queued, __ATOMIC_ACQUIRE)) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)IoWorkItem);
        nt_violate("work-item-freed-queued", "IoFreeWorkItem", "the work item still waits in the queue");
        return;
    }
    pthread_mutex_lock(&items_lock);
    RemoveEntryList(&IoWorkItem->link);
    pthread_mutex_unlock(&items_lock);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)IoWorkItem);
    free(IoWorkItem);
}

void nt_work_items_reset(void)
{
    for (PLIST_ENTRY entry = items.Flink, next; entry != &items; entry = next) {
        next = entry->Flink;
        free(CONTAINING_RECORD(entry, struct _IO_WORKITEM, link));
    }
    InitializeListHead(&items);
}

const void *nt_work_context_within(const void *start, size_t size)
{
    const void *found = NULL;
    pthread_mutex_lock(&items_lock);
    for (PLIST_ENTRY entry = items.Flink; entry != &items && found == NULL; entry = entry->Flink) {
        struct _IO_WORKITEM *item = CONTAINING_RECORD(entry, struct _IO_WORKITEM, link);
        if (__atomic_load_n(&item->work.queued, __ATOMIC_ACQUIRE) && (uintptr_t)item->context - (uintptr_t)start < size)
            found = item->context;
    }
    pthread_mutex_unlock(&items_lock);
    return found;
}

/* One of the driver, which it has no more then. */
static PIO_WORKITEM take_item_of(PDRIVER_OBJECT driver, bool *queued)
{
    PIO_WORKITEM found = NULL;
    pthread_mutex_lock(&items_lock);
    for (PLIST_ENTRY entry = items.Flink; entry != &items && found == NULL; entry = entry->Flink) {
        struct _IO_WORKITEM *item = CONTAINING_RECORD(entry, struct _IO_WORKITEM, link);
        if (item->driver == driver)
            found = item;
    }
    if (found != NULL) {
        found->driver = NULL;
        *queued = __atomic_load_n(&found->work.queued, __ATOMIC_ACQUIRE);
    }
    pthread_mutex_unlock(&items_lock);
    return found;
}

void nt_work_items_report(PDRIVER_OBJECT driver)
{
    bool queued;
    for (PIO_WORKITEM item; (item = take_item_of(driver, &queued)) != NULL;) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)item);
        nt_violate("left-work-item", "DriverUnload", "a work item was not freed%s",
                   queued ? "; it is still queued" : "");
    }
}
