/* SPDX-License-Identifier: MIT */
/*
 * layout_here.c - the layouts that mingw-w64's ddk headers (10.0) do not have as Windows does.
 *
 * There DEVICE_OBJECT lacks its alignment of 16, and TOKEN_ACCESS_INFORMATION ends as Windows 7's did. The
 * driver needs neither the size of the one nor the end of the other. See layout.c.
 */
#include <ntifs.h>

_Static_assert(sizeof(DEVICE_OBJECT) == 0x150, "DEVICE_OBJECT has the Windows x64 size");
_Static_assert(sizeof(TOKEN_ACCESS_INFORMATION) == 88, "TOKEN_ACCESS_INFORMATION has the Windows x64 size");
_Static_assert(offsetof(TOKEN_ACCESS_INFORMATION, PackageSid) == 56, "TOKEN_ACCESS_INFORMATION.PackageSid");
