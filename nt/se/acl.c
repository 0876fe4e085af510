/* SPDX-License-Identifier: MIT */
/*
 * acl.c - descriptors that a driver builds itself, and their way to its device.
 *
 * ZwSetSecurityObject sets a DACL of allow entries on a device that no file has open: of its SIDs,
 * administrators and everyone count, LocalSystem is the kernel's own. Anything else is refused, so that
 * no device is more open than it says. A handle keeps no access here: one without WRITE_DAC is not told.
 * Pages: ntifs.h RtlCreateAcl, RtlAddAccessAllowedAce, RtlCreateSecurityDescriptor (wdm.h),
 * RtlSetDaclSecurityDescriptor (wdm.h), ObOpenObjectByPointer, ZwSetSecurityObject; winnt.h ACCESS_ALLOWED_ACE.
 */
#include "nt/internal.h"

#include <ntifs.h>

/* SECURITY_DESCRIPTOR_CONTROL */
#define DACL_PRESENT   0x0004u
#define DACL_DEFAULTED 0x0008u
#define SELF_RELATIVE  0x8000u

#define ACL_REVISION_DS 4

struct ace {
    UCHAR type, flags;
    USHORT size;
    ACCESS_MASK mask;
    /* SID */
};

NTSTATUS RtlCreateAcl(PACL Acl, ULONG AclLength, ULONG AclRevision)
{
    NT_ENTER(RtlCreateAcl);
    if (AclLength < sizeof *Acl)
        return STATUS_BUFFER_TOO_SMALL;
    if (AclRevision < ACL_REVISION || AclRevision > ACL_REVISION_DS || AclLength > MAXUSHORT)
        return STATUS_INVALID_PARAMETER;
    *Acl = (ACL){(UCHAR)AclRevision, 0, (USHORT)(AclLength & ~3u), 0, 0};
    return STATUS_SUCCESS;
}

/* Where the next entry goes, or NULL when it is no ACL or the entries there are do not fit. */
static PUCHAR acl_end(PACL acl)
{
    size_t used = sizeof *acl;
    if (acl->AclRevision < ACL_REVISION || acl->AclRevision > ACL_REVISION_DS || acl->AclSize < used)
        return NULL;
    for (USHORT index = 0; index < acl->AceCount; index++) {
        const struct ace *ace = (const void *)((PUCHAR)acl + used);
        if (used + sizeof *ace > acl->AclSize || ace->size < sizeof *ace || used + ace->size > acl->AclSize)
            return NULL;
        used += ace->size;
    }
    return (PUCHAR)acl + used;
}

bool nt_acl_is_valid(PACL acl)
{
    return acl_end(acl) != NULL;
}

NTSTATUS RtlAddAccessAllowedAce(PACL Acl, ULONG AceRevision, ACCESS_MASK AccessMask, PSID Sid)
{
    NT_ENTER(RtlAddAccessAllowedAce);
    PUCHAR end = acl_end(Acl);
    if (!RtlValidSid(Sid))
        return STATUS_INVALID_SID;
    if (AceRevision < ACL_REVISION || AceRevision > ACL_REVISION_DS)
        return STATUS_REVISION_MISMATCH;
    if (end == NULL)
        return STATUS_INVALID_ACL;
    struct ace ace = {0, 0, (USHORT)(sizeof ace + RtlLengthSid(Sid)), AccessMask};
    if (end + ace.size > (PUCHAR)Acl + Acl->AclSize)
        return STATUS_ALLOTTED_SPACE_EXCEEDED;
    memcpy(end, &ace, sizeof ace);
    memcpy(end + sizeof ace, Sid, RtlLengthSid(Sid));
    Acl->AceCount++;
    return STATUS_SUCCESS;
}

NTSTATUS RtlCreateSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, ULONG Revision)
{
    NT_ENTER(RtlCreateSecurityDescriptor);
    if (Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    *(PISECURITY_DESCRIPTOR)SecurityDescriptor = (SECURITY_DESCRIPTOR){.Revision = (UCHAR)Revision};
    return STATUS_SUCCESS;
}

NTSTATUS RtlSetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, BOOLEAN DaclPresent, PACL Dacl,
                                      BOOLEAN DaclDefaulted)
{
    NT_ENTER(RtlSetDaclSecurityDescriptor);
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;
    if (descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    if ((descriptor->Control & SELF_RELATIVE) != 0)
        return STATUS_INVALID_SECURITY_DESCR;
    descriptor->Control &= (SECURITY_DESCRIPTOR_CONTROL)~DACL_PRESENT;
    if (DaclPresent) {
        descriptor->Control &= (SECURITY_DESCRIPTOR_CONTROL)~DACL_DEFAULTED;
        descriptor->Control |= (SECURITY_DESCRIPTOR_CONTROL)(DACL_PRESENT | (DaclDefaulted ? DACL_DEFAULTED : 0));
        descriptor->Dacl = Dacl;
    }
    return STATUS_SUCCESS;
}

static bool sid_is(const SID *sid, UCHAR authority, UCHAR count, ULONG first, ULONG second)
{
    return sid->SubAuthorityCount == count && sid->IdentifierAuthority.Value[5] == authority &&
           sid->SubAuthority[0] == first && (count < 2 || (&sid->SubAuthority[0])[1] == second);
}

static NTSTATUS read_dacl(PACL acl, ACCESS_MASK *administrators, ACCESS_MASK *everyone)
{
    PUCHAR at = (PUCHAR)(acl + 1), end = acl_end(acl);
    *administrators = *everyone = 0;
    if (end == NULL)
        return STATUS_INVALID_ACL;
    while (at != end) {
        const struct ace *ace = (const void *)at;
        PSID sid = at + sizeof *ace;
        if (ace->type != 0 || ace->flags != 0)
            return STATUS_NOT_SUPPORTED;
        if (ace->size < sizeof *ace + sizeof(SID))
            return STATUS_INVALID_ACL;
        if (!RtlValidSid(sid))
            return STATUS_INVALID_SID;
        if (ace->size < sizeof *ace + RtlLengthSid(sid))
            return STATUS_INVALID_ACL;
        if (sid_is(sid, 5, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_ADMINS))
            *administrators |= nt_access_map(ace->mask);
        else if (sid_is(sid, 1, 1, SECURITY_WORLD_RID, 0))
            *everyone |= nt_access_map(ace->mask);
        else if (!sid_is(sid, 5, 1, SECURITY_LOCAL_SYSTEM_RID, 0))
            return STATUS_NOT_SUPPORTED;
        at += ace->size;
    }
    *administrators |= *everyone;
    return STATUS_SUCCESS;
}

void nt_descriptor_make(PSECURITY_DESCRIPTOR descriptor, PACL dacl)
{
    *(PISECURITY_DESCRIPTOR)descriptor =
        (SECURITY_DESCRIPTOR){.Revision = SECURITY_DESCRIPTOR_REVISION, .Control = DACL_PRESENT, .Dacl = dacl};
}

NTSTATUS nt_descriptor_read(PSECURITY_DESCRIPTOR descriptor, ACCESS_MASK all, ACCESS_MASK *administrators,
                            ACCESS_MASK *everyone)
{
    const SECURITY_DESCRIPTOR *given = descriptor;
    if (given->Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    if ((given->Control & SELF_RELATIVE) != 0)
        return STATUS_NOT_SUPPORTED;
    if ((given->Control & DACL_PRESENT) != 0 && given->Dacl != NULL)
        return read_dacl(given->Dacl, administrators, everyone);
    *administrators = *everyone = all;
    return STATUS_SUCCESS;
}

NTSTATUS ZwSetSecurityObject(HANDLE Handle, SECURITY_INFORMATION SecurityInformation,
                             PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    NT_ENTER(ZwSetSecurityObject);
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;
    ACCESS_MASK administrators, everyone;
    PVOID device = nt_handle_object(Handle, NT_OBJECT_DEVICE);
    if (device == NULL)
        return nt_handle_object(Handle, NT_OBJECT_THREAD) != NULL ? STATUS_OBJECT_TYPE_MISMATCH : STATUS_INVALID_HANDLE;
    if (descriptor == NULL)
        return STATUS_ACCESS_VIOLATION;
    if (descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    if (nt_fails("ZwSetSecurityObject"))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (SecurityInformation != DACL_SECURITY_INFORMATION || (descriptor->Control & DACL_PRESENT) == 0 ||
        (descriptor->Control & SELF_RELATIVE) != 0 || descriptor->Dacl == NULL)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = read_dacl(descriptor->Dacl, &administrators, &everyone);
    if (NT_SUCCESS(status))
        nt_device_set_access(device, administrators, everyone);
    return status;
}
