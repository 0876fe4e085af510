/* SPDX-License-Identifier: MIT */
/*
 * layout.c - asserts that the structures a driver binary sees have the Windows x64 layout.
 *
 * Facts: mingw-w64's ddk/wdm.h compiled for x86_64-w64-mingw32, and the public symbols of ntoskrnl.
 * The same file is compiled against nt/include and, for gatehouse.sys, against mingw-w64's headers; what
 * those have otherwise than the WDK is in layout_here.c.
 * When a structure gets into nt/include/wdm/, give it its size and its visible offsets here.
 */
#include <ntifs.h>

#define SIZE(type, size)          _Static_assert(sizeof(type) == (size), #type " has the Windows x64 size")
#define AT(type, field, position) _Static_assert(offsetof(type, field) == (position), #type "." #field)

SIZE(GUID, 16);
SIZE(LARGE_INTEGER, 8);
SIZE(LUID, 8);
SIZE(UNICODE_STRING, 16);
AT(UNICODE_STRING, Buffer, 8);
SIZE(LIST_ENTRY, 16);
SIZE(OBJECT_ATTRIBUTES, 48);
SIZE(CLIENT_ID, 16);
SIZE(IO_STATUS_BLOCK, 16);
AT(IO_STATUS_BLOCK, Information, 8);
SIZE(FILE_STANDARD_INFORMATION, 24);
AT(FILE_STANDARD_INFORMATION, DeletePending, 20);
SIZE(FILE_DISPOSITION_INFORMATION, 1);
SIZE(FILE_END_OF_FILE_INFORMATION, 8);
SIZE(FILE_RENAME_INFORMATION, 24);
AT(FILE_RENAME_INFORMATION, RootDirectory, 8);
AT(FILE_RENAME_INFORMATION, FileNameLength, 16);
AT(FILE_RENAME_INFORMATION, FileName, 20);
SIZE(PS_CREATE_NOTIFY_INFO, 72);
AT(PS_CREATE_NOTIFY_INFO, ParentProcessId, 16);
AT(PS_CREATE_NOTIFY_INFO, CreatingThreadId, 24);
AT(PS_CREATE_NOTIFY_INFO, CreationStatus, 64);

SIZE(KSPIN_LOCK, 8);
SIZE(KLOCK_QUEUE_HANDLE, 24);
SIZE(DISPATCHER_HEADER, 24);
AT(DISPATCHER_HEADER, SignalState, 4);
AT(DISPATCHER_HEADER, WaitListHead, 8);
SIZE(KEVENT, 24);
SIZE(KSEMAPHORE, 32);
AT(KSEMAPHORE, Limit, 24);
SIZE(KDPC, 64);
AT(KDPC, DeferredRoutine, 24);
AT(KDPC, DeferredContext, 32);
AT(KDPC, DpcData, 56);
SIZE(KTIMER, 64);
AT(KTIMER, DueTime, 24);
AT(KTIMER, TimerListEntry, 32);
AT(KTIMER, Dpc, 48);
AT(KTIMER, Period, 60);
SIZE(KDEVICE_QUEUE_ENTRY, 24);
SIZE(KDEVICE_QUEUE, 40);
SIZE(EX_RUNDOWN_REF, 8);
SIZE(FAST_MUTEX, 56);

SIZE(DRIVER_OBJECT, 0x150);
AT(DRIVER_OBJECT, DeviceObject, 0x08);
AT(DRIVER_OBJECT, DriverExtension, 0x30);
AT(DRIVER_OBJECT, DriverName, 0x38);
AT(DRIVER_OBJECT, DriverInit, 0x58);
AT(DRIVER_OBJECT, DriverUnload, 0x68);
AT(DRIVER_OBJECT, MajorFunction, 0x70);

AT(DEVICE_OBJECT, ReferenceCount, 0x04);
AT(DEVICE_OBJECT, DriverObject, 0x08);
AT(DEVICE_OBJECT, NextDevice, 0x10);
AT(DEVICE_OBJECT, CurrentIrp, 0x20);
AT(DEVICE_OBJECT, Flags, 0x30);
AT(DEVICE_OBJECT, Characteristics, 0x34);
AT(DEVICE_OBJECT, DeviceExtension, 0x40);
AT(DEVICE_OBJECT, DeviceType, 0x48);
AT(DEVICE_OBJECT, StackSize, 0x4c);
AT(DEVICE_OBJECT, Queue, 0x50);
AT(DEVICE_OBJECT, AlignmentRequirement, 0x98);
AT(DEVICE_OBJECT, DeviceQueue, 0xa0);
AT(DEVICE_OBJECT, Dpc, 0xc8);
AT(DEVICE_OBJECT, SecurityDescriptor, 0x110);
AT(DEVICE_OBJECT, DeviceLock, 0x118);
AT(DEVICE_OBJECT, SectorSize, 0x130);
AT(DEVICE_OBJECT, DeviceObjectExtension, 0x138);

SIZE(FILE_OBJECT, 0xd8);
AT(FILE_OBJECT, DeviceObject, 0x08);
AT(FILE_OBJECT, FsContext, 0x18);
AT(FILE_OBJECT, FsContext2, 0x20);
AT(FILE_OBJECT, FinalStatus, 0x38);
AT(FILE_OBJECT, Flags, 0x50);
AT(FILE_OBJECT, FileName, 0x58);
AT(FILE_OBJECT, CurrentByteOffset, 0x68);
AT(FILE_OBJECT, Lock, 0x80);
AT(FILE_OBJECT, Event, 0x98);
AT(FILE_OBJECT, CompletionContext, 0xb0);
AT(FILE_OBJECT, IrpList, 0xc0);
AT(FILE_OBJECT, FileObjectExtension, 0xd0);

SIZE(MDL, 0x30);
AT(MDL, Process, 0x10);
AT(MDL, ByteCount, 0x28);

SIZE(IRP, 0xd0);
AT(IRP, MdlAddress, 0x08);
AT(IRP, Flags, 0x10);
AT(IRP, AssociatedIrp, 0x18);
AT(IRP, ThreadListEntry, 0x20);
AT(IRP, IoStatus, 0x30);
AT(IRP, RequestorMode, 0x40);
AT(IRP, PendingReturned, 0x41);
AT(IRP, StackCount, 0x42);
AT(IRP, CurrentLocation, 0x43);
AT(IRP, Cancel, 0x44);
AT(IRP, CancelIrql, 0x45);
AT(IRP, UserIosb, 0x48);
AT(IRP, UserEvent, 0x50);
AT(IRP, Overlay, 0x58);
AT(IRP, CancelRoutine, 0x68);
AT(IRP, UserBuffer, 0x70);
AT(IRP, Tail, 0x78);
AT(IRP, Tail.Overlay.Thread, 0x98);
AT(IRP, Tail.Overlay.ListEntry, 0xa8);
AT(IRP, Tail.Overlay.CurrentStackLocation, 0xb8);
AT(IRP, Tail.Overlay.OriginalFileObject, 0xc0);

SIZE(IO_STACK_LOCATION, 0x48);
AT(IO_STACK_LOCATION, Control, 0x03);
AT(IO_STACK_LOCATION, Parameters, 0x08);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.OutputBufferLength, 0x08);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.InputBufferLength, 0x10);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.IoControlCode, 0x18);
AT(IO_STACK_LOCATION, Parameters.DeviceIoControl.Type3InputBuffer, 0x20);
AT(IO_STACK_LOCATION, Parameters.Create.Options, 0x10);
AT(IO_STACK_LOCATION, Parameters.Create.FileAttributes, 0x18);
AT(IO_STACK_LOCATION, Parameters.Create.ShareAccess, 0x1a);
AT(IO_STACK_LOCATION, Parameters.Create.EaLength, 0x20);
AT(IO_STACK_LOCATION, DeviceObject, 0x28);
AT(IO_STACK_LOCATION, FileObject, 0x30);
AT(IO_STACK_LOCATION, CompletionRoutine, 0x38);
AT(IO_STACK_LOCATION, Context, 0x40);
SIZE(IO_CSQ, 64);
SIZE(IO_CSQ_IRP_CONTEXT, 24);

SIZE(SID, 12);
AT(SID, SubAuthority, 8);
SIZE(SID_AND_ATTRIBUTES, 16);
SIZE(SID_AND_ATTRIBUTES_HASH, 272);
AT(SID_AND_ATTRIBUTES_HASH, Hash, 16);
SIZE(TOKEN_PRIVILEGES, 16);
AT(TOKEN_ACCESS_INFORMATION, AuthenticationId, 24);
AT(TOKEN_ACCESS_INFORMATION, TokenType, 32);
SIZE(SECURITY_DESCRIPTOR, 40);
SIZE(ACL, 8);
SIZE(RTL_QUERY_REGISTRY_TABLE, 56);
