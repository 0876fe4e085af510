/* SPDX-License-Identifier: MIT */
/*
 * sid.c - security identifiers.
 *
 * Pages: ntifs.h RtlValidSid, RtlLengthSid, RtlLengthRequiredSid, RtlEqualSid, RtlCopySid,
 * RtlInitializeSid, RtlSubAuthoritySid.
 */
#include "nt/internal.h"

static ULONG length_of(const SID *sid)
{
    return (ULONG)(offsetof(SID, SubAuthority) + sid->SubAuthorityCount * sizeof(ULONG));
}

BOOLEAN RtlValidSid(PSID Sid)
{
    NT_ENTER(RtlValidSid);
    const SID *sid = Sid;
    return sid != NULL && (sid->Revision & 0x0f) == SID_REVISION && sid->SubAuthorityCount <= SID_MAX_SUB_AUTHORITIES;
}

ULONG RtlLengthSid(PSID Sid)
{
    NT_ENTER(RtlLengthSid);
    return length_of(Sid);
}

ULONG RtlLengthRequiredSid(ULONG SubAuthorityCount)
{
    NT_ENTER(RtlLengthRequiredSid);
    return (ULONG)(offsetof(SID, SubAuthority) + SubAuthorityCount * sizeof(ULONG));
}

BOOLEAN RtlEqualSid(PSID Sid1, PSID Sid2)
{
    NT_ENTER(RtlEqualSid);
    const SID *a = Sid1;
    const SID *b = Sid2;
    return a->Revision == b->Revision && a->SubAuthorityCount == b->SubAuthorityCount &&
           memcmp(a, b, length_of(a)) == 0;
}

NTSTATUS RtlCopySid(ULONG DestinationSidLength, PSID DestinationSid, PSID SourceSid)
{
    NT_ENTER(RtlCopySid);
    ULONG length = length_of(SourceSid);
    if (length > DestinationSidLength)
        return STATUS_BUFFER_TOO_SMALL;
    memmove(DestinationSid, SourceSid, length);
    return STATUS_SUCCESS;
}

NTSTATUS RtlInitializeSid(PSID Sid, PSID_IDENTIFIER_AUTHORITY IdentifierAuthority, UCHAR SubAuthorityCount)
{
    NT_ENTER(RtlInitializeSid);
    SID *sid = Sid;
    if (SubAuthorityCount > SID_MAX_SUB_AUTHORITIES)
        return STATUS_INVALID_PARAMETER;
    sid->Revision = SID_REVISION;
    sid->SubAuthorityCount = SubAuthorityCount;
    sid->IdentifierAuthority = *IdentifierAuthority;
    return STATUS_SUCCESS;
}

PULONG RtlSubAuthoritySid(PSID Sid, ULONG SubAuthority)
{
    NT_ENTER(RtlSubAuthoritySid);
    return &((SID *)Sid)->SubAuthority[SubAuthority];
}
