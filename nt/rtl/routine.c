/* SPDX-License-Identifier: MIT */
/*
 * routine.c - MmGetSystemRoutineAddress: exactly the routines of the IRQL table.
 *
 * Page: wdm.h MmGetSystemRoutineAddress (case-sensitive here; NULL when there is none of that name).
 */
#include "nt/internal.h"

#include <wdmsec.h>

static const struct {
    const char *name;
    ULONG_PTR address;
} routines[] = {
#define NT_ADDRESS(name, low, high, page) {#name, (ULONG_PTR)name},
    NT_ROUTINES(NT_ADDRESS)
#undef NT_ADDRESS
};

PVOID MmGetSystemRoutineAddress(PUNICODE_STRING SystemRoutineName)
{
    NT_ENTER(MmGetSystemRoutineAddress);
    if (nt_fails("MmGetSystemRoutineAddress"))
        return NULL;
    size_t chars = SystemRoutineName->Length / sizeof(WCHAR);
    for (size_t index = 0; index < RTL_NUMBER_OF(routines); index++) {
        const char *name = routines[index].name;
        size_t at = 0;
        while (at < chars && name[at] != 0 && SystemRoutineName->Buffer[at] == (WCHAR)name[at])
            at++;
        if (at == chars && name[at] == 0)
            return (PVOID)routines[index].address;
    }
    return NULL;
}
