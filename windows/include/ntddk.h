/* SPDX-License-Identifier: MIT */
/*
 * ntddk.h - mingw-w64's ntddk.h and ntifs.h, and what they lack of the WDK's wdm.h.
 *
 * Only the mingw-w64 build sees this folder, before mingw's ddk/; a build with the WDK has its own.
 * TOKEN_ACCESS_INFORMATION and SID, which WFP's structures point to, are in ntifs.h there.
 * Page: wdm.h ExAllocatePool2. Values as in nt/include.
 *
 * When the driver uses a routine that mingw-w64 does not declare: its declaration here, its body in
 * windows/ when the kernel may lack it.
 */
#ifndef WINDOWS_NTDDK_H
#define WINDOWS_NTDDK_H

#include_next <ntddk.h>

#include <ntifs.h>

#ifndef POOL_FLAG_NON_PAGED
typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ull
#define POOL_FLAG_NON_PAGED     0x0000000000000040ull
#define POOL_FLAG_PAGED         0x0000000000000100ull

/* windows/pool.c. The three flags above only; others: NULL. */
PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);
#endif

#endif
