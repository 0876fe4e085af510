/* SPDX-License-Identifier: MIT */
/*
 * work_item.c - work items: a driver's work at PASSIVE_LEVEL, run by the pump.
 *
 * A queued item keeps its device object. The routine may free its own item.
 * Rules: work-item-queued-twice, work-item-freed-queued, irql-changed, lock-left.
 * Pages: wdm.h IoAllocateWorkItem, IoQueueWorkItem, IoQueueWorkItemEx, IoFreeWorkItem; "System Worker Threads".
 */
#include "nt/foreign.h"
#include "nt/internal.h"

#include <stdlib.h>

struct _IO_WORKITEM {
    struct nt_work work;
    LIST_ENTRY link;
    PDEVICE_OBJECT device;
    PDRIVER_OBJECT driver; /* NULL: it has been unloaded without this item */
    PIO_WORKITEM_ROUTINE routine;
    PIO_WORKITEM_ROUTINE_EX routine_ex;
    PVOID context;
};

static pthread_mutex_t items_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY items = {&items, &items};

static void run(struct nt_work *work)
{
    struct _IO_WORKITEM *item = CONTAINING_RECORD(work, struct _IO_WORKITEM, work);
    PDEVICE_OBJECT device = item->device;
    PDRIVER_OBJECT driver = nt_enter_driver(item->driver);
    if (item->routine_ex != NULL)
        NT_CALL(item->routine_ex, device, item->context, item);
    else
        NT_CALL(item->routine, device, item->context);
    nt_enter_driver(driver);
    if (nt_self.irql != PASSIVE_LEVEL)
        nt_violate("irql-changed", "IO_WORKITEM_ROUTINE", "the work item returned at IRQL %u", nt_self.irql);
    if (nt_self.spin_locks != 0)
        nt_violate("lock-left", "IO_WORKITEM_ROUTINE", "the work item returned with %u spin locks held",
                   nt_self.spin_locks);
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
    return item;
}

static void queue(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, PIO_WORKITEM_ROUTINE_EX routine_ex, PVOID context,
                  const char *name)
{
    if (__atomic_load_n(&item->work.queued, __ATOMIC_ACQUIRE)) {
        nt_violate("work-item-queued-twice", name, "the work item waits in the queue already");
        return;
    }
    item->routine = routine;
    item->routine_ex = routine_ex;
    item->context = context;
    (void)ObfReferenceObject(item->device);
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
        nt_violate("work-item-freed-queued", "IoFreeWorkItem", "the work item still waits in the queue");
        return;
    }
    pthread_mutex_lock(&items_lock);
    RemoveEntryList(&IoWorkItem->link);
    pthread_mutex_unlock(&items_lock);
    free(IoWorkItem);
}

void nt_work_items_reset(void)
{
    while (!IsListEmpty(&items))
        free(CONTAINING_RECORD(RemoveHeadList(&items), struct _IO_WORKITEM, link));
}

size_t nt_work_items_abandon(PDRIVER_OBJECT driver)
{
    size_t count = 0;
    pthread_mutex_lock(&items_lock);
    for (PLIST_ENTRY entry = items.Flink; entry != &items; entry = entry->Flink) {
        struct _IO_WORKITEM *item = CONTAINING_RECORD(entry, struct _IO_WORKITEM, link);
        if (item->driver == driver) {
            item->driver = NULL;
            count++;
        }
    }
    pthread_mutex_unlock(&items_lock);
    return count;
}
