/* SPDX-License-Identifier: MIT */
/*
 * sddl.c - the descriptors that device objects are made with.
 *
 * Read are "D:P" and allow ACEs for SY, BA and WD with GA, GR, GW, GX. SY is the kernel's own and
 * needs no grant here. Anything else is refused, so that no device is more open than it says.
 * Page: "SDDL for Device Objects"; wdmsec.h WdmlibIoCreateDeviceSecure.
 */
#include "nt/internal.h"

#include <wdmsec.h>

const UNICODE_STRING SDDL_DEVOBJ_KERNEL_ONLY = RTL_CONSTANT_STRING(L"D:P");
const UNICODE_STRING SDDL_DEVOBJ_SYS_ALL = RTL_CONSTANT_STRING(L"D:P(A;;GA;;;SY)");
const UNICODE_STRING SDDL_DEVOBJ_SYS_ALL_ADM_ALL = RTL_CONSTANT_STRING(L"D:P(A;;GA;;;SY)(A;;GA;;;BA)");

ACCESS_MASK nt_access_map(ACCESS_MASK access)
{
    ACCESS_MASK mapped = access & 0x0fffffffu;
    if ((access & GENERIC_READ) != 0)
        mapped |= FILE_GENERIC_READ;
    if ((access & GENERIC_WRITE) != 0)
        mapped |= FILE_GENERIC_WRITE;
    if ((access & GENERIC_EXECUTE) != 0)
        mapped |= FILE_GENERIC_EXECUTE;
    if ((access & GENERIC_ALL) != 0)
        mapped |= FILE_ALL_ACCESS;
    return mapped;
}

struct cursor {
    const WCHAR *at, *end;
};

static bool accept(struct cursor *cursor, const char *text)
{
    const WCHAR *at = cursor->at;
    for (; *text != 0; text++, at++)
        if (at == cursor->end || *at != (WCHAR)*text)
            return false;
    cursor->at = at;
    return true;
}

static ACCESS_MASK accept_rights(struct cursor *cursor)
{
    ACCESS_MASK access = 0;
    for (;;) {
        if (accept(cursor, "GA"))
            access |= GENERIC_ALL;
        else if (accept(cursor, "GR"))
            access |= GENERIC_READ;
        else if (accept(cursor, "GW"))
            access |= GENERIC_WRITE;
        else if (accept(cursor, "GX"))
            access |= GENERIC_EXECUTE;
        else
            return nt_access_map(access);
    }
}

NTSTATUS nt_sddl_parse(PCUNICODE_STRING sddl, ACCESS_MASK *administrators, ACCESS_MASK *everyone)
{
    struct cursor cursor = {sddl->Buffer, sddl->Buffer + sddl->Length / sizeof(WCHAR)};
    ACCESS_MASK admin_access = 0, world_access = 0;
    if (!accept(&cursor, "D:P"))
        return STATUS_NOT_SUPPORTED;
    while (cursor.at != cursor.end) {
        if (!accept(&cursor, "(A;;"))
            return STATUS_NOT_SUPPORTED;
        ACCESS_MASK access = accept_rights(&cursor);
        if (access == 0 || !accept(&cursor, ";;;"))
            return STATUS_NOT_SUPPORTED;
        if (accept(&cursor, "BA)"))
            admin_access |= access;
        else if (accept(&cursor, "WD)"))
            world_access |= access;
        else if (!accept(&cursor, "SY)"))
            return STATUS_NOT_SUPPORTED;
    }
    *administrators = admin_access | world_access;
    *everyone = world_access;
    return STATUS_SUCCESS;
}
