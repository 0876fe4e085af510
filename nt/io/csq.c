/* SPDX-License-Identifier: MIT */
/*
 * csq.c - cancel-safe IRP queues, over the driver's own lock and list.
 *
 * Who takes the cancel routine off an IRP owns it: IoCsqRemove*, or the cancel routine. The queue
 * is kept in DriverContext[3] of a queued IRP (or the context there, which knows the queue).
 * Pages: wdm.h IoCsqInitialize, IoCsqInsertIrpEx, IoCsqRemoveIrp, IoCsqRemoveNextIrp; "Cancel-Safe IRP Queues".
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/verify/verify.h"

#define TYPE_CONTEXT 1
#define TYPE_CSQ     2
#define TYPE_CSQ_EX  3

static PIO_CSQ csq_of(PIRP irp)
{
    PIO_CSQ csq = irp->Tail.Overlay.DriverContext[3];
    if (csq->Type == TYPE_CONTEXT)
        csq = ((PIO_CSQ_IRP_CONTEXT)(PVOID)csq)->Csq;
    return csq;
}

static void detach(PIRP irp)
{
    PIO_CSQ_IRP_CONTEXT context = irp->Tail.Overlay.DriverContext[3];
    if (context->Type == TYPE_CONTEXT)
        context->Irp = NULL;
    irp->Tail.Overlay.DriverContext[3] = NULL;
}

static VOID cancel_routine(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
    PIO_CSQ csq = csq_of(irp);
    NT_CALL(csq->CsqAcquireLock, csq, &irql);
    NT_CALL(csq->CsqRemoveIrp, csq, irp);
    detach(irp);
    NT_CALL(csq->CsqReleaseLock, csq, irql);
    NT_CALL(csq->CsqCompleteCanceledIrp, csq, irp);
}

NTSTATUS IoCsqInitialize(PIO_CSQ Csq, PIO_CSQ_INSERT_IRP CsqInsertIrp, PIO_CSQ_REMOVE_IRP CsqRemoveIrp,
                         PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp, PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock,
                         PIO_CSQ_RELEASE_LOCK CsqReleaseLock, PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    NT_ENTER(IoCsqInitialize);
    *Csq = (IO_CSQ){TYPE_CSQ,       CsqInsertIrp,   CsqRemoveIrp,           CsqPeekNextIrp,
                    CsqAcquireLock, CsqReleaseLock, CsqCompleteCanceledIrp, NULL};
    return STATUS_SUCCESS;
}

NTSTATUS IoCsqInitializeEx(PIO_CSQ Csq, PIO_CSQ_INSERT_IRP_EX CsqInsertIrp, PIO_CSQ_REMOVE_IRP CsqRemoveIrp,
                           PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp, PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock,
                           PIO_CSQ_RELEASE_LOCK CsqReleaseLock, PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    NT_ENTER(IoCsqInitializeEx);
    PVOID insert = (PVOID)(ULONG_PTR)CsqInsertIrp;
    *Csq = (IO_CSQ){TYPE_CSQ_EX,    NULL,           CsqRemoveIrp,           CsqPeekNextIrp,
                    CsqAcquireLock, CsqReleaseLock, CsqCompleteCanceledIrp, NULL};
    memcpy(&Csq->CsqInsertIrp, &insert, sizeof insert);
    return STATUS_SUCCESS;
}

static NTSTATUS call_insert(PIO_CSQ csq, PIRP irp, PVOID insert_context)
{
    if (csq->Type == TYPE_CSQ_EX) {
        PIO_CSQ_INSERT_IRP_EX insert;
        memcpy(&insert, &csq->CsqInsertIrp, sizeof insert);
        return NT_CALL(insert, csq, irp, insert_context);
    }
    NT_CALL(csq->CsqInsertIrp, csq, irp);
    return STATUS_SUCCESS;
}

static NTSTATUS insert_irp(PIO_CSQ csq, PIRP irp, PIO_CSQ_IRP_CONTEXT context, PVOID insert_context)
{
    KIRQL irql;
    bool cancelled = false;
    irp->Tail.Overlay.DriverContext[3] = csq;
    if (context != NULL) {
        *context = (IO_CSQ_IRP_CONTEXT){TYPE_CONTEXT, irp, csq};
        irp->Tail.Overlay.DriverContext[3] = context;
    }
    NT_CALL(csq->CsqAcquireLock, csq, &irql);
    NTSTATUS status = call_insert(csq, irp, insert_context);
    if (NT_SUCCESS(status)) {
        IoMarkIrpPending(irp);
        nt_begin(NT_BEGAN_IRP, (uintptr_t)irp);
        (void)IoSetCancelRoutine(irp, cancel_routine);
        /* Cancelled meanwhile: whoever takes the routine back ends the IRP. */
        cancelled = irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL;
        if (cancelled)
            NT_CALL(csq->CsqRemoveIrp, csq, irp);
    }
    if (cancelled || !NT_SUCCESS(status))
        detach(irp);
    NT_CALL(csq->CsqReleaseLock, csq, irql);
    if (cancelled)
        NT_CALL(csq->CsqCompleteCanceledIrp, csq, irp);
    return status;
}

VOID IoCsqInsertIrp(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context)
{
    NT_ENTER(IoCsqInsertIrp);
    (void)insert_irp(Csq, Irp, Context, NULL);
}

NTSTATUS IoCsqInsertIrpEx(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context, PVOID InsertContext)
{
    NT_ENTER(IoCsqInsertIrpEx);
    return insert_irp(Csq, Irp, Context, InsertContext);
}

/* NULL: its cancel routine is on its way and owns it. The driver's lock is held. */
static PIRP take(PIO_CSQ csq, PIRP irp)
{
    if (IoSetCancelRoutine(irp, NULL) == NULL)
        return NULL;
    NT_CALL(csq->CsqRemoveIrp, csq, irp);
    detach(irp);
    return irp;
}

PIRP IoCsqRemoveIrp(PIO_CSQ Csq, PIO_CSQ_IRP_CONTEXT Context)
{
    NT_ENTER(IoCsqRemoveIrp);
    KIRQL irql;
    PIRP irp = NULL;
    NT_CALL(Csq->CsqAcquireLock, Csq, &irql);
    if (Context->Irp != NULL)
        irp = take(Csq, Context->Irp);
    NT_CALL(Csq->CsqReleaseLock, Csq, irql);
    return irp;
}

PIRP IoCsqRemoveNextIrp(PIO_CSQ Csq, PVOID PeekContext)
{
    NT_ENTER(IoCsqRemoveNextIrp);
    KIRQL irql;
    PIRP taken = NULL;
    NT_CALL(Csq->CsqAcquireLock, Csq, &irql);
    PIRP irp = NT_CALL(Csq->CsqPeekNextIrp, Csq, NULL, PeekContext);
    while (irp != NULL && (taken = take(Csq, irp)) == NULL)
        irp = NT_CALL(Csq->CsqPeekNextIrp, Csq, irp, PeekContext);
    NT_CALL(Csq->CsqReleaseLock, Csq, irql);
    return taken;
}
