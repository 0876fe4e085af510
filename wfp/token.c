/* SPDX-License-Identifier: MIT */
/*
 * token.c - SIDs and self-relative security descriptors, read byte by byte with bounds.
 *
 * Layouts: SECURITY_DESCRIPTOR_RELATIVE, ACL, ACE_HEADER, ACCESS_ALLOWED_ACE pages (win32). All little endian.
 */
#include "wfp/token.h"

#include <string.h>

#define DESCRIPTOR_SIZE  20
#define DACL_PRESENT     0x0004
#define SELF_RELATIVE    0x8000
#define ACE_ALLOWED      0
#define ACE_DENIED       1
#define ACE_INHERIT_ONLY 0x08
#define SID_HEAD         8

size_t wfp_sid_size(const SID *sid)
{
    return SID_HEAD + 4 * (size_t)sid->SubAuthorityCount;
}

BOOLEAN wfp_sid_equal(const SID *a, const SID *b)
{
    return a->SubAuthorityCount == b->SubAuthorityCount && memcmp(a, b, wfp_sid_size(a)) == 0;
}

static const SID_AND_ATTRIBUTES_HASH *sids_of(const FWP_BYTE_BLOB *token)
{
    const TOKEN_ACCESS_INFORMATION *information;

    if (token == NULL || token->data == NULL || token->size < sizeof(information->SidHash))
        return NULL;
    information = (const TOKEN_ACCESS_INFORMATION *)(const void *)token->data;
    if (information->SidHash == NULL || information->SidHash->SidCount > WFP_MAX_TOKEN_SIDS)
        return NULL;
    return information->SidHash;
}

size_t wfp_token_size(const FWP_BYTE_BLOB *token)
{
    const SID_AND_ATTRIBUTES_HASH *hash = sids_of(token);
    size_t size;

    if (hash == NULL || hash->SidCount == 0)
        return 0;
    size = sizeof(TOKEN_ACCESS_INFORMATION) + sizeof(*hash) + hash->SidCount * sizeof(SID_AND_ATTRIBUTES);
    for (ULONG i = 0; i < hash->SidCount; i++)
        size += wfp_sid_size(hash->SidAttr[i].Sid);
    return size;
}

void wfp_token_copy(const FWP_BYTE_BLOB *token, void *copy)
{
    const SID_AND_ATTRIBUTES_HASH *source = sids_of(token);
    TOKEN_ACCESS_INFORMATION *information = copy;
    SID_AND_ATTRIBUTES_HASH *hash = (SID_AND_ATTRIBUTES_HASH *)(information + 1);
    SID_AND_ATTRIBUTES *entries = (SID_AND_ATTRIBUTES *)(hash + 1);
    UINT8 *bytes = (UINT8 *)(entries + source->SidCount);

    memset(information, 0, sizeof(*information));
    information->SidHash = hash;
    *hash = *source;
    hash->SidAttr = entries;
    for (ULONG i = 0; i < source->SidCount; i++) {
        size_t size = wfp_sid_size(source->SidAttr[i].Sid);

        memcpy(bytes, source->SidAttr[i].Sid, size);
        entries[i].Sid = (PSID)bytes;
        entries[i].Attributes = source->SidAttr[i].Attributes;
        bytes += size;
    }
}

void wfp_token_copy_again(const FWP_BYTE_BLOB *token, void *copy)
{
    TOKEN_ACCESS_INFORMATION *information = copy;
    SID_AND_ATTRIBUTES_HASH *hash = (SID_AND_ATTRIBUTES_HASH *)(information + 1);
    SID_AND_ATTRIBUTES *entries = (SID_AND_ATTRIBUTES *)(hash + 1);

    memcpy(copy, token->data, token->size);
    information->SidHash = hash;
    hash->SidAttr = entries;
    for (ULONG i = 0; i < hash->SidCount; i++)
        entries[i].Sid = (UINT8 *)copy + ((UINT8 *)entries[i].Sid - token->data);
}

static UINT32 read32(const UINT8 *bytes)
{
    UINT32 value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static UINT16 read16(const UINT8 *bytes)
{
    UINT16 value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* The DACL, or NULL when the descriptor has none; *valid FALSE when the bytes make no sense. */
static const UINT8 *find_dacl(const FWP_BYTE_BLOB *descriptor, size_t *size, BOOLEAN *valid)
{
    UINT16 control;
    UINT32 offset;

    *valid = FALSE;
    if (descriptor->data == NULL || descriptor->size < DESCRIPTOR_SIZE)
        return NULL;
    control = read16(descriptor->data + 2);
    offset = read32(descriptor->data + 16);
    if (descriptor->data[0] != 1 || (control & SELF_RELATIVE) == 0)
        return NULL;
    *valid = TRUE;
    if ((control & DACL_PRESENT) == 0 || offset == 0)
        return NULL;
    if (offset > descriptor->size - 8 || read16(descriptor->data + offset + 2) > descriptor->size - offset ||
        read16(descriptor->data + offset + 2) < 8)
        *valid = FALSE;
    *size = *valid ? read16(descriptor->data + offset + 2) : 0;
    return descriptor->data + offset;
}

NTSTATUS wfp_descriptor_check(const FWP_BYTE_BLOB *descriptor)
{
    BOOLEAN valid;
    size_t size;
    const UINT8 *dacl = find_dacl(descriptor, &size, &valid);
    size_t at = 8;

    if (!valid)
        return STATUS_INVALID_SECURITY_DESCR;
    for (unsigned i = 0; dacl != NULL && i < read16(dacl + 4); i++) {
        if (size - at < 4 || read16(dacl + at + 2) < 4 || read16(dacl + at + 2) > size - at)
            return STATUS_INVALID_SECURITY_DESCR;
        UINT16 ace_size = read16(dacl + at + 2);
        if (dacl[at] <= ACE_DENIED && (ace_size < 16 || 16u + 4u * dacl[at + 9] > ace_size))
            return STATUS_INVALID_SECURITY_DESCR;
        at += ace_size;
    }
    return STATUS_SUCCESS;
}

static BOOLEAN token_has(const SID_AND_ATTRIBUTES_HASH *sids, const UINT8 *sid)
{
    for (ULONG i = 0; i < sids->SidCount; i++) {
        const SID *own = sids->SidAttr[i].Sid;

        if (own->SubAuthorityCount == sid[1] && memcmp(own, sid, SID_HEAD + 4u * sid[1]) == 0)
            return TRUE;
    }
    return FALSE;
}

BOOLEAN wfp_descriptor_grants(const FWP_BYTE_BLOB *descriptor, const FWP_BYTE_BLOB *token)
{
    const SID_AND_ATTRIBUTES_HASH *sids = sids_of(token);
    BOOLEAN valid;
    size_t size;
    const UINT8 *dacl = find_dacl(descriptor, &size, &valid);
    size_t at = 8;

    if (!valid || sids == NULL)
        return FALSE;
    if (dacl == NULL)
        return TRUE;
    for (unsigned i = 0; i < read16(dacl + 4); i++) {
        const UINT8 *ace = dacl + at;

        at += read16(ace + 2);
        if (ace[0] > ACE_DENIED || (ace[1] & ACE_INHERIT_ONLY) != 0 || (read32(ace + 4) & FWP_ACTRL_MATCH_FILTER) == 0)
            continue;
        if (token_has(sids, ace + 8))
            return ace[0] == ACE_ALLOWED;
    }
    return FALSE;
}
