/* SPDX-License-Identifier: MIT */
/*
 * device_secure_test.c - windows/device_secure.c compiled here against stand-ins that record.
 *
 * The oracle for the entries is the page "SDDL for Device Objects" with the SIDs of "Well-known SIDs".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ntifs.h>
#include <wdmsec.h>

typedef struct {
    UCHAR header[4];
    ACCESS_MASK Mask;
    ULONG SidStart;
} ACCESS_ALLOWED_ACE;

static struct {
    unsigned aces, created, deleted, closed;
    ACCESS_MASK mask[8];
    UCHAR sid[8][16];
    NTSTATUS set_result;
} seen;

NTSTATUS RtlCreateAcl(PACL acl, ULONG size, ULONG revision)
{
    assert_true(size >= sizeof(*acl) && revision == ACL_REVISION);
    return STATUS_SUCCESS;
}

NTSTATUS RtlAddAccessAllowedAce(PACL acl, ULONG revision, ACCESS_MASK mask, PSID sid)
{
    (void)acl;
    (void)revision;
    if (seen.aces == 8)
        return STATUS_INSUFFICIENT_RESOURCES;
    seen.mask[seen.aces] = mask;
    memcpy(seen.sid[seen.aces++], sid, 16);
    return STATUS_SUCCESS;
}

NTSTATUS RtlCreateSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, ULONG revision)
{
    memset(descriptor, 0, sizeof(SECURITY_DESCRIPTOR));
    return revision == SECURITY_DESCRIPTOR_REVISION ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS RtlSetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, BOOLEAN present, PACL dacl, BOOLEAN defaulted)
{
    assert_true(present && !defaulted);
    ((SECURITY_DESCRIPTOR *)descriptor)->Dacl = dacl;
    return STATUS_SUCCESS;
}

#define ObOpenObjectByPointer(object, flags, state, access, type, mode, handle)                                        \
    (assert_int_equal(access, WRITE_DAC), *(handle) = (HANDLE)(object), STATUS_SUCCESS)

NTSTATUS ZwSetSecurityObject(HANDLE handle, SECURITY_INFORMATION what, PSECURITY_DESCRIPTOR descriptor)
{
    assert_int_equal(what, DACL_SECURITY_INFORMATION);
    assert_true(handle != NULL && ((SECURITY_DESCRIPTOR *)descriptor)->Dacl != NULL);
    return seen.set_result;
}

NTSTATUS ZwClose(HANDLE handle)
{
    assert_non_null(handle);
    seen.closed++;
    return STATUS_SUCCESS;
}

static DEVICE_OBJECT device_object;

NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, DEVICE_TYPE type,
                        ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device)
{
    (void)driver, (void)extension, (void)name, (void)type, (void)characteristics, (void)exclusive;
    seen.created++;
    *device = &device_object;
    return STATUS_SUCCESS;
}

VOID IoDeleteDevice(PDEVICE_OBJECT device)
{
    assert_ptr_equal(device, &device_object);
    seen.deleted++;
}

#include "windows/device_secure.c"

static NTSTATUS create(const WCHAR *text, size_t chars, PDEVICE_OBJECT *device)
{
    UNICODE_STRING sddl = {(USHORT)(chars * 2), (USHORT)(chars * 2), (PWSTR)(uintptr_t)text};

    *device = NULL;
    return WdmlibIoCreateDeviceSecure(NULL, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &sddl, NULL, device);
}
#define CREATE(text, device) create(text, sizeof(text) / sizeof(WCHAR) - 1, device)

static int reset(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    return 0;
}

static void gives_system_and_administrators_everything(void **state)
{
    static const UCHAR system[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18};
    static const UCHAR administrators[16] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2};
    PDEVICE_OBJECT device;

    (void)state;
    assert_int_equal(CREATE(L"D:P(A;;GA;;;SY)(A;;GA;;;BA)", &device), STATUS_SUCCESS);
    assert_ptr_equal(device, &device_object);
    assert_int_equal(seen.aces, 2);
    assert_int_equal(seen.mask[0], 0x1f01ff);
    assert_int_equal(seen.mask[1], 0x1f01ff);
    assert_memory_equal(seen.sid[0], system, sizeof(system));
    assert_memory_equal(seen.sid[1], administrators, sizeof(administrators));
    assert_int_equal(seen.closed, 1);
}

static void maps_generic_rights(void **state)
{
    PDEVICE_OBJECT device;

    (void)state;
    assert_int_equal(CREATE(L"D:P(A;;GRGW;;;WD)", &device), STATUS_SUCCESS);
    assert_int_equal(seen.mask[0], 0x120089 | 0x120116);
    assert_int_equal(seen.sid[0][7], 1);
}

static void leaves_no_device_without_its_descriptor(void **state)
{
    PDEVICE_OBJECT device;

    (void)state;
    seen.set_result = STATUS_ACCESS_DENIED;
    assert_int_equal(CREATE(L"D:P(A;;GA;;;SY)", &device), STATUS_ACCESS_DENIED);
    assert_null(device);
    assert_int_equal(seen.created, 1);
    assert_int_equal(seen.deleted, 1);
    assert_int_equal(seen.closed, 1);
}

static void refuses_what_it_does_not_understand(void **state)
{
    PDEVICE_OBJECT device;

    (void)state;
    assert_int_equal(CREATE(L"", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:(A;;GA;;;SY)", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:P(D;;GA;;;WD)", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:P(A;;;;;SY)", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:P(A;;G", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:P(A;;GA;;;S", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:P(A;;GA;;;XX)", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(CREATE(L"D:P(A;;GA;;;SY", &device), STATUS_NOT_SUPPORTED);
    assert_int_equal(seen.created, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(gives_system_and_administrators_everything, reset),
        cmocka_unit_test_setup(maps_generic_rights, reset),
        cmocka_unit_test_setup(leaves_no_device_without_its_descriptor, reset),
        cmocka_unit_test_setup(refuses_what_it_does_not_understand, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
