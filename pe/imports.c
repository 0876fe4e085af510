/* SPDX-License-Identifier: MIT */
/*
 * imports.c - one thunk for each routine that a driver binary can import.
 *
 * A thunk is a function in Microsoft's x64 convention that calls the routine of nt/ or wfp/; the
 * compiler makes the conversion and checks the types against the routine's prototype. A routine that
 * takes a function of the driver passes it on as it is: nt/foreign.h calls it rightly.
 *
 * Variable arguments: Microsoft's list is a pointer to eight-byte slots, which is what a System V
 * list is once its registers are used up; so one is made that has none left.
 */
#include "pe/imports.h"

#include <fltkernel.h>
#include <ntifs.h>
#include <wdmsec.h>

#include <fwpsk.h>

#include <fwpmk.h>

#include <nt/nt.h>

#include <string.h>
#include <strings.h>

#include "pe/import_table.h"

#define MS __attribute__((ms_abi))

#define SAME(name, result, parameters)                                                                                 \
    _Static_assert(__builtin_types_compatible_p(__typeof__(name), result parameters), #name " has these types");
#define MAKE(result, name, parameters, arguments)                                                                      \
    SAME(name, result, parameters)                                                                                     \
    static MS result pe_##name parameters                                                                              \
    {                                                                                                                  \
        return name arguments;                                                                                         \
    }
#define MAKE_VOID(name, parameters, arguments)                                                                         \
    SAME(name, void, parameters)                                                                                       \
    static MS void pe_##name parameters                                                                                \
    {                                                                                                                  \
        name arguments;                                                                                                \
    }
#define MAKE_POOL(result, name, parameters, arguments)                                                                 \
    SAME(name, result, parameters)                                                                                     \
    static MS result pe_##name parameters                                                                              \
    {                                                                                                                  \
        nt_pool_called_from(__builtin_return_address(0));                                                              \
        result given = name arguments;                                                                                 \
        nt_pool_called_from(NULL);                                                                                     \
        return given;                                                                                                  \
    }
#define MAKE_POOL_VOID(name, parameters, arguments)                                                                    \
    SAME(name, void, parameters)                                                                                       \
    static MS void pe_##name parameters                                                                                \
    {                                                                                                                  \
        nt_pool_called_from(__builtin_return_address(0));                                                              \
        name arguments;                                                                                                \
        nt_pool_called_from(NULL);                                                                                     \
    }
PE_NTOSKRNL(MAKE, MAKE_VOID)
PE_POOL(MAKE_POOL, MAKE_POOL_VOID)
PE_FWPKCLNT(MAKE, MAKE_VOID)
PE_FLTMGR(MAKE, MAKE_VOID)
PE_NDIS(MAKE, MAKE_VOID)

/* --- Variable arguments -------------------------------------------------------------------- */

/* The System V list, field by field (its ABI document, 3.5.7). */
struct list_fields {
    uint32_t integer_offset, vector_offset;
    void *memory, *registers;
};
_Static_assert(sizeof(struct list_fields) == sizeof(va_list), "the System V list has these fields");

static void print(ULONG component, ULONG level, PCSTR format, __builtin_ms_va_list arguments)
{
    const struct list_fields fields = {6 * 8, 6 * 8 + 8 * 16, arguments, NULL};
    va_list list;

    /* The copy takes the place of va_start. */
    /* cppcheck-suppress va_list_usedBeforeStarted */
    memcpy(list, &fields, sizeof(fields));
    /* cppcheck-suppress va_list_usedBeforeStarted */
    nt_debug_print(component, level, format, &list);
}

static MS ULONG pe_DbgPrint(PCSTR format, ...)
{
    __builtin_ms_va_list arguments;

    __builtin_ms_va_start(arguments, format);
    print(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, format, arguments);
    __builtin_ms_va_end(arguments);
    return STATUS_SUCCESS;
}

static MS ULONG pe_DbgPrintEx(ULONG component, ULONG level, PCSTR format, ...)
{
    __builtin_ms_va_list arguments;

    __builtin_ms_va_start(arguments, format);
    print(component, level, format, arguments);
    __builtin_ms_va_end(arguments);
    return STATUS_SUCCESS;
}

static MS ULONG pe_vDbgPrintEx(ULONG component, ULONG level, PCSTR format, __builtin_ms_va_list arguments)
{
    print(component, level, format, arguments);
    return STATUS_SUCCESS;
}

/* --- C routines that ntoskrnl.exe exports -------------------------------------------------- */

static MS void *pe_memcpy(void *to, const void *from, size_t size)
{
    return memmove(to, from, size); /* on Windows they are one routine */
}

static MS void *pe_memset(void *to, int byte, size_t size)
{
    return memset(to, byte, size);
}

static MS int pe_memcmp(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size);
}

static MS void pe_RtlZeroMemory(void *to, size_t size)
{
    memset(to, 0, size);
}

static MS void pe_RtlFillMemory(void *to, size_t size, int byte)
{
    memset(to, byte, size);
}

/* --- The table ----------------------------------------------------------------------------- */

/* Only what the kernel and the HAL export is found so, says its page. */
static MS PVOID pe_MmGetSystemRoutineAddress(PUNICODE_STRING routine)
{
    char name[128] = "";
    size_t chars = routine->Length / sizeof(WCHAR);

    nt_require_irql("MmGetSystemRoutineAddress", PASSIVE_LEVEL, PASSIVE_LEVEL);
    if (chars >= sizeof(name))
        return NULL;
    for (size_t index = 0; index < chars; index++)
        name[index] = routine->Buffer[index] < 128 ? (char)routine->Buffer[index] : '?';
    return (PVOID)pe_import_find("ntoskrnl.exe", name);
}

struct row {
    const char *name;
    uint64_t address;
};

#define ROW_NAMED(name, function)                {name, (uint64_t)(uintptr_t)(function)},
#define ROW(result, name, parameters, arguments) ROW_NAMED(#name, pe_##name)
#define ROW_VOID(name, parameters, arguments)    ROW_NAMED(#name, pe_##name)

static const struct row ntoskrnl[] = {
    PE_NTOSKRNL(ROW, ROW_VOID) PE_POOL(ROW, ROW_VOID) ROW_NAMED("DbgPrint", pe_DbgPrint)
        ROW_NAMED("DbgPrintEx", pe_DbgPrintEx) ROW_NAMED("vDbgPrintEx", pe_vDbgPrintEx)
            ROW_NAMED("MmGetSystemRoutineAddress", pe_MmGetSystemRoutineAddress) ROW_NAMED("memcpy", pe_memcpy)
                ROW_NAMED("memmove", pe_memcpy) ROW_NAMED("memset", pe_memset) ROW_NAMED("memcmp", pe_memcmp)
                    ROW_NAMED("RtlCopyMemory", pe_memcpy) ROW_NAMED("RtlMoveMemory", pe_memcpy)
                        ROW_NAMED("RtlZeroMemory", pe_RtlZeroMemory) ROW_NAMED("RtlFillMemory", pe_RtlFillMemory)};

static const struct row fwpkclnt[] = {PE_FWPKCLNT(ROW, ROW_VOID)};
static const struct row fltmgr[] = {PE_FLTMGR(ROW, ROW_VOID)};
static const struct row ndis[] = {PE_NDIS(ROW, ROW_VOID)};

static uint64_t find(const struct row *rows, size_t count, const char *name)
{
    for (size_t index = 0; index < count; index++)
        if (strcmp(rows[index].name, name) == 0)
            return rows[index].address;
    return 0;
}

uint64_t pe_import_find(const char *library, const char *name)
{
    if (strcasecmp(library, "fwpkclnt.sys") == 0)
        return find(fwpkclnt, RTL_NUMBER_OF(fwpkclnt), name);
    if (strcasecmp(library, "fltmgr.sys") == 0)
        return find(fltmgr, RTL_NUMBER_OF(fltmgr), name);
    if (strcasecmp(library, "ndis.sys") == 0)
        return find(ndis, RTL_NUMBER_OF(ndis), name);
    if (strcasecmp(library, "ntoskrnl.exe") != 0 && strcasecmp(library, "hal.dll") != 0)
        return 0;
    /* Data: what is bound is the address of the kernel's variable. */
    if (strcmp(name, "PsProcessType") == 0)
        return (uint64_t)(uintptr_t)PsProcessType;
    if (strcmp(name, "PsThreadType") == 0)
        return (uint64_t)(uintptr_t)PsThreadType;
    return find(ntoskrnl, RTL_NUMBER_OF(ntoskrnl), name);
}
