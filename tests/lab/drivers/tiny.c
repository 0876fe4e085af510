/* SPDX-License-Identifier: MIT */
/*
 * tiny.c - a driver with a device and no callout, for the tests of wfplab: each control code does one thing, most of
 * them right, some of them wrong in the way that a test needs.
 */
#include <ntddk.h>

#define CODE(number) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (number), METHOD_BUFFERED, FILE_ANY_ACCESS)

enum {
    TINY_TWO_NUMBERS = CODE(0), /* 0x222000: gives 7 and 8 */
    TINY_HOLD = CODE(1),        /* 0x222004: parks the request */
    TINY_RELEASE = CODE(2),     /* 0x222008: completes what is parked with its number */
    TINY_NULL = CODE(3),        /* 0x22200c: writes to a null pointer */
    TINY_SPIN = CODE(4),        /* 0x222010: never ends */
    TINY_COUNT = CODE(5),       /* 0x222014: gives how often it was called since the file was opened */
    TINY_WAIT = CODE(6),        /* 0x222018: waits in its dispatch routine for TINY_SIGNAL */
    TINY_SIGNAL = CODE(7),      /* 0x22201c */
    TINY_DIVIDE = CODE(8),      /* 0x222020: divides by the number it is given */
    TINY_STOP = CODE(9),        /* 0x222024: bug check */
    TINY_UNWRITTEN = CODE(10),  /* 0x222028: gives 8 bytes, and writes the first four */
    TINY_FREED = CODE(11),      /* 0x22202c: reads freed pool */
    TINY_FOREVER = CODE(12),    /* 0x222030: waits for what nobody signals */
    TINY_BEHIND = CODE(13)      /* 0x222034: writes the byte behind a block of 24 bytes */
};

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\Tiny");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\Tiny");
static PDEVICE_OBJECT device;
static PIRP held;
static KEVENT event, never;
static ULONG count; /* the loader has to put it back before each run */

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR size)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = size;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static DRIVER_CANCEL cancel;

static VOID NTAPI cancel(PDEVICE_OBJECT object, PIRP irp)
{
    (void)object;
    held = NULL;
    IoReleaseCancelSpinLock(irp->CancelIrql);
    complete(irp, STATUS_CANCELLED, 0);
}

static NTSTATUS hold(PIRP irp)
{
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    IoMarkIrpPending(irp);
    (void)IoSetCancelRoutine(irp, cancel);
    held = irp;
    IoReleaseCancelSpinLock(irql);
    return STATUS_PENDING;
}

static NTSTATUS release(PIRP irp, ULONG number)
{
    PIRP parked;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    parked = held;
    held = NULL;
    if (parked != NULL)
        (void)IoSetCancelRoutine(parked, NULL);
    IoReleaseCancelSpinLock(irql);
    if (parked == NULL)
        return complete(irp, STATUS_NOT_FOUND, 0);
    *(ULONG *)parked->AssociatedIrp.SystemBuffer = number;
    complete(parked, STATUS_SUCCESS, sizeof(number));
    return complete(irp, STATUS_SUCCESS, 0);
}

static VOID read_freed(ULONG *number)
{
    volatile ULONG *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, 'yniT');

    if (block == NULL)
        return;
    ExFreePoolWithTag((PVOID)(ULONG_PTR)block, 'yniT');
    *number = block[3];
}

static VOID write_behind(VOID)
{
    volatile UCHAR *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 24, 'yniT');
    volatile ULONG size = 24;

    if (block == NULL)
        return;
    block[size] = 1;
    ExFreePoolWithTag((PVOID)(ULONG_PTR)block, 'yniT');
}

static NTSTATUS go_wrong(ULONG code, ULONG *numbers, PIRP irp)
{
    switch (code) {
    case TINY_NULL:
        *(volatile ULONG *)(ULONG_PTR)16 = 1;
        break;
    case TINY_SPIN:
        for (volatile ULONG turns = 0;; turns++)
            ;
    case TINY_DIVIDE:
        numbers[0] = 100 / numbers[0];
        return complete(irp, STATUS_SUCCESS, sizeof(ULONG));
    case TINY_STOP:
        KeBugCheckEx(0xE2, 1, 2, 3, 4);
    case TINY_UNWRITTEN:
        numbers[0] = 1;
        return complete(irp, STATUS_SUCCESS, 2 * sizeof(ULONG));
    case TINY_FREED:
        read_freed(numbers);
        break;
    case TINY_FOREVER:
        (void)KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
        break;
    case TINY_BEHIND:
        write_behind();
        break;
    default:
        return complete(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    return complete(irp, STATUS_SUCCESS, 0);
}

static DRIVER_DISPATCH control;

static NTSTATUS NTAPI control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    ULONG code = stack->Parameters.DeviceIoControl.IoControlCode;
    ULONG size = stack->Parameters.DeviceIoControl.OutputBufferLength;
    ULONG *numbers = irp->AssociatedIrp.SystemBuffer;

    (void)object;
    switch (code) {
    case TINY_TWO_NUMBERS:
        if (size < 2 * sizeof(ULONG))
            return complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
        numbers[0] = 7;
        numbers[1] = 8;
        return complete(irp, STATUS_SUCCESS, 2 * sizeof(ULONG));
    case TINY_HOLD:
        return hold(irp);
    case TINY_RELEASE:
        return release(irp, numbers[0]);
    case TINY_COUNT:
        numbers[0] = ++count;
        return complete(irp, STATUS_SUCCESS, sizeof(ULONG));
    case TINY_WAIT:
        (void)KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
        return complete(irp, STATUS_SUCCESS, 0);
    case TINY_SIGNAL:
        (void)KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
        return complete(irp, STATUS_SUCCESS, 0);
    default:
        return go_wrong(code, numbers, irp);
    }
}

static DRIVER_DISPATCH accept;

static NTSTATUS NTAPI accept(PDEVICE_OBJECT object, PIRP irp)
{
    (void)object;
    return complete(irp, STATUS_SUCCESS, 0);
}

static DRIVER_DISPATCH cleanup;

static NTSTATUS NTAPI cleanup(PDEVICE_OBJECT object, PIRP irp)
{
    PIRP parked = NULL;
    KIRQL irql;

    (void)object;
    IoAcquireCancelSpinLock(&irql);
    if (held != NULL &&
        IoGetCurrentIrpStackLocation(held)->FileObject == IoGetCurrentIrpStackLocation(irp)->FileObject) {
        parked = held;
        held = NULL;
        (void)IoSetCancelRoutine(parked, NULL);
    }
    IoReleaseCancelSpinLock(irql);
    if (parked != NULL)
        complete(parked, STATUS_CANCELLED, 0);
    return complete(irp, STATUS_SUCCESS, 0);
}

static DRIVER_UNLOAD unload;

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    (void)driver;
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(device);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status;

    (void)path;
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = accept;
    driver->MajorFunction[IRP_MJ_CLEANUP] = cleanup;
    driver->MajorFunction[IRP_MJ_CLOSE] = accept;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    status = IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link_name, &device_name);
    if (!NT_SUCCESS(status))
        IoDeleteDevice(device);
    return status;
}
