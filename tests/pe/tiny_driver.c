/* SPDX-License-Identifier: MIT */
/*
 * tiny_driver.c - a small driver, built by mingw-w64 with its own kernel headers, for the loader's tests.
 *
 * It has nothing of the project but the control codes: mingw's headers are the other source for the
 * layouts. The few WFP types that mingw lacks are written down here from their pages.
 */
#include <ntddk.h>

#include "tiny_control.h"

#define TINY_TAG 'yniT'

/* fwpsk.h: FWPS_CALLOUT1, FWPS_CLASSIFY_OUT0, the metadata's completionHandle. */
typedef struct {
    GUID key;
    UINT32 flags;
    void *classify, *notify, *flow_delete;
} callout1;
typedef struct {
    UINT32 action;
    UINT64 out_context, filter_id;
    UINT32 rights, flags, reserved;
} classify_out;
#define COMPLETION_HANDLE_AT 104
#define ACTION_BLOCK         0x1001u
#define ACTION_PERMIT        0x1002u
#define RIGHT_WRITE          1u
#define FLAG_ABSORB          1u
NTSTATUS FwpsCalloutRegister1(void *device, const callout1 *callout, UINT32 *id);
NTSTATUS FwpsCalloutUnregisterById0(UINT32 id);
NTSTATUS FwpsPendOperation0(HANDLE completion_handle, HANDLE *completion_context);
void FwpsCompleteOperation0(HANDLE completion_context, void *net_buffer_list);
void FwpsNoSuchRoutine0(void);
void FwpsNoSuchRoutine1(void);

struct tiny {
    KSPIN_LOCK lock;
    LIST_ENTRY waiting; /* IRPs, under lock */
    KTIMER timer;
    KDPC dpc;
    PIRP timed;
    HANDLE pended;
    UINT32 callout;
    ULONG notified;
    PVOID pool;
};

static PDEVICE_OBJECT device;
static UNICODE_STRING device_name, link_name;
/* Addresses in data: these need relocations. */
static const char *volatile words[] = {"zero", "one", "two"};
/* Called through a pointer, so that the kernel's routine is meant and not what the compiler makes of it. */
static void *(*volatile fill)(void *, int, size_t) = memset;

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static struct tiny *tiny_of(PDEVICE_OBJECT object)
{
    return object->DeviceExtension;
}

static VOID NTAPI on_cancel(PDEVICE_OBJECT object, PIRP irp)
{
    KIRQL irql;

    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&tiny_of(object)->lock, &irql);
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&tiny_of(object)->lock, irql);
    complete(irp, STATUS_CANCELLED, 0);
}

static NTSTATUS pend(struct tiny *tiny, PIRP irp)
{
    KIRQL irql;

    KeAcquireSpinLock(&tiny->lock, &irql);
    IoMarkIrpPending(irp);
    InsertTailList(&tiny->waiting, &irp->Tail.Overlay.ListEntry);
    (void)IoSetCancelRoutine(irp, on_cancel);
    KeReleaseSpinLock(&tiny->lock, irql);
    return STATUS_PENDING;
}

static ULONG release(struct tiny *tiny, const void *text, ULONG size)
{
    ULONG count = 0;
    KIRQL irql;

    KeAcquireSpinLock(&tiny->lock, &irql);
    while (!IsListEmpty(&tiny->waiting)) {
        PIRP irp = CONTAINING_RECORD(RemoveHeadList(&tiny->waiting), IRP, Tail.Overlay.ListEntry);
        PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

        if (IoSetCancelRoutine(irp, NULL) != on_cancel)
            continue; /* its cancel routine has it; the test does not do this */
        KeReleaseSpinLock(&tiny->lock, irql);
        if (size > stack->Parameters.DeviceIoControl.OutputBufferLength)
            size = stack->Parameters.DeviceIoControl.OutputBufferLength;
        RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, text, size);
        complete(irp, STATUS_SUCCESS, size);
        count++;
        KeAcquireSpinLock(&tiny->lock, &irql);
    }
    KeReleaseSpinLock(&tiny->lock, irql);
    return count;
}

static VOID NTAPI on_timer(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct tiny *tiny = context;
    PIRP irp = tiny->timed;

    (void)dpc, (void)argument1, (void)argument2;
    tiny->timed = NULL;
    *(UCHAR *)irp->AssociatedIrp.SystemBuffer = KeGetCurrentIrql();
    complete(irp, STATUS_SUCCESS, 1);
}

static NTSTATUS start_timer(struct tiny *tiny, PIRP irp)
{
    LARGE_INTEGER due = {.QuadPart = -100000}; /* 10 ms */

    IoMarkIrpPending(irp);
    tiny->timed = irp;
    KeSetTimer(&tiny->timer, due, &tiny->dpc);
    return STATUS_PENDING;
}

struct work {
    PIO_WORKITEM item;
    PIRP irp;
};

static VOID NTAPI on_work(PDEVICE_OBJECT object, PVOID context)
{
    struct work *work = context;

    *(UCHAR *)work->irp->AssociatedIrp.SystemBuffer = object == device;
    complete(work->irp, STATUS_SUCCESS, 1);
    IoFreeWorkItem(work->item);
    ExFreePoolWithTag(work, TINY_TAG);
}

static NTSTATUS start_work(PDEVICE_OBJECT object, PIRP irp)
{
    struct work *work = ExAllocatePoolWithTag(NonPagedPool, sizeof(*work), TINY_TAG);

    if (work == NULL)
        return complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    work->irp = irp;
    work->item = IoAllocateWorkItem(object);
    IoMarkIrpPending(irp);
    IoQueueWorkItem(work->item, on_work, DelayedWorkQueue, work);
    return STATUS_PENDING;
}

/* At rest; in a spin lock; after it; raised to APC; what that was before; raised to DISPATCH; lowered; at the end. */
static NTSTATUS tell_irqls(struct tiny *tiny, PIRP irp)
{
    UCHAR *out = irp->AssociatedIrp.SystemBuffer;
    KIRQL in_lock, before, ignored;

    out[0] = KeGetCurrentIrql();
    KeAcquireSpinLock(&tiny->lock, &in_lock);
    out[1] = KeGetCurrentIrql();
    KeReleaseSpinLock(&tiny->lock, in_lock);
    out[2] = KeGetCurrentIrql();
    KeRaiseIrql(APC_LEVEL, &before);
    out[3] = KeGetCurrentIrql();
    out[4] = before;
    KeRaiseIrql(DISPATCH_LEVEL, &ignored);
    out[5] = KeGetCurrentIrql();
    KeLowerIrql(ignored);
    out[6] = KeGetCurrentIrql();
    KeLowerIrql(before);
    out[7] = KeGetCurrentIrql();
    return complete(irp, STATUS_SUCCESS, 8);
}

static NTSTATUS tell_stack(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    UCHAR *out = irp->AssociatedIrp.SystemBuffer;

    out[0] = stack == (PIO_STACK_LOCATION)(irp + 1);
    out[1] = irp->StackCount == 1 && irp->CurrentLocation == 1;
    out[2] = IoGetNextIrpStackLocation(irp) == stack - 1;
    out[3] = irp->Size == IoSizeOfIrp(1);
    out[4] = stack->MajorFunction == IRP_MJ_DEVICE_CONTROL && stack->DeviceObject == object;
    out[5] = object->DriverObject->MajorFunction[IRP_MJ_CLOSE] == object->DriverObject->MajorFunction[IRP_MJ_CREATE];
    out[6] = stack->FileObject != NULL && stack->FileObject->DeviceObject == object;
    out[7] = irp->RequestorMode == UserMode;
    return complete(irp, STATUS_SUCCESS, 8);
}

static VOID NTAPI thread_main(PVOID context)
{
    *(UCHAR *)context = 42;
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS run_thread(PIRP irp)
{
    HANDLE handle = NULL;
    PVOID thread = NULL;
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, thread_main,
                                           irp->AssociatedIrp.SystemBuffer);

    if (NT_SUCCESS(status))
        status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    if (NT_SUCCESS(status)) {
        KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(thread);
        ZwClose(handle);
    }
    return complete(irp, status, NT_SUCCESS(status) ? 1 : 0);
}

static NTSTATUS find_routine(PIRP irp)
{
    typedef LONG NTAPI read_state(PRKEVENT event);
    UNICODE_STRING name;
    KEVENT event;
    UCHAR *out = irp->AssociatedIrp.SystemBuffer;

    KeInitializeEvent(&event, NotificationEvent, TRUE);
    RtlInitUnicodeString(&name, L"KeReadStateEvent");
    read_state *found = (read_state *)(ULONG_PTR)MmGetSystemRoutineAddress(&name);
    out[0] = found != NULL && found(&event) == 1;
    RtlInitUnicodeString(&name, L"KeReadStateEvents");
    out[1] = MmGetSystemRoutineAddress(&name) == NULL;
    return complete(irp, STATUS_SUCCESS, 2);
}

static NTSTATUS print(PIRP irp)
{
    DbgPrintEx(DPFLTR_IHVNETWORK_ID, DPFLTR_INFO_LEVEL, "%s %d %u %s %llx %c %ws|%08X %s", words[1], -7, 4000000000u,
               words[2], 0x123456789abcdef0ull, 'x', L"wide", 0xbeef, "last");
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS spoil(PIRP irp)
{
    struct tiny_spoil told = *(struct tiny_spoil *)irp->AssociatedIrp.SystemBuffer;
    volatile UCHAR *block = ExAllocatePoolWithTag(told.paged_pool ? PagedPool : NonPagedPool, told.size, TINY_TAG);
    UCHAR *out = irp->AssociatedIrp.SystemBuffer;

    out[0] = (ULONG_PTR)block % 16 == 0 && (told.size < 4096 || (ULONG_PTR)block % 4096 == 0);
    for (unsigned i = 0; i < told.size; i++)
        block[i] = (UCHAR)i;
    if (told.freed)
        ExFreePoolWithTag((PVOID)block, TINY_TAG);
    if (told.how == 0)
        block[told.offset] = 1;
    else if (told.how == 1)
        out[1] = block[told.offset];
    else if (told.how == 2)
        fill((PVOID)(block + told.offset), 1, 32);
    if (told.how == 3 || !told.freed)
        ExFreePoolWithTag((PVOID)block, TINY_TAG);
    return complete(irp, STATUS_SUCCESS, 2);
}

static NTSTATUS spoil_buffer(PIRP irp, ULONG size)
{
    volatile UCHAR *buffer = irp->AssociatedIrp.SystemBuffer;
    UCHAR how = buffer[0];

    if (how == 0)
        buffer[size] = 1;
    complete(irp, STATUS_SUCCESS, 0);
    if (how == 1)
        buffer[0] = 2;
    return STATUS_SUCCESS;
}

static VOID NTAPI on_classify(const void *values, const UCHAR *metadata, void *data, const void *context,
                              const void *filter, UINT64 flow_context, classify_out *out)
{
    struct tiny *tiny = tiny_of(device);

    (void)values, (void)data, (void)context, (void)filter, (void)flow_context;
    if (tiny->pended == NULL &&
        NT_SUCCESS(FwpsPendOperation0(*(HANDLE *)(metadata + COMPLETION_HANDLE_AT), &tiny->pended))) {
        out->action = ACTION_BLOCK;
        out->flags |= FLAG_ABSORB;
    } else {
        out->action = ACTION_PERMIT;
    }
    out->rights &= ~RIGHT_WRITE;
}

static NTSTATUS NTAPI on_notify(ULONG type, const GUID *key, void *filter)
{
    (void)type, (void)key, (void)filter;
    tiny_of(device)->notified++;
    return STATUS_SUCCESS;
}

static NTSTATUS control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    ULONG size = stack->Parameters.DeviceIoControl.InputBufferLength;
    struct tiny *tiny = tiny_of(object);
    HANDLE pended = tiny->pended;

    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case TINY_ECHO:
        return complete(irp, STATUS_SUCCESS, size);
    case TINY_PEND:
        return pend(tiny, irp);
    case TINY_COMPLETE:
        *(ULONG *)irp->AssociatedIrp.SystemBuffer = release(tiny, irp->AssociatedIrp.SystemBuffer, size);
        return complete(irp, STATUS_SUCCESS, sizeof(ULONG));
    case TINY_TIMER:
        return start_timer(tiny, irp);
    case TINY_WORK:
        return start_work(object, irp);
    case TINY_IRQL:
        return tell_irqls(tiny, irp);
    case TINY_STACK:
        return tell_stack(object, irp);
    case TINY_PRINT:
        return print(irp);
    case TINY_RELEASE:
        if (pended != NULL)
            FwpsCompleteOperation0(pended, NULL);
        return complete(irp, STATUS_SUCCESS, 0);
    case TINY_CRASH:
        *(volatile ULONG *)(ULONG_PTR)0x10 = 1;
        return complete(irp, STATUS_SUCCESS, 0);
    case TINY_THREAD:
        return run_thread(irp);
    case TINY_FIND:
        return find_routine(irp);
    case TINY_BUFFER:
        return spoil_buffer(irp, size);
    case TINY_SPOIL:
        return spoil(irp);
    default:
        return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT object, PIRP irp)
{
    if (IoGetCurrentIrpStackLocation(irp)->MajorFunction == IRP_MJ_DEVICE_CONTROL)
        return control(object, irp);
    return complete(irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    struct tiny *tiny = tiny_of(device);

    (void)driver;
    KeCancelTimer(&tiny->timer);
    FwpsCalloutUnregisterById0(tiny->callout);
    ExFreePoolWithTag(tiny->pool, TINY_TAG);
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    static const callout1 callout = {TINY_CALLOUT_KEY, 0, on_classify, on_notify, NULL};

    (void)path;
#ifdef TINY_MISSING
    FwpsNoSuchRoutine0();
    FwpsNoSuchRoutine1();
#endif
    RtlInitUnicodeString(&device_name, L"\\Device\\PeTiny");
    RtlInitUnicodeString(&link_name, L"\\DosDevices\\PeTiny");
    NTSTATUS status = IoCreateDevice(driver, sizeof(struct tiny), &device_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    struct tiny *tiny = tiny_of(device);
    KeInitializeSpinLock(&tiny->lock);
    InitializeListHead(&tiny->waiting);
    KeInitializeTimer(&tiny->timer);
    KeInitializeDpc(&tiny->dpc, on_timer, tiny);
    tiny->pool = ExAllocatePoolWithTag(NonPagedPool, 100, TINY_TAG);
    driver->MajorFunction[IRP_MJ_CREATE] = driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    driver->DriverUnload = unload;
    status = IoCreateSymbolicLink(&link_name, &device_name);
    if (NT_SUCCESS(status))
        status = FwpsCalloutRegister1(device, &callout, &tiny->callout);
    return status;
}
