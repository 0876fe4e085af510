/* SPDX-License-Identifier: MIT */
/*
 * device_secure.c - WdmlibIoCreateDeviceSecure, which is static code in the WDK's wdmsec.lib.
 *
 * The device is made, then gets its DACL. In between nobody can open it: IoCreateDevice sets
 * DO_DEVICE_INITIALIZING, with which opens fail until DriverEntry has returned. When the DACL cannot
 * be set the device is deleted again; there is no open device without it.
 *
 * Understood, as by nt/ (nt/include/wdmsec.h): "D:P" with allow entries for SY, BA and WD, each with the
 * rights GA, GR, GW, GX; others: STATUS_NOT_SUPPORTED. The rights are mapped to those of files and
 * devices here. Unlike wdmsec.lib this reads no override of the class from the registry.
 * Pages: wdmsec.h WdmlibIoCreateDeviceSecure; "SDDL for Device Objects"; "Controlling Device Access".
 */
#include <ntddk.h>
#include <wdmsec.h>

#define ACES_MAX  8u
#define ACL_BYTES (sizeof(ACL) + ACES_MAX * (sizeof(ACCESS_ALLOWED_ACE) + sizeof(ULONG)))

/* A SID of up to two subauthorities, laid out as SID. */
struct well_known {
    WCHAR name[2];
    UCHAR revision, count, authority[6];
    ULONG sub_authority[2];
};

static const struct well_known well_known[] = {
    {{'S', 'Y'}, SID_REVISION, 1, {0, 0, 0, 0, 0, 5}, {18, 0}},   /* LocalSystem */
    {{'B', 'A'}, SID_REVISION, 2, {0, 0, 0, 0, 0, 5}, {32, 544}}, /* Administrators */
    {{'W', 'D'}, SID_REVISION, 1, {0, 0, 0, 0, 0, 1}, {0, 0}},    /* Everyone */
};
_Static_assert(FIELD_OFFSET(struct well_known, sub_authority) - FIELD_OFFSET(struct well_known, revision) ==
                   FIELD_OFFSET(SID, SubAuthority),
               "a well-known SID is laid out as SID");

struct right {
    WCHAR name;
    ACCESS_MASK mask;
};

static const struct right rights[] = {
    {'A', FILE_ALL_ACCESS}, {'R', FILE_GENERIC_READ}, {'W', FILE_GENERIC_WRITE}, {'X', FILE_GENERIC_EXECUTE}};

struct reader {
    const WCHAR *at, *end;
};

static BOOLEAN take(struct reader *reader, const char *text)
{
    const WCHAR *at = reader->at;

    for (; *text != 0; text++, at++) {
        if (at == reader->end || *at != (WCHAR)*text)
            return FALSE;
    }
    reader->at = at;
    return TRUE;
}

static BOOLEAN read_rights(struct reader *reader, ACCESS_MASK *mask)
{
    *mask = 0;
    while (take(reader, "G")) {
        ULONG i = 0;

        while (i < RTL_NUMBER_OF(rights) && (reader->at == reader->end || *reader->at != rights[i].name))
            i++;
        if (i == RTL_NUMBER_OF(rights))
            return FALSE;
        *mask |= rights[i].mask;
        reader->at++;
    }
    return *mask != 0;
}

static PSID read_sid(struct reader *reader)
{
    if (reader->end - reader->at < 2)
        return NULL;
    for (ULONG i = 0; i < RTL_NUMBER_OF(well_known); i++) {
        if (reader->at[0] == well_known[i].name[0] && reader->at[1] == well_known[i].name[1]) {
            reader->at += 2;
            return (PSID)&well_known[i].revision;
        }
    }
    return NULL;
}

static NTSTATUS build_dacl(PCUNICODE_STRING text, PACL dacl)
{
    struct reader reader = {text->Buffer, text->Buffer + text->Length / sizeof(WCHAR)};
    NTSTATUS status = RtlCreateAcl(dacl, (ULONG)ACL_BYTES, ACL_REVISION);

    if (NT_SUCCESS(status) && !take(&reader, "D:P"))
        status = STATUS_NOT_SUPPORTED;
    while (NT_SUCCESS(status) && reader.at != reader.end) {
        ACCESS_MASK mask;
        PSID sid = NULL;

        if (take(&reader, "(A;;") && read_rights(&reader, &mask) && take(&reader, ";;;"))
            sid = read_sid(&reader);
        if (sid == NULL || !take(&reader, ")"))
            return STATUS_NOT_SUPPORTED;
        status = RtlAddAccessAllowedAce(dacl, ACL_REVISION, mask, sid);
    }
    return status;
}

static NTSTATUS set_dacl(PDEVICE_OBJECT device, PACL dacl)
{
    SECURITY_DESCRIPTOR descriptor;
    HANDLE handle;
    NTSTATUS status = RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);

    if (NT_SUCCESS(status))
        status = RtlSetDaclSecurityDescriptor(&descriptor, TRUE, dacl, FALSE);
    if (NT_SUCCESS(status))
        status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &handle);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
    (void)ZwClose(handle);
    return status;
}

NTSTATUS WdmlibIoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                                    DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                                    PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                                    PDEVICE_OBJECT *DeviceObject)
{
    ULONG_PTR space[(ACL_BYTES + sizeof(ULONG_PTR) - 1) / sizeof(ULONG_PTR)];
    PACL dacl = (PACL)space;
    PDEVICE_OBJECT device = NULL;
    NTSTATUS status = build_dacl(DefaultSDDLString, dacl);

    UNREFERENCED_PARAMETER(DeviceClassGuid);
    if (NT_SUCCESS(status))
        status = IoCreateDevice(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics,
                                Exclusive, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = set_dacl(device, dacl);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    *DeviceObject = device;
    return STATUS_SUCCESS;
}
