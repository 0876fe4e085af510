/* SPDX-License-Identifier: MIT */
/*
 * irp_queue.c - see irp_queue.h. DriverContext[0] is the queue, [1] its lock.
 */
#include "driver/irp_queue.h"

void irp_queue_init(struct irp_queue *queue, PKSPIN_LOCK lock)
{
    InitializeListHead(&queue->irps);
    queue->count = 0;
    queue->lock = lock;
}

static void unlink_irp(struct irp_queue *queue, PIRP irp)
{
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    InitializeListHead(&irp->Tail.Overlay.ListEntry);
    queue->count--;
}

_Function_class_(DRIVER_CANCEL)
static VOID irp_cancelled(PDEVICE_OBJECT device, PIRP irp)
{
    PKSPIN_LOCK lock = irp->Tail.Overlay.DriverContext[1];
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(lock, &irql);
    if (!IsListEmpty(&irp->Tail.Overlay.ListEntry))
        unlink_irp(irp->Tail.Overlay.DriverContext[0], irp);
    KeReleaseSpinLock(lock, irql);
    irp_complete(irp, STATUS_CANCELLED, 0);
}

_Use_decl_annotations_
BOOLEAN irp_queue_park(struct irp_queue *queue, PIRP irp)
{
    irp->Tail.Overlay.DriverContext[0] = queue;
    irp->Tail.Overlay.DriverContext[1] = queue->lock;
    IoMarkIrpPending(irp);
    InsertTailList(&queue->irps, &irp->Tail.Overlay.ListEntry);
    queue->count++;
    (void)IoSetCancelRoutine(irp, irp_cancelled);
    /* Cancelled before the routine was set: nobody calls it then. NULL back: somebody does, and waits for the lock. */
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
        unlink_irp(queue, irp);
        return FALSE;
    }
    return TRUE;
}

_Use_decl_annotations_
PIRP irp_queue_take(struct irp_queue *queue)
{
    while (!IsListEmpty(&queue->irps)) {
        PIRP irp = CONTAINING_RECORD(queue->irps.Flink, IRP, Tail.Overlay.ListEntry);
        unlink_irp(queue, irp);
        if (IoSetCancelRoutine(irp, NULL) != NULL)
            return irp;
    }
    return NULL;
}

_Use_decl_annotations_
void irp_queue_drain(struct irp_queue *queue, NTSTATUS status)
{
    for (;;) {
        KIRQL irql;
        PIRP irp;

        KeAcquireSpinLock(queue->lock, &irql);
        irp = irp_queue_take(queue);
        KeReleaseSpinLock(queue->lock, irql);
        if (irp == NULL)
            return;
        irp_complete(irp, status, 0);
    }
}

_Use_decl_annotations_
NTSTATUS irp_complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}
