/* SPDX-License-Identifier: MIT */
/*
 * changes.c - see changes.h.
 */
#include "driver/changes.h"

/* The IRP of a change, for whoever gets it; NULL: it was cancelled. */
static PIRP take_irp(struct change *change)
{
    PIRP irp;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    irp = irp_queue_take(&change->irp);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return irp;
}

static void free_pool(void *p)
{
    if (p != NULL)
        ExFreePoolWithTag(p, DRIVER_POOL_TAG);
}

_IRQL_requires_(PASSIVE_LEVEL)
static void forget(struct change *change)
{
    client_put(change->client);
    free_pool(change->image);
    free_pool(change->data);
    free_pool(change);
}

_Use_decl_annotations_
void *change_take_image(struct change *change)
{
    void *image = change->image;

    change->image = NULL;
    return image;
}

/* Dispatch has returned STATUS_PENDING, or will. */
_IRQL_requires_(PASSIVE_LEVEL)
static void answer(struct change *change, PIRP irp)
{
    struct dispatch_io io = {irp->AssociatedIrp.SystemBuffer, 0, 0, change->information, FALSE, FALSE, FALSE};
    NTSTATUS status = change->status;

    if (NT_SUCCESS(status) && change->information != 0)
        RtlCopyMemory(io.buffer, change->output, change->information);
    if (NT_SUCCESS(status) && change->then != NULL)
        status = change->then(change, irp, &io);
    if (io.parked)
        return;
    if (!NT_SUCCESS(status) && status != STATUS_CANCELLED && !io.counted)
        DRIVER_COUNT(rejected_input);
    irp_complete(irp, status, NT_SUCCESS(status) ? io.information : 0);
}

/* The first that is not over may run. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
static void give_turn_locked(void)
{
    struct change *first = NULL;

    for (PLIST_ENTRY link = driver_state.changes.Flink; link != &driver_state.changes && first == NULL;
         link = link->Flink) {
        struct change *change = CONTAINING_RECORD(link, struct change, link);

        if (InterlockedCompareExchange(&change->over, 0, 0) == 0)
            first = change;
    }
    if (first != NULL)
        KeSetEvent(&first->turn, IO_NO_INCREMENT, FALSE);
}

static void end_turn(struct change *change)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    InterlockedExchange(&change->over, 1);
    give_turn_locked();
    KeReleaseSpinLock(&driver_pend_lock, irql);
}

_Function_class_(KSTART_ROUTINE)
static VOID change_thread(PVOID context)
{
    struct change *change = context;
    PIRP irp;

    KeWaitForSingleObject(&change->turn, Executive, KernelMode, FALSE, NULL);
    change->run(change);
    irp = take_irp(change);
    if (irp != NULL)
        answer(change, irp);
    end_turn(change);
    rundown_leave(&driver_state.rundown);
    (void)PsTerminateSystemThread(STATUS_SUCCESS);
}

/* One that is over (any: or not), out of the list; NULL: none. */
static struct change *take_change(BOOLEAN any)
{
    struct change *found = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    for (PLIST_ENTRY link = driver_state.changes.Flink; link != &driver_state.changes && found == NULL;
         link = link->Flink) {
        struct change *change = CONTAINING_RECORD(link, struct change, link);

        if (change->thread != NULL && (any || InterlockedCompareExchange(&change->over, 0, 0) != 0))
            found = change;
    }
    if (found != NULL)
        RemoveEntryList(&found->link);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return found;
}

/* The thread may still be on its last steps in our code, so nobody goes on before it has ended. */
_IRQL_requires_(PASSIVE_LEVEL)
static void reap(BOOLEAN all)
{
    for (struct change *change = take_change(all); change != NULL; change = take_change(all)) {
        KeWaitForSingleObject(change->thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(change->thread);
        forget(change);
    }
}

_Use_decl_annotations_
void changes_cleanup(void)
{
    reap(TRUE);
}

static struct change *change_new(struct client *client, change_routine *run, void *data, void *image)
{
    struct change *change = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*change), DRIVER_POOL_TAG);

    if (change == NULL) {
        free_pool(data);
        free_pool(image);
        return NULL;
    }
    irp_queue_init(&change->irp, &driver_pend_lock);
    KeInitializeEvent(&change->turn, NotificationEvent, FALSE);
    change->run = run;
    change->data = data;
    change->image = image;
    change->client = client;
    client_get(client);
    return change;
}

/* The IRP waits in the change, and the change is in the list. */
static NTSTATUS park(struct change *change, PIRP irp, struct dispatch_io *io)
{
    NTSTATUS status = STATUS_SUCCESS;
    ULONG waiting = 0;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    for (PLIST_ENTRY link = driver_state.changes.Flink; link != &driver_state.changes; link = link->Flink)
        waiting += CONTAINING_RECORD(link, struct change, link)->client == change->client;
    if (change->client->gone || driver_state.draining) {
        status = (NTSTATUS)GATEHOUSE_E_STOPPING;
    } else if (waiting >= DRIVER_READS_MAX) {
        status = (NTSTATUS)GATEHOUSE_E_TOO_MANY_READS;
    } else {
        io->marked_pending = TRUE;
        if (irp_queue_park(&change->irp, irp))
            InsertTailList(&driver_state.changes, &change->link);
        else
            status = STATUS_CANCELLED;
        give_turn_locked();
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return status;
}

/* No thread: the IRP ends here, if nobody cancelled it. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS unpark(struct change *change, struct dispatch_io *io, NTSTATUS status)
{
    KIRQL irql;
    PIRP irp;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    RemoveEntryList(&change->link);
    give_turn_locked();
    irp = irp_queue_take(&change->irp);
    KeReleaseSpinLock(&driver_pend_lock, irql);
    io->parked = irp == NULL;
    forget(change);
    return status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS run_thread(struct change *change)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread = NULL;
    NTSTATUS status;
    KIRQL irql;

    if (!rundown_enter(&driver_state.rundown))
        return (NTSTATUS)GATEHOUSE_E_STOPPING;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, change_thread, change);
    if (!NT_SUCCESS(status)) {
        rundown_leave(&driver_state.rundown);
        return status;
    }
    /* From KernelMode, of a handle of our own, it cannot fail. */
    (void)ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    (void)ZwClose(handle);
    KeAcquireSpinLock(&driver_pend_lock, &irql);
    change->thread = thread; /* from now on it can be reaped */
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return STATUS_SUCCESS;
}

_Use_decl_annotations_
NTSTATUS change_start(struct client *client, PIRP irp, struct dispatch_io *io, change_routine *run, void *data,
                      void *image)
{
    struct change *change;
    NTSTATUS status;

    reap(FALSE);
    change = change_new(client, run, data, image);
    if (change == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = park(change, irp, io);
    if (!NT_SUCCESS(status)) {
        forget(change);
        return status;
    }
    status = run_thread(change);
    if (!NT_SUCCESS(status))
        return unpark(change, io, status);
    io->parked = TRUE;
    return STATUS_PENDING;
}

/* One of the client's waiting IRPs, or NULL. */
static PIRP take_irp_of(const struct client *client)
{
    PIRP irp = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&driver_pend_lock, &irql);
    for (PLIST_ENTRY link = driver_state.changes.Flink; link != &driver_state.changes && irp == NULL;
         link = link->Flink) {
        struct change *change = CONTAINING_RECORD(link, struct change, link);

        if (change->client == client)
            irp = irp_queue_take(&change->irp);
    }
    KeReleaseSpinLock(&driver_pend_lock, irql);
    return irp;
}

_Use_decl_annotations_
void changes_leave(const struct client *client)
{
    for (PIRP irp = take_irp_of(client); irp != NULL; irp = take_irp_of(client))
        irp_complete(irp, STATUS_CANCELLED, 0);
}
