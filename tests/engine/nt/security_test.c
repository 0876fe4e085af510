/* SPDX-License-Identifier: MIT */
/*
 * security_test.c - contract of the routines with which a driver gives its device a DACL, and of its handles.
 *
 * Each case names the page that its statuses and IRQLs are from.
 */
#include "tests/engine/nt/test.h"

#include <ntifs.h>

#define GRANTED (FILE_GENERIC_READ | FILE_GENERIC_WRITE)

static PDEVICE_OBJECT device;
static struct nt_driver *driver;
static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\Secure"),
                      link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\Secure");

static NTSTATUS dispatch(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID unload(PDRIVER_OBJECT object)
{
    UNREFERENCED_PARAMETER(object);
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(device);
}

static NTSTATUS entry(PDRIVER_OBJECT object, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    object->MajorFunction[IRP_MJ_CREATE] = object->MajorFunction[IRP_MJ_CLEANUP] = dispatch;
    object->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    object->DriverUnload = unload;
    NTSTATUS status = IoCreateDevice(object, 0, &device_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    return NT_SUCCESS(status) ? IoCreateSymbolicLink(&link_name, &device_name) : status;
}

static int load(void **state)
{
    record_violations(state);
    return NT_SUCCESS(nt_driver_load("secure", entry, NULL, 0, &driver)) ? 0 : 1;
}

static int unload_again(void **state)
{
    nt_driver_unload(driver);
    return no_violations_left(state);
}

/* A SID of one or two subauthorities. */
struct known_sid {
    UCHAR bytes[16];
};
static const struct known_sid administrators = {{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0}},
                              world = {{1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}};

struct room {
    DECLSPEC_ALIGN(8) ACL acl;
    UCHAR entries[120];
};

/* ntifs.h RtlCreateAcl: STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER; an empty ACL; <= APC_LEVEL. */
static void an_acl_is_created_empty(void **state)
{
    struct room room;
    KIRQL irql;
    (void)state;
    assert_int_equal(RtlCreateAcl(&room.acl, sizeof(ACL) - 1, ACL_REVISION), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(RtlCreateAcl(&room.acl, sizeof room, 1), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlCreateAcl(&room.acl, sizeof room, 5), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlCreateAcl(&room.acl, 65536, ACL_REVISION), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlCreateAcl(&room.acl, sizeof(ACL), ACL_REVISION), STATUS_SUCCESS);
    assert_int_equal(RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION), STATUS_SUCCESS);
    assert_int_equal(room.acl.AclRevision, ACL_REVISION);
    assert_int_equal(room.acl.AclSize, sizeof room);
    assert_int_equal(room.acl.AceCount, 0);
    KeRaiseIrql(APC_LEVEL, &irql);
    assert_int_equal(RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION), STATUS_SUCCESS);
    KeLowerIrql(irql);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    (void)RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
}

/* ntifs.h RtlCreateAcl, remarks: sizeof(ACL), and of each entry 8 bytes and its SID. */
static void an_acl_holds_exactly_what_was_calculated(void **state)
{
    ULONG size = (ULONG)(sizeof(ACL) + 8 + RtlLengthSid((PSID)&administrators) + 8 + RtlLengthSid((PSID)&world));
    struct room room;
    (void)state;
    assert_int_equal(size, 8 + 24 + 20);
    for (ULONG given = sizeof(ACL); given <= size; given += 4) {
        memset(&room, 0xee, sizeof room);
        assert_int_equal(RtlCreateAcl(&room.acl, given, ACL_REVISION), STATUS_SUCCESS);
        NTSTATUS first = RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, GRANTED, (PSID)&administrators);
        NTSTATUS second = RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, GRANTED, (PSID)&world);
        assert_int_equal(first, given >= 8 + 24 ? STATUS_SUCCESS : STATUS_ALLOTTED_SPACE_EXCEEDED);
        bool fits = given >= (NT_SUCCESS(first) ? size : 8 + 20);
        assert_int_equal(second, fits ? STATUS_SUCCESS : STATUS_ALLOTTED_SPACE_EXCEEDED);
        assert_int_equal(room.acl.AceCount, NT_SUCCESS(first) + NT_SUCCESS(second));
        for (size_t index = given; index < sizeof room; index++)
            assert_int_equal(((UCHAR *)&room)[index], 0xee);
    }
}

/* ntifs.h RtlAddAccessAllowedAce, ACCESS_ALLOWED_ACE: the bytes of an entry; all statuses; < DISPATCH_LEVEL. */
static void an_entry_is_laid_out_and_refused_as_its_page_says(void **state)
{
    static const UCHAR head[8] = {0, 0, 24, 0, 0x9f, 0x01, 0x12, 0};
    struct known_sid damaged = administrators;
    struct room room;
    KIRQL irql;
    (void)state;
    RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION);
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 0x12019f, (PSID)&administrators), STATUS_SUCCESS);
    assert_memory_equal(room.entries, head, sizeof head);
    assert_memory_equal(room.entries + 8, &administrators, 16);
    damaged.bytes[0] = 2;
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 1, &damaged), STATUS_INVALID_SID);
    damaged = administrators;
    damaged.bytes[1] = 16;
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 1, &damaged), STATUS_INVALID_SID);
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, 5, 1, (PSID)&world), STATUS_REVISION_MISMATCH);
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, 1, 1, (PSID)&world), STATUS_REVISION_MISMATCH);
    assert_int_equal(room.acl.AceCount, 1);
    room.acl.AceCount = 9;
    memset(room.entries + 24, 0, sizeof room.entries - 24);
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 1, (PSID)&world), STATUS_INVALID_ACL);
    room.acl = (ACL){0, 0, sizeof room, 0, 0};
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 1, (PSID)&world), STATUS_INVALID_ACL);
    room.acl = (ACL){ACL_REVISION, 0, 4, 0, 0};
    assert_int_equal(RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 1, (PSID)&world), STATUS_INVALID_ACL);
    RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    (void)RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, 1, (PSID)&world);
    assert_true(violations_seen.count >= 1); /* RtlValidSid reports too */
    KeLowerIrql(irql);
    violations_record();
}

/* wdm.h RtlCreateSecurityDescriptor, RtlSetDaclSecurityDescriptor: statuses, control flags, PASSIVE_LEVEL. */
static void a_descriptor_gets_its_dacl(void **state)
{
    SECURITY_DESCRIPTOR descriptor;
    ACL acl;
    KIRQL irql;
    (void)state;
    assert_int_equal(RtlCreateSecurityDescriptor(&descriptor, 2), STATUS_UNKNOWN_REVISION);
    memset(&descriptor, 0xee, sizeof descriptor);
    assert_int_equal(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    assert_int_equal(descriptor.Control, 0);
    assert_true(descriptor.Owner == NULL && descriptor.Group == NULL && descriptor.Sacl == NULL &&
                descriptor.Dacl == NULL);
    assert_int_equal(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &acl, TRUE), STATUS_SUCCESS);
    assert_int_equal(descriptor.Control, 0x000c); /* SE_DACL_PRESENT | SE_DACL_DEFAULTED */
    assert_ptr_equal(descriptor.Dacl, &acl);
    assert_int_equal(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, NULL, FALSE), STATUS_SUCCESS);
    assert_int_equal(descriptor.Control, 0x0004);
    assert_null(descriptor.Dacl);
    assert_int_equal(RtlSetDaclSecurityDescriptor(&descriptor, FALSE, &acl, TRUE), STATUS_SUCCESS);
    assert_int_equal(descriptor.Control & 0x0004, 0);
    descriptor.Control |= 0x8000; /* SE_SELF_RELATIVE */
    assert_int_equal(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &acl, FALSE), STATUS_INVALID_SECURITY_DESCR);
    descriptor.Revision = 2;
    assert_int_equal(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &acl, FALSE), STATUS_UNKNOWN_REVISION);
    KeRaiseIrql(APC_LEVEL, &irql);
    (void)RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    violations_expect("irql-too-high", 1u);
    (void)RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &acl, FALSE);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
}

/* ntifs.h ObOpenObjectByPointer: statuses, <= APC_LEVEL; wdm.h ZwClose: STATUS_INVALID_HANDLE, PASSIVE_LEVEL. */
static void a_handle_keeps_the_object_until_it_is_closed(void **state)
{
    HANDLE handle = NULL, second = NULL;
    KIRQL irql;
    (void)state;
    assert_int_equal(ObOpenObjectByPointer(device, 0x10000000, NULL, 0, NULL, KernelMode, &handle),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(ObOpenObjectByPointer(device, OBJ_INHERIT | OBJ_EXCLUSIVE, NULL, 0, NULL, KernelMode, &handle),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, 0, *PsThreadType, KernelMode, &handle),
                     STATUS_OBJECT_TYPE_MISMATCH);
    assert_int_equal(ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, 0, NULL, UserMode, &handle),
                     STATUS_OBJECT_TYPE_MISMATCH);
    assert_null(handle);
    assert_int_equal(ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &handle),
                     STATUS_SUCCESS);
    assert_int_equal(
        ObOpenObjectByPointer(KeGetCurrentThread(), OBJ_KERNEL_HANDLE, NULL, 0, *PsThreadType, UserMode, &second),
        STATUS_SUCCESS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    HANDLE third;
    assert_int_equal(ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, 0, NULL, KernelMode, &third),
                     STATUS_SUCCESS);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
    KeRaiseIrql(APC_LEVEL, &irql);
    assert_int_equal(ZwClose(third), STATUS_SUCCESS);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
    assert_int_equal(ZwClose(second), STATUS_SUCCESS);
    assert_int_equal(ZwClose(handle), STATUS_SUCCESS);
    assert_int_equal(ZwClose(NULL), STATUS_INVALID_HANDLE);
    violations_expect("handle-invalid", 1u);
}

static NTSTATUS open_as(BOOLEAN administrator, ACCESS_MASK access)
{
    const struct nt_caller caller = {77, administrator};
    struct nt_file *file = NULL;
    NTSTATUS status = nt_file_open("\\\\.\\Secure", access, &caller, &file);
    if (NT_SUCCESS(status))
        nt_file_close(file);
    return status;
}

static NTSTATUS set(HANDLE handle, ACCESS_MASK to_administrators, ACCESS_MASK to_world)
{
    struct room room;
    SECURITY_DESCRIPTOR descriptor;
    RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION);
    if (to_administrators != 0)
        RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, to_administrators, (PSID)&administrators);
    if (to_world != 0)
        RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, to_world, (PSID)&world);
    RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &room.acl, FALSE);
    return ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
}

/* ntifs.h ZwSetSecurityObject; ntifs.h RtlCreateAcl, remarks: an empty ACL denies all access. */
static void the_dacl_decides_who_opens_the_device(void **state)
{
    HANDLE handle;
    (void)state;
    assert_int_equal(ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &handle),
                     STATUS_SUCCESS);
    assert_int_equal(open_as(FALSE, GENERIC_READ), STATUS_SUCCESS);
    assert_int_equal(set(handle, FILE_ALL_ACCESS, 0), STATUS_SUCCESS);
    assert_int_equal(open_as(TRUE, GENERIC_READ | GENERIC_WRITE), STATUS_SUCCESS);
    assert_int_equal(open_as(FALSE, GENERIC_READ), STATUS_ACCESS_DENIED);
    assert_int_equal(set(handle, FILE_ALL_ACCESS, FILE_GENERIC_READ), STATUS_SUCCESS);
    assert_int_equal(open_as(FALSE, GENERIC_READ), STATUS_SUCCESS);
    assert_int_equal(open_as(FALSE, GENERIC_WRITE), STATUS_ACCESS_DENIED);
    assert_int_equal(set(handle, 0, 0), STATUS_SUCCESS);
    assert_int_equal(open_as(TRUE, GENERIC_READ), STATUS_ACCESS_DENIED);
    assert_int_equal(ZwClose(handle), STATUS_SUCCESS);
}

/* ntifs.h ZwSetSecurityObject: each status of its table that can come up here; what is refused changes nothing. */
static void a_descriptor_that_is_none_is_refused(void **state)
{
    HANDLE handle, thread;
    SECURITY_DESCRIPTOR descriptor;
    struct room room;
    KIRQL irql;
    (void)state;
    ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &handle);
    ObOpenObjectByPointer(KeGetCurrentThread(), OBJ_KERNEL_HANDLE, NULL, 0, NULL, KernelMode, &thread);
    RtlCreateAcl(&room.acl, sizeof room, ACL_REVISION);
    RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, GRANTED, (PSID)&administrators);
    RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &room.acl, FALSE);
    assert_int_equal(ZwSetSecurityObject(NULL, DACL_SECURITY_INFORMATION, &descriptor), STATUS_INVALID_HANDLE);
    assert_int_equal(ZwSetSecurityObject(thread, DACL_SECURITY_INFORMATION, &descriptor), STATUS_OBJECT_TYPE_MISMATCH);
    assert_int_equal(ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, NULL), STATUS_ACCESS_VIOLATION);
    room.entries[8] = 7; /* the SID's revision */
    assert_int_equal(ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor), STATUS_INVALID_SID);
    room.entries[8] = 1;
    room.entries[2] = 200; /* the entry's size */
    assert_int_equal(ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor), STATUS_INVALID_ACL);
    descriptor.Revision = 9;
    assert_int_equal(ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor), STATUS_UNKNOWN_REVISION);
    assert_int_equal(open_as(FALSE, GENERIC_READ), STATUS_SUCCESS);
    KeRaiseIrql(APC_LEVEL, &irql);
    (void)ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
    ZwClose(thread);
    ZwClose(handle);
}

/* wdm.h MmGetSystemRoutineAddress: the routine, or NULL; PASSIVE_LEVEL. */
static void routines_are_found_by_their_whole_name(void **state)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"RtlCreateAcl"), none = RTL_CONSTANT_STRING(L"RtlCreateAclx"),
                   empty = {0, 0, NULL};
    KIRQL irql;
    (void)state;
    assert_ptr_equal(MmGetSystemRoutineAddress(&name), (PVOID)(ULONG_PTR)RtlCreateAcl);
    assert_null(MmGetSystemRoutineAddress(&none));
    assert_null(MmGetSystemRoutineAddress(&empty));
    name.Length -= sizeof(WCHAR);
    assert_null(MmGetSystemRoutineAddress(&name));
    KeRaiseIrql(APC_LEVEL, &irql);
    (void)MmGetSystemRoutineAddress(&none);
    violations_expect("irql-too-high", 1u);
    KeLowerIrql(irql);
}

/* ntifs.h RtlAbsoluteToSelfRelativeSD, RtlSetOwnerSecurityDescriptor, RtlSetGroupSecurityDescriptor; wdm.h
 * RtlLengthSecurityDescriptor, RtlValidSecurityDescriptor: statuses, sizes, and that the copy says the same. */
static void a_descriptor_in_one_piece(void **state)
{
    SECURITY_DESCRIPTOR absolute;
    struct room room;
    ULONG size = 0;
    union {
        SECURITY_DESCRIPTOR head;
        UCHAR bytes[160];
    } relative;
    (void)state;
    RtlCreateAcl(&room.acl, sizeof(ACL) + 8 + 16, ACL_REVISION);
    RtlAddAccessAllowedAce(&room.acl, ACL_REVISION, GRANTED, (PSID)&administrators);
    RtlCreateSecurityDescriptor(&absolute, SECURITY_DESCRIPTOR_REVISION);
    RtlSetDaclSecurityDescriptor(&absolute, TRUE, &room.acl, FALSE);
    assert_int_equal(RtlSetOwnerSecurityDescriptor(&absolute, (PSID)&administrators, TRUE), STATUS_SUCCESS);
    assert_int_equal(RtlSetGroupSecurityDescriptor(&absolute, (PSID)&world, FALSE), STATUS_SUCCESS);
    assert_int_equal(absolute.Control, 0x0005); /* SE_OWNER_DEFAULTED, SE_DACL_PRESENT */
    assert_int_equal(RtlLengthSecurityDescriptor(&absolute), sizeof absolute + 32 + 16 + 12);
    assert_int_equal(RtlAbsoluteToSelfRelativeSD(&absolute, NULL, &size), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(size, 20 + 32 + 16 + 12);
    size--;
    assert_int_equal(RtlAbsoluteToSelfRelativeSD(&absolute, &relative, &size), STATUS_BUFFER_TOO_SMALL);
    memset(&relative, 0xee, sizeof relative);
    assert_int_equal(RtlAbsoluteToSelfRelativeSD(&absolute, &relative, &size), STATUS_SUCCESS);
    assert_int_equal(relative.bytes[size], 0xee);
    assert_int_equal(relative.head.Control, 0x8005); /* and SE_SELF_RELATIVE */
    assert_int_equal(RtlLengthSecurityDescriptor(&relative), size);
    const ULONG *offsets = (const void *)(relative.bytes + 4); /* owner, group, SACL, DACL */
    assert_int_equal(offsets[2], 0);
    assert_memory_equal(relative.bytes + offsets[0], &administrators, 16);
    assert_memory_equal(relative.bytes + offsets[1], &world, 12);
    assert_memory_equal(relative.bytes + offsets[3], &room.acl, 32);
    assert_true(RtlValidSecurityDescriptor(&relative) && RtlValidSecurityDescriptor(&absolute));
    assert_int_equal(RtlAbsoluteToSelfRelativeSD(&relative, &relative, &size), STATUS_BAD_DESCRIPTOR_FORMAT);
    assert_int_equal(RtlSetOwnerSecurityDescriptor(&relative, NULL, FALSE), STATUS_INVALID_SECURITY_DESCR);
    room.acl.AceCount = 9;
    assert_false(RtlValidSecurityDescriptor(&absolute));
    absolute.Revision = 2;
    assert_false(RtlValidSecurityDescriptor(&absolute));
    assert_int_equal(RtlSetGroupSecurityDescriptor(&absolute, NULL, FALSE), STATUS_UNKNOWN_REVISION);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, load, unload_again)
    const struct CMUnitTest tests[] = {
        nt_test(an_acl_is_created_empty),
        nt_test(an_acl_holds_exactly_what_was_calculated),
        nt_test(an_entry_is_laid_out_and_refused_as_its_page_says),
        nt_test(a_descriptor_gets_its_dacl),
        nt_test(a_descriptor_in_one_piece),
        TEST(a_handle_keeps_the_object_until_it_is_closed),
        TEST(the_dacl_decides_who_opens_the_device),
        TEST(a_descriptor_that_is_none_is_refused),
        nt_test(routines_are_found_by_their_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
