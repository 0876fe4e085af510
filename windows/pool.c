/* SPDX-License-Identifier: MIT */
/*
 * pool.c - ExAllocatePool2, which Windows before 10 2004 and mingw-w64's import library lack.
 *
 * The kernel's own routine when it has one; else ExAllocatePoolWithTag, zeroed here: the documented
 * replacement, the other way round. Which one is asked once, at PASSIVE_LEVEL, before DriverEntry
 * (start.c), because MmGetSystemRoutineAddress may not be called later. A build with the WDK
 * does not compile this file.
 * Pages: wdm.h ExAllocatePool2; "Updating deprecated ExAllocatePool calls"; MmGetSystemRoutineAddress.
 */
#include "windows/start.h"

typedef PVOID NTAPI pool_allocate_2(POOL_FLAGS flags, SIZE_T size, ULONG tag);

static pool_allocate_2 *kernel_allocate; /* set before DriverEntry, then only read */

_Use_decl_annotations_
void pool_start(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"ExAllocatePool2");

    kernel_allocate = (pool_allocate_2 *)(ULONG_PTR)MmGetSystemRoutineAddress(&name);
}

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    POOL_FLAGS kind = Flags & (POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED);
    PVOID memory;

    if (kernel_allocate != NULL)
        return kernel_allocate(Flags, NumberOfBytes, Tag);
    if ((Flags & ~(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED)) != 0 || NumberOfBytes == 0 ||
        (kind != POOL_FLAG_NON_PAGED && kind != POOL_FLAG_PAGED))
        return NULL;
    memory = ExAllocatePoolWithTag(kind == POOL_FLAG_PAGED ? PagedPool : NonPagedPoolNx, NumberOfBytes, Tag);
    if (memory != NULL && (Flags & POOL_FLAG_UNINITIALIZED) == 0)
        RtlZeroMemory(memory, NumberOfBytes);
    return memory;
}
