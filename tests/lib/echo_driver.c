/* SPDX-License-Identifier: MIT */
/*
 * echo_driver.c - see echo_driver.h. Plain WDM, as a driver of somebody else would be written.
 *
 * Pended IRPs wait in a cancel-safe queue under one spin lock; dispatch runs at PASSIVE_LEVEL, the
 * timer's DPC and cancel routines at DISPATCH_LEVEL.
 */
#include "tests/lib/echo_driver.h"

#include <wdmsec.h>

#define ECHO_TAG 'ohcE'

struct echo {
    PDEVICE_OBJECT device;
    KSPIN_LOCK lock;
    LIST_ENTRY waiting;
    IO_CSQ queue;
    KTIMER timer;
    KDPC dpc;
    EX_RUNDOWN_REF work;
    PIRP lost;
    ULONG leave;
};

DECLARE_CONST_UNICODE_STRING(device_name, L"\\Device\\Echo");
DECLARE_CONST_UNICODE_STRING(link_name, L"\\DosDevices\\Echo");

static DRIVER_UNLOAD echo_unload;
static DRIVER_DISPATCH echo_open_close, echo_control;
static KDEFERRED_ROUTINE echo_timer;
static IO_WORKITEM_ROUTINE_EX echo_work;
static IO_WORKITEM_ROUTINE_EX echo_work_twice;
static DRIVER_CANCEL echo_cancel_never, echo_cancel_keeps_lock;

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static VOID queue_insert(PIO_CSQ csq, PIRP irp)
{
    InsertTailList(&CONTAINING_RECORD(csq, struct echo, queue)->waiting, &irp->Tail.Overlay.ListEntry);
}

static VOID queue_remove(PIO_CSQ csq, PIRP irp)
{
    UNREFERENCED_PARAMETER(csq);
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
}

/* context: the file object whose IRPs are wanted; NULL: any. */
static PIRP queue_peek(PIO_CSQ csq, PIRP irp, PVOID context)
{
    struct echo *echo = CONTAINING_RECORD(csq, struct echo, queue);
    PLIST_ENTRY entry = irp == NULL ? echo->waiting.Flink : irp->Tail.Overlay.ListEntry.Flink;
    for (; entry != &echo->waiting; entry = entry->Flink) {
        PIRP next = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);
        if (context == NULL || IoGetCurrentIrpStackLocation(next)->FileObject == context)
            return next;
    }
    return NULL;
}

static VOID queue_lock(PIO_CSQ csq, PKIRQL irql)
{
    KeAcquireSpinLock(&CONTAINING_RECORD(csq, struct echo, queue)->lock, irql);
}

static VOID queue_unlock(PIO_CSQ csq, KIRQL irql)
{
    KeReleaseSpinLock(&CONTAINING_RECORD(csq, struct echo, queue)->lock, irql);
}

static VOID queue_cancelled(PIO_CSQ csq, PIRP irp)
{
    UNREFERENCED_PARAMETER(csq);
    complete(irp, STATUS_CANCELLED, 0);
}

static VOID echo_timer(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct echo *echo = context;
    PIRP irp;
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    NT_ASSERT(KeGetCurrentIrql() == DISPATCH_LEVEL);
    while ((irp = IoCsqRemoveNextIrp(&echo->queue, NULL)) != NULL)
        complete(irp, STATUS_IO_TIMEOUT, 0);
}

static VOID echo_work(PVOID io_object, PVOID context, PIO_WORKITEM item)
{
    PIRP irp = context;
    struct echo *echo = ((PDEVICE_OBJECT)io_object)->DeviceExtension;
    PAGED_CODE();
    complete(irp, STATUS_SUCCESS, IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.InputBufferLength);
    IoFreeWorkItem(item);
    ExReleaseRundownProtection(&echo->work);
}

static NTSTATUS start_work(struct echo *echo, PIRP irp)
{
    PIO_WORKITEM item = NULL;
    if (!ExAcquireRundownProtection(&echo->work))
        return complete(irp, STATUS_DELETE_PENDING, 0);
    item = IoAllocateWorkItem(echo->device);
    if (item == NULL) {
        ExReleaseRundownProtection(&echo->work);
        return complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    IoMarkIrpPending(irp);
    IoQueueWorkItemEx(item, echo_work, DelayedWorkQueue, irp);
    return STATUS_PENDING;
}

static NTSTATUS release_oldest(struct echo *echo, PIRP irp, ULONG size)
{
    PIRP oldest = IoCsqRemoveNextIrp(&echo->queue, NULL);
    if (oldest == NULL)
        return complete(irp, STATUS_NOT_FOUND, 0);
    ULONG room = IoGetCurrentIrpStackLocation(oldest)->Parameters.DeviceIoControl.OutputBufferLength;
    if (size > room)
        size = room;
    RtlCopyMemory(oldest->AssociatedIrp.SystemBuffer, irp->AssociatedIrp.SystemBuffer, size);
    complete(oldest, STATUS_SUCCESS, size);
    return complete(irp, STATUS_SUCCESS, 0);
}

static VOID echo_cancel_never(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

static VOID echo_cancel_keeps_lock(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
}

static VOID echo_work_twice(PVOID io_object, PVOID context, PIO_WORKITEM item)
{
    UNREFERENCED_PARAMETER(io_object);
    UNREFERENCED_PARAMETER(context);
    IoFreeWorkItem(item);
}

/* Queues an item that waits already, and frees it while it waits. */
static NTSTATUS queue_twice(struct echo *echo, PIRP irp)
{
    PIO_WORKITEM item = IoAllocateWorkItem(echo->device);
    if (item == NULL)
        return complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    IoQueueWorkItemEx(item, echo_work_twice, DelayedWorkQueue, NULL);
    IoQueueWorkItemEx(item, echo_work_twice, DelayedWorkQueue, NULL);
    IoFreeWorkItem(item);
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS pend_with(PIRP irp, PDRIVER_CANCEL cancel)
{
    IoMarkIrpPending(irp);
    IoSetCancelRoutine(irp, cancel);
    return STATUS_PENDING;
}

static NTSTATUS tell_process(PIRP irp)
{
    ULONG *answer = irp->AssociatedIrp.SystemBuffer;
    answer[0] = IoGetRequestorProcessId(irp);
    answer[1] = HandleToUlong(PsGetCurrentProcessId());
    return complete(irp, STATUS_SUCCESS, 2 * sizeof(ULONG));
}

static NTSTATUS misbehave(struct echo *echo, PIRP irp, ULONG fault)
{
    KIRQL irql;
    switch (fault) {
    case ECHO_FAULT_COMPLETE_TWICE:
        complete(irp, STATUS_SUCCESS, 0);
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return STATUS_SUCCESS;
    case ECHO_FAULT_PENDING_UNMARKED:
        complete(irp, STATUS_SUCCESS, 0);
        return STATUS_PENDING;
    case ECHO_FAULT_MARKED_NOT_PENDING:
        IoMarkIrpPending(irp);
        return complete(irp, STATUS_SUCCESS, 0);
    case ECHO_FAULT_COMPLETE_CANCELABLE:
        IoSetCancelRoutine(irp, echo_cancel_never);
        return complete(irp, STATUS_SUCCESS, 0);
    case ECHO_FAULT_COMPLETE_UNDER_LOCK:
        KeAcquireSpinLock(&echo->lock, &irql);
        complete(irp, STATUS_SUCCESS, 0);
        KeReleaseSpinLock(&echo->lock, irql);
        return STATUS_SUCCESS;
    case ECHO_FAULT_INFORMATION:
        return complete(irp, STATUS_SUCCESS, 4096);
    case ECHO_FAULT_STATUS_MISMATCH:
        complete(irp, STATUS_SUCCESS, 0);
        return STATUS_UNSUCCESSFUL;
    case ECHO_FAULT_IRQL:
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        return complete(irp, STATUS_SUCCESS, 0);
    case ECHO_FAULT_CANCEL_KEEPS_LOCK:
        echo->lost = irp;
        return pend_with(irp, echo_cancel_keeps_lock);
    case ECHO_FAULT_LOSE:
        echo->lost = irp;
        return pend_with(irp, NULL);
    case ECHO_FAULT_ITEM_TWICE:
        return queue_twice(echo, irp);
    case ECHO_FAULT_PROCESS:
        return tell_process(irp);
    default:
        return complete(irp, STATUS_INVALID_PARAMETER, 0);
    }
}

static NTSTATUS echo_control(PDEVICE_OBJECT device, PIRP irp)
{
    struct echo *echo = device->DeviceExtension;
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    ULONG in = stack->Parameters.DeviceIoControl.InputBufferLength;
    ULONG out = stack->Parameters.DeviceIoControl.OutputBufferLength;
    LARGE_INTEGER due = {.QuadPart = -10000 * (LONGLONG)ECHO_TIMER_MS};
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case ECHO_NOW:
        if (out < in)
            return complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
        return complete(irp, STATUS_SUCCESS, in);
    case ECHO_WAIT:
        IoCsqInsertIrp(&echo->queue, irp, NULL);
        return STATUS_PENDING;
    case ECHO_RELEASE:
        return release_oldest(echo, irp, in);
    case ECHO_ARM:
        KeSetTimer(&echo->timer, due, &echo->dpc);
        return complete(irp, STATUS_SUCCESS, 0);
    case ECHO_WORK:
        return start_work(echo, irp);
    case ECHO_FAULT:
        if (in < sizeof(ULONG))
            return complete(irp, STATUS_INVALID_PARAMETER, 0);
        return misbehave(echo, irp, *(ULONG *)irp->AssociatedIrp.SystemBuffer);
    default:
        return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS echo_open_close(PDEVICE_OBJECT device, PIRP irp)
{
    struct echo *echo = device->DeviceExtension;
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    PIRP pended;
    if (stack->MajorFunction == IRP_MJ_CLEANUP)
        while ((pended = IoCsqRemoveNextIrp(&echo->queue, stack->FileObject)) != NULL)
            complete(pended, STATUS_CANCELLED, 0);
    return complete(irp, STATUS_SUCCESS, 0);
}

static ULONG read_leave(PCUNICODE_STRING registry_path)
{
    ULONG leave = 0;
    RTL_QUERY_REGISTRY_TABLE table[3] = {{0}};
    table[0].Flags = RTL_QUERY_REGISTRY_SUBKEY;
    table[0].Name = L"Parameters";
    table[1].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_TYPECHECK;
    table[1].Name = L"Leave";
    table[1].EntryContext = &leave;
    table[1].DefaultType = (ULONG)REG_DWORD << RTL_QUERY_REGISTRY_TYPECHECK_SHIFT | REG_NONE;
    (void)RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, registry_path->Buffer, table, NULL, NULL);
    return leave;
}

static VOID echo_unload(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = driver->DeviceObject;
    struct echo *echo = device->DeviceExtension;
    LARGE_INTEGER hour = {.QuadPart = -36000000000};
    ExWaitForRundownProtectionRelease(&echo->work);
    if (echo->lost != NULL)
        complete(echo->lost, STATUS_CANCELLED, 0);
    KeCancelTimer(&echo->timer);
    KeFlushQueuedDpcs();
    if ((echo->leave & ECHO_LEAVE_POOL) != 0)
        (void)ExAllocatePool2(POOL_FLAG_NON_PAGED, 123, ECHO_TAG);
    if ((echo->leave & ECHO_LEAVE_TIMER) != 0)
        KeSetTimer(&echo->timer, hour, NULL);
    if ((echo->leave & ECHO_LEAVE_ITEM) != 0)
        (void)IoAllocateWorkItem(device);
    if ((echo->leave & ECHO_LEAVE_LINK) == 0)
        IoDeleteSymbolicLink((PUNICODE_STRING)&link_name);
    if ((echo->leave & ECHO_LEAVE_DEVICE) == 0)
        IoDeleteDevice(device);
}

NTSTATUS echo_driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    PDEVICE_OBJECT device;
    NTSTATUS status =
        IoCreateDeviceSecure(driver, sizeof(struct echo), (PUNICODE_STRING)&device_name, FILE_DEVICE_UNKNOWN,
                             FILE_DEVICE_SECURE_OPEN, FALSE, &SDDL_DEVOBJ_SYS_ALL_ADM_ALL, NULL, &device);
    if (!NT_SUCCESS(status))
        return status;
    struct echo *echo = device->DeviceExtension;
    echo->device = device;
    echo->leave = read_leave(registry_path);
    KeInitializeSpinLock(&echo->lock);
    InitializeListHead(&echo->waiting);
    KeInitializeTimer(&echo->timer);
    KeInitializeDpc(&echo->dpc, echo_timer, echo);
    ExInitializeRundownProtection(&echo->work);
    status = IoCsqInitialize(&echo->queue, queue_insert, queue_remove, queue_peek, queue_lock, queue_unlock,
                             queue_cancelled);
    if (NT_SUCCESS(status))
        status = IoCreateSymbolicLink((PUNICODE_STRING)&link_name, (PUNICODE_STRING)&device_name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    driver->MajorFunction[IRP_MJ_CREATE] = echo_open_close;
    driver->MajorFunction[IRP_MJ_CLEANUP] = echo_open_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = echo_open_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = echo_control;
    driver->DriverUnload = echo_unload;
    return STATUS_SUCCESS;
}
