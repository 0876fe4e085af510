/* SPDX-License-Identifier: MIT */
/*
 * irp.c - the life of an IRP: dispatch, pending, cancel, completion.
 *
 * An IRP lies inside the request (struct nt_call) that carries it. After completion the IRP is
 * poisoned for ASan, and the request waits in the quarantine, so that a second completion is
 * recognised in every build. irp_references keeps the IRP usable while a cancel is under way.
 * Rules: irp-completed-twice, irp-completed-cancelable, irp-completed-pending, irp-completed-under-lock,
 * irp-information-too-large, irp-pending-unmarked, irp-marked-not-pending, irp-not-completed,
 * irp-status-mismatch, irql-changed, lock-left, cancel-lock-kept, cancel-missed, irp-used-after-completion.
 *
 * While the verifier is on, a completed IRP is filled (but for the pointer to its stack location, which
 * IoMarkIrpPending and the like follow): a status read from it is recognised when the dispatch routine returns it, a
 * write when the routine returns or the IRP leaves the quarantine. Pages: wdm.h IoCompleteRequest, IoMarkIrpPending,
 * IoCancelIrp, IoSetCancelRoutine; "Returning Status Values from Dispatch Routines"; "Canceling IRPs"; SDV rules
 * PendedCompletedRequest, MarkIrpPending, DoubleCompletion.
 */
#include "nt/foreign.h"
#include "nt/internal.h"
#include "nt/ex/pool.h"
#include "nt/sanitize.h"
#include "nt/verify/in_use.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/output.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

static KSPIN_LOCK cancel_lock;
static uint64_t call_count;

/* Every call, while the verifier is on. A leaf. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY all = {&all, &all};

VOID IoAcquireCancelSpinLock(PKIRQL Irql)
{
    NT_ENTER(IoAcquireCancelSpinLock);
    *Irql = KeAcquireSpinLockRaiseToDpc(&cancel_lock);
}

VOID IoReleaseCancelSpinLock(KIRQL Irql)
{
    NT_ENTER(IoReleaseCancelSpinLock);
    KeReleaseSpinLock(&cancel_lock, Irql);
}

static struct nt_call *call_of(PIRP irp)
{
    return CONTAINING_RECORD(irp, struct nt_call, irp);
}

struct nt_call *nt_call_new(PDEVICE_OBJECT device, PFILE_OBJECT file_object, UCHAR major, uint64_t process_id)
{
    struct nt_call *call = malloc(sizeof *call);
    if (call == NULL)
        return NULL;
    /* Not memset: a compiler makes calloc of both, which leaves malloc's cache of freed blocks alone. */
    *call = (struct nt_call){.magic = NT_CALL_MAGIC, .references = 1, .irp_references = 1, .process_id = process_id};
    call->number = __atomic_add_fetch(&call_count, 1, __ATOMIC_RELAXED);
    call->stack.MajorFunction = major;
    call->stack.DeviceObject = device;
    call->stack.FileObject = file_object;
    call->irp.Type = IO_TYPE_IRP;
    call->irp.Size = sizeof(IRP) + sizeof(IO_STACK_LOCATION);
    call->irp.RequestorMode = UserMode;
    call->irp.StackCount = 1;
    call->irp.CurrentLocation = 1;
    call->irp.Tail.Overlay.CurrentStackLocation = &call->stack;
    call->irp.Tail.Overlay.OriginalFileObject = file_object;
    InitializeListHead(&call->irp.ThreadListEntry);
    InitializeListHead(&call->link);
    InitializeListHead(&call->all);
    if (NT_VERIFYING) {
        pthread_mutex_lock(&all_lock);
        InsertTailList(&all, &call->all);
        pthread_mutex_unlock(&all_lock);
    }
    return call;
}

void nt_call_reference(struct nt_call *call)
{
    __atomic_fetch_add(&call->references, 1, __ATOMIC_RELAXED);
}

static void unlink_call(struct nt_call *call)
{
    pthread_mutex_lock(&all_lock);
    RemoveEntryList(&call->all);
    InitializeListHead(&call->all);
    pthread_mutex_unlock(&all_lock);
}

void nt_call_put(struct nt_call *call)
{
    if (__atomic_sub_fetch(&call->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (!IsListEmpty(&call->all))
        unlink_call(call);
    nt_quarantine_put(call, NT_QUARANTINE_CALL);
}

static void fill_irp(struct nt_call *call)
{
    memset(&call->irp, NT_IRP_GONE, sizeof call->irp);
    memset(&call->stack, NT_IRP_GONE, sizeof call->stack);
    call->irp.Tail.Overlay.CurrentStackLocation = &call->stack;
    __atomic_store_n(&call->filled, true, __ATOMIC_RELEASE);
}

static void irp_put(struct nt_call *call)
{
    if (__atomic_sub_fetch(&call->irp_references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (NT_VERIFYING)
        fill_irp(call);
    NT_POISON(&call->irp, sizeof call->irp);
}

void nt_call_check_untouched(struct nt_call *call)
{
    static const size_t kept = offsetof(IRP, Tail.Overlay.CurrentStackLocation);
    const char *irp = (const char *)&call->irp;
    if (!__atomic_load_n(&call->filled, __ATOMIC_ACQUIRE))
        return;
    NT_UNPOISON(irp, sizeof(IRP));
    const char *changed = nt_pool_spoilt(irp, kept, NT_IRP_GONE);
    if (changed == NULL)
        changed = nt_pool_spoilt(irp + kept + sizeof(PVOID), sizeof(IRP) - kept - sizeof(PVOID), NT_IRP_GONE);
    if (changed == NULL)
        changed = nt_pool_spoilt((const char *)&call->stack, sizeof call->stack, NT_IRP_GONE);
    if (changed != NULL) {
        nt_about(NT_COMPLETED_IRP, (uintptr_t)irp);
        nt_violate("irp-used-after-completion", "IoCompleteRequest",
                   "byte %td of the IRP, or of the stack location behind it, was written after the IRP was completed",
                   changed - irp);
        fill_irp(call);
    }
    NT_POISON(irp, sizeof(IRP));
}

/* A driver that is not compiled for the lab does not come here. */
#undef nt_irp_marked
void nt_irp_marked(PIRP irp);
void nt_irp_marked(PIRP irp)
{
    struct nt_call *call = CONTAINING_RECORD(irp, struct nt_call, irp);
    if (!NT_VERIFYING)
        return;
    if (!__atomic_load_n(&call->filled, __ATOMIC_ACQUIRE)) {
        nt_begin(NT_BEGAN_IRP, (uintptr_t)irp);
        return;
    }
    nt_about(NT_COMPLETED_IRP, (uintptr_t)irp);
    nt_violate("irp-used-after-completion", "IoMarkIrpPending", "the IRP was completed before");
    call->filled = false; /* what is written now was told */
}

static bool lies_in(const void *address, const void *start, size_t size)
{
    return (uintptr_t)address - (uintptr_t)start < size;
}

/* A cancel-safe queue, or a list head whose links are intact, that the IRP is in. */
static const void *queue_of(PIRP irp, const void *start, size_t size)
{
    PLIST_ENTRY entry = &irp->Tail.Overlay.ListEntry;
    const void *queue = irp->Tail.Overlay.DriverContext[3];
    if (irp->CancelRoutine != NULL && queue != NULL && lies_in(queue, start, size))
        return queue;
    if (lies_in(entry->Flink, start, size) && size - ((uintptr_t)entry->Flink - (uintptr_t)start) >= sizeof *entry &&
        entry->Flink->Blink == entry)
        return entry->Flink;
    return NULL;
}

const void *nt_irp_queue_within(const void *start, size_t size)
{
    const void *found = NULL;
    pthread_mutex_lock(&all_lock);
    for (PLIST_ENTRY entry = all.Flink; entry != &all && found == NULL; entry = entry->Flink) {
        struct nt_call *call = CONTAINING_RECORD(entry, struct nt_call, all);
        if ((__atomic_load_n(&call->state, __ATOMIC_ACQUIRE) & NT_CALL_CLAIMED) == 0)
            found = queue_of(&call->irp, start, size);
    }
    pthread_mutex_unlock(&all_lock);
    return found;
}

/* false: the IRP has been completed and let go. */
static bool irp_get(struct nt_call *call)
{
    LONG count = __atomic_load_n(&call->irp_references, __ATOMIC_RELAXED);
    do {
        if (count == 0)
            return false;
    } while (!__atomic_compare_exchange_n(&call->irp_references, &count, count + 1, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return true;
}

static void check_completion(struct nt_call *call)
{
    PIRP irp = &call->irp;
    if (nt_self.spin_locks != 0) {
        nt_about_held_lock();
        nt_violate("irp-completed-under-lock", "IoCompleteRequest", "completes an IRP with %u spin locks held",
                   nt_self.spin_locks);
    }
    if (__atomic_load_n(&irp->CancelRoutine, __ATOMIC_ACQUIRE) != NULL)
        nt_violate("irp-completed-cancelable", "IoCompleteRequest", "the IRP still has a cancel routine");
    if (irp->IoStatus.Status == STATUS_PENDING)
        nt_violate("irp-completed-pending", "IoCompleteRequest", "IoStatus.Status is STATUS_PENDING");
    /* Without an output buffer the I/O manager copies nothing, and Information is a number like any other. */
    if (!NT_ERROR(irp->IoStatus.Status) && call->stack.MajorFunction == IRP_MJ_DEVICE_CONTROL &&
        call->output_size != 0 && irp->IoStatus.Information > call->output_size) {
        nt_violate("irp-information-too-large", "IoCompleteRequest", "Information %zu exceeds the output buffer's %zu",
                   (size_t)irp->IoStatus.Information, call->output_size);
        irp->IoStatus.Information = call->output_size;
    }
}

static void completion_begins(struct nt_call *call)
{
    unlink_call(call);
    nt_end(NT_BEGAN_IRP, (uintptr_t)&call->irp);
    nt_begin(NT_COMPLETED_IRP, (uintptr_t)&call->irp);
    if (call->buffer != NULL)
        nt_begin(NT_COMPLETED_IRP, (uintptr_t)call->buffer);
}

VOID IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost)
{
    NT_ENTER(IofCompleteRequest);
    struct nt_call *call = call_of(Irp);
    UNREFERENCED_PARAMETER(PriorityBoost);
    if (call->magic != NT_CALL_MAGIC ||
        (__atomic_fetch_or(&call->state, NT_CALL_CLAIMED, __ATOMIC_ACQ_REL) & NT_CALL_CLAIMED) != 0) {
        nt_about(NT_COMPLETED_IRP, (uintptr_t)Irp);
        nt_violate("irp-completed-twice", "IoCompleteRequest", "IRP %p was completed before", (void *)Irp);
        return;
    }
    if (NT_VERIFYING)
        completion_begins(call);
    check_completion(call);
    NTSTATUS status = Irp->IoStatus.Status;
    size_t information = NT_ERROR(status) ? 0 : Irp->IoStatus.Information;
    call->marked = (call->stack.Control & SL_PENDING_RETURNED) != 0;
    call->status = status;
    Irp->PendingReturned = call->marked;
    __atomic_fetch_or(&call->state, NT_CALL_DONE, __ATOMIC_RELEASE);
    struct nt_file *file = call->file;
    if (call->stack.MajorFunction == IRP_MJ_DEVICE_CONTROL && !NT_ERROR(status) && call->output_size != 0)
        nt_verify_output("IoCompleteRequest", call->stack.Parameters.DeviceIoControl.IoControlCode, call->buffer,
                         information);
    if (call->done != NULL)
        call->done(call->context, status, NT_ERROR(status) ? NULL : call->buffer,
                   call->stack.MajorFunction == IRP_MJ_DEVICE_CONTROL && call->output_size == 0 ? 0 : information);
    nt_system_buffer_free(call->buffer);
    call->buffer = NULL;
    if (file != NULL)
        nt_file_call_ended(file, call);
    irp_put(call);
    nt_call_put(call);
    NT_POINT("IoCompleteRequest");
}

static bool cancel(PIRP irp)
{
    KIRQL irql;
    IoAcquireCancelSpinLock(&irql);
    irp->Cancel = TRUE;
    PDRIVER_CANCEL routine = IoSetCancelRoutine(irp, NULL);
    if (routine == NULL) {
        IoReleaseCancelSpinLock(irql);
        return false;
    }
    unsigned held = nt_self.spin_locks;
    irp->CancelIrql = irql;
    NT_CALL(routine, IoGetCurrentIrpStackLocation(irp)->DeviceObject, irp);
    nt_about_routine((const void *)(uintptr_t)routine);
    if (nt_self.spin_locks != held - 1)
        nt_about_held_lock();
    if (nt_self.spin_locks != held - 1)
        nt_violate("cancel-lock-kept", "DRIVER_CANCEL",
                   "the cancel routine returned with %u spin locks held; it has to release the cancel spin lock",
                   nt_self.spin_locks);
    else if (nt_self.irql != irql)
        nt_violate("irql-changed", "DRIVER_CANCEL", "the cancel routine did not restore Irp->CancelIrql");
    nt_about_routine(NULL);
    nt_put_right(irql, held - 1);
    return true;
}

BOOLEAN IoCancelIrp(PIRP Irp)
{
    NT_ENTER(IoCancelIrp);
    struct nt_call *call = call_of(Irp);
    if (call->magic != NT_CALL_MAGIC || !irp_get(call))
        return FALSE;
    bool cancelled = cancel(Irp);
    irp_put(call);
    return cancelled;
}

bool nt_call_try_cancel(struct nt_call *call)
{
    bool cancelled = false;
    if ((__atomic_load_n(&call->state, __ATOMIC_ACQUIRE) & NT_CALL_CLAIMED) == 0 && irp_get(call)) {
        cancelled = cancel(&call->irp);
        irp_put(call);
    }
    return cancelled;
}

bool nt_call_missed_cancel(struct nt_call *call)
{
    KIRQL irql;
    bool missed = false;
    if ((__atomic_load_n(&call->state, __ATOMIC_ACQUIRE) & NT_CALL_CLAIMED) == 0 && irp_get(call)) {
        /* Whoever cancels holds the lock until he has the routine. */
        IoAcquireCancelSpinLock(&irql);
        missed = call->irp.Cancel && call->irp.CancelRoutine != NULL;
        IoReleaseCancelSpinLock(irql);
        irp_put(call);
    }
    if (missed) {
        nt_about(NT_BEGAN_IRP, (uintptr_t)&call->irp);
        nt_violate("cancel-missed", "IoSetCancelRoutine",
                   "the IRP was cancelled before it got its cancel routine, and waits all the same");
    }
    return missed;
}

static const NTSTATUS status_gone = (NTSTATUS)(NT_IRP_GONE * 0x01010101u);

/* What a dispatch routine did to an IRP that was completed. true: its status says so. */
static bool used_after_completion(struct nt_call *call, NTSTATUS status)
{
    bool filled = NT_VERIFYING && __atomic_load_n(&call->filled, __ATOMIC_ACQUIRE);
    if (filled && status == status_gone) {
        nt_about(NT_COMPLETED_IRP, (uintptr_t)&call->irp);
        nt_violate("irp-used-after-completion", "DRIVER_DISPATCH",
                   "returned a status that it read from the IRP after its completion");
    }
    return filled && status == status_gone;
}

static void check_dispatched(struct nt_call *call, NTSTATUS status)
{
    if (used_after_completion(call, status))
        return;
    bool done = (__atomic_load_n(&call->state, __ATOMIC_ACQUIRE) & NT_CALL_DONE) != 0;
    bool marked = done ? call->marked : (call->stack.Control & SL_PENDING_RETURNED) != 0;
    if (status == STATUS_PENDING && !marked)
        nt_violate("irp-pending-unmarked", "DRIVER_DISPATCH", "returned STATUS_PENDING without IoMarkIrpPending");
    else if (status != STATUS_PENDING && marked)
        nt_violate("irp-marked-not-pending", "DRIVER_DISPATCH",
                   "marked the IRP pending but returned 0x%08X, not STATUS_PENDING", (unsigned)status);
    else if (status != STATUS_PENDING && !done)
        nt_violate("irp-not-completed", "DRIVER_DISPATCH", "returned 0x%08X without completing the IRP",
                   (unsigned)status);
    else if (status != STATUS_PENDING && call->status != status)
        nt_violate("irp-status-mismatch", "DRIVER_DISPATCH", "returned 0x%08X but completed with 0x%08X",
                   (unsigned)status, (unsigned)call->status);
}

static NTSTATUS invalid_request(PIRP irp)
{
    irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_INVALID_DEVICE_REQUEST;
}

NTSTATUS nt_call_dispatch(struct nt_call *call)
{
    PDEVICE_OBJECT device = call->stack.DeviceObject;
    PDRIVER_DISPATCH routine = device->DriverObject->MajorFunction[call->stack.MajorFunction];
    KIRQL irql = nt_self.irql;
    uint32_t locks = nt_self.spin_locks;
    uint64_t process_id = nt_self.process_id, process_start = nt_self.process_start;
    nt_call_reference(call);
    nt_set_current_process(call->process_id, call->process_id == process_id ? process_start : 0);
    PDRIVER_OBJECT driver = nt_enter_driver(device->DriverObject);
    nt_begin(NT_BEGAN_IRP, (uintptr_t)&call->irp);
    NTSTATUS status = routine == NULL ? invalid_request(&call->irp) : NT_CALL(routine, device, &call->irp);
    nt_enter_driver(driver);
    nt_set_current_process(process_id, process_start);
    nt_about_routine((const void *)(uintptr_t)routine);
    if (nt_self.irql != irql)
        nt_violate("irql-changed", "DRIVER_DISPATCH", "called at IRQL %u, it returned at %u", irql, nt_self.irql);
    if (nt_self.spin_locks != locks)
        nt_about_held_lock();
    if (nt_self.spin_locks != locks)
        nt_violate("lock-left", "DRIVER_DISPATCH", "returned with %u spin locks held", nt_self.spin_locks);
    nt_put_right(irql, locks);
    check_dispatched(call, status);
    nt_about_routine(NULL);
    if (NT_VERIFYING)
        nt_call_check_untouched(call);
    nt_call_put(call);
    return status;
}

void nt_irps_reset(void)
{
    cancel_lock = 0;
    call_count = 0;
    while (!IsListEmpty(&all)) { /* what was lost; its memory is its caller's */
        struct nt_call *call = CONTAINING_RECORD(all.Flink, struct nt_call, all);
        unlink_call(call);
        nt_system_buffer_free(call->buffer);
        call->buffer = NULL;
    }
}

ULONG IoGetRequestorProcessId(PIRP Irp)
{
    NT_ENTER(IoGetRequestorProcessId);
    return (ULONG)call_of(Irp)->process_id;
}
