/* SPDX-License-Identifier: MIT */
/*
 * descriptor.c - owners and groups of descriptors, and descriptors in one piece.
 *
 * A driver builds a descriptor with pointers (acl.c) and makes one of it that holds everything itself, as the filter
 * engine takes it for an ALE_USER_ID condition.
 * Pages: ntifs.h RtlSetOwnerSecurityDescriptor, RtlSetGroupSecurityDescriptor, RtlAbsoluteToSelfRelativeSD; wdm.h
 * RtlLengthSecurityDescriptor, RtlValidSecurityDescriptor; SECURITY_DESCRIPTOR ("Absolute and Self-Relative Security
 * Descriptors").
 */
#include "nt/internal.h"

#include <ntifs.h>

#define OWNER_DEFAULTED 0x0001u
#define GROUP_DEFAULTED 0x0002u
#define DACL_PRESENT    0x0004u
#define SACL_PRESENT    0x0010u
#define SELF_RELATIVE   0x8000u

/* SECURITY_DESCRIPTOR_RELATIVE */
struct relative {
    UCHAR revision, sbz1;
    USHORT control;
    ULONG owner, group, sacl, dacl;
};

struct parts {
    PSID owner, group;
    PACL sacl, dacl;
};

static PVOID at(const struct relative *relative, ULONG offset)
{
    return offset == 0 ? NULL : (PUCHAR)relative + offset;
}

static struct parts find_parts(PSECURITY_DESCRIPTOR descriptor)
{
    const SECURITY_DESCRIPTOR *absolute = descriptor;
    const struct relative *relative = descriptor;
    struct parts parts = {absolute->Owner, absolute->Group, absolute->Sacl, absolute->Dacl};
    if ((absolute->Control & SELF_RELATIVE) != 0)
        parts = (struct parts){at(relative, relative->owner), at(relative, relative->group),
                               at(relative, relative->sacl), at(relative, relative->dacl)};
    if ((absolute->Control & DACL_PRESENT) == 0)
        parts.dacl = NULL;
    if ((absolute->Control & SACL_PRESENT) == 0)
        parts.sacl = NULL;
    return parts;
}

static ULONG sid_space(PSID sid)
{
    return sid == NULL ? 0 : (RtlLengthSid(sid) + 3u) & ~3u;
}

static ULONG acl_space(const ACL *acl)
{
    return acl == NULL ? 0 : (acl->AclSize + 3u) & ~3u;
}

static ULONG parts_space(const struct parts *parts)
{
    return sid_space(parts->owner) + sid_space(parts->group) + acl_space(parts->sacl) + acl_space(parts->dacl);
}

static NTSTATUS check_absolute(const SECURITY_DESCRIPTOR *descriptor)
{
    if (descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_UNKNOWN_REVISION;
    return (descriptor->Control & SELF_RELATIVE) != 0 ? STATUS_INVALID_SECURITY_DESCR : STATUS_SUCCESS;
}

static void set_defaulted(PISECURITY_DESCRIPTOR descriptor, USHORT bit, BOOLEAN defaulted)
{
    descriptor->Control &= (SECURITY_DESCRIPTOR_CONTROL)~bit;
    descriptor->Control |= (SECURITY_DESCRIPTOR_CONTROL)(defaulted ? bit : 0);
}

NTSTATUS RtlSetOwnerSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID Owner, BOOLEAN OwnerDefaulted)
{
    NT_ENTER(RtlSetOwnerSecurityDescriptor);
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;
    NTSTATUS status = check_absolute(descriptor);
    if (!NT_SUCCESS(status))
        return status;
    descriptor->Owner = Owner;
    set_defaulted(descriptor, OWNER_DEFAULTED, OwnerDefaulted);
    return STATUS_SUCCESS;
}

NTSTATUS RtlSetGroupSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor, PSID Group, BOOLEAN GroupDefaulted)
{
    NT_ENTER(RtlSetGroupSecurityDescriptor);
    PISECURITY_DESCRIPTOR descriptor = SecurityDescriptor;
    NTSTATUS status = check_absolute(descriptor);
    if (!NT_SUCCESS(status))
        return status;
    descriptor->Group = Group;
    set_defaulted(descriptor, GROUP_DEFAULTED, GroupDefaulted);
    return STATUS_SUCCESS;
}

ULONG RtlLengthSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    NT_ENTER(RtlLengthSecurityDescriptor);
    const SECURITY_DESCRIPTOR *descriptor = SecurityDescriptor;
    struct parts parts = find_parts(SecurityDescriptor);
    ULONG head =
        (ULONG)((descriptor->Control & SELF_RELATIVE) != 0 ? sizeof(struct relative) : sizeof(SECURITY_DESCRIPTOR));
    return head + parts_space(&parts);
}

BOOLEAN RtlValidSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    NT_ENTER(RtlValidSecurityDescriptor);
    const SECURITY_DESCRIPTOR *descriptor = SecurityDescriptor;
    if (descriptor == NULL || descriptor->Revision != SECURITY_DESCRIPTOR_REVISION)
        return FALSE;
    struct parts parts = find_parts(SecurityDescriptor);
    return (parts.owner == NULL || RtlValidSid(parts.owner)) && (parts.group == NULL || RtlValidSid(parts.group)) &&
           (parts.dacl == NULL || nt_acl_is_valid(parts.dacl)) && (parts.sacl == NULL || nt_acl_is_valid(parts.sacl));
}

/* Appends a part, padded to four bytes; its offset, 0 for none. */
static ULONG append(struct relative *to, ULONG *used, const void *part, ULONG size, ULONG space)
{
    ULONG offset = *used;
    if (part == NULL)
        return 0;
    memset((PUCHAR)to + offset, 0, space);
    memcpy((PUCHAR)to + offset, part, size);
    *used += space;
    return offset;
}

NTSTATUS RtlAbsoluteToSelfRelativeSD(PSECURITY_DESCRIPTOR AbsoluteSecurityDescriptor,
                                     PSECURITY_DESCRIPTOR SelfRelativeSecurityDescriptor, PULONG BufferLength)
{
    NT_ENTER(RtlAbsoluteToSelfRelativeSD);
    const SECURITY_DESCRIPTOR *from = AbsoluteSecurityDescriptor;
    struct relative *to = SelfRelativeSecurityDescriptor;
    if ((from->Control & SELF_RELATIVE) != 0)
        return STATUS_BAD_DESCRIPTOR_FORMAT;
    struct parts parts = find_parts(AbsoluteSecurityDescriptor);
    ULONG used = sizeof *to, size = used + parts_space(&parts), capacity = *BufferLength;
    *BufferLength = size;
    if (capacity < size)
        return STATUS_BUFFER_TOO_SMALL;
    *to = (struct relative){from->Revision, from->Sbz1, (USHORT)(from->Control | SELF_RELATIVE), 0, 0, 0, 0};
    if (parts.sacl != NULL)
        to->sacl = append(to, &used, parts.sacl, parts.sacl->AclSize, acl_space(parts.sacl));
    if (parts.dacl != NULL)
        to->dacl = append(to, &used, parts.dacl, parts.dacl->AclSize, acl_space(parts.dacl));
    if (parts.owner != NULL)
        to->owner = append(to, &used, parts.owner, RtlLengthSid(parts.owner), sid_space(parts.owner));
    if (parts.group != NULL)
        to->group = append(to, &used, parts.group, RtlLengthSid(parts.group), sid_space(parts.group));
    return STATUS_SUCCESS;
}
