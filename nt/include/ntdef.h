/* SPDX-License-Identifier: MIT */
/*
 * ntdef.h - NT's basic types, on an LP64 compiler.
 *
 * LONG and ULONG are 32 bits, as on Windows, though C's long is 64 here. WCHAR is wchar_t, which
 * -fshort-wchar makes 16 bits, so L"" literals are UTF-16. Calling-convention words are empty.
 * Layouts are those of Windows x64; nt/layout.c asserts the offsets.
 */
#ifndef NTDEF_H
#define NTDEF_H

#include <stddef.h>
#include <stdint.h>

#include <guiddef.h>
#include <sal.h>

#define NTAPI
#define NTSYSAPI
#define NTKERNELAPI
#define NTHALAPI
#define WINAPI
#define FASTCALL
#define __cdecl
#define __stdcall
#define __fastcall
#define EXTERN_C extern
#define CONST    const
#define VOID     void
#define UNALIGNED
#define RESTRICTED_POINTER
#define POINTER_ALIGNMENT __attribute__((aligned(8)))
#define FORCEINLINE       static inline __attribute__((always_inline, unused))
#ifndef __forceinline
#define __forceinline static inline __attribute__((always_inline, unused))
#endif
#define DECLSPEC_NORETURN   __attribute__((noreturn))
#define DECLSPEC_ALIGN(n)   __attribute__((aligned(n)))
#define DECLSPEC_CACHEALIGN DECLSPEC_ALIGN(64)
#define DECLSPEC_NOINLINE   __attribute__((noinline))
#define ANYSIZE_ARRAY       1
#define OPTIONAL
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

typedef void *PVOID, **PPVOID, *HANDLE, **PHANDLE;
typedef const void *LPCVOID;
typedef char CHAR, *PCHAR, *PSTR, CCHAR;
typedef const char *PCSTR, *PCCHAR, *PCSZ;
typedef signed char SCHAR;
typedef uint8_t UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN;
typedef const UCHAR *PCUCHAR;
typedef int16_t SHORT, *PSHORT, CSHORT;
typedef uint16_t USHORT, *PUSHORT;
typedef int32_t LONG, *PLONG, INT, *PINT;
typedef uint32_t ULONG, *PULONG, CLONG, LOGICAL;
typedef int64_t LONGLONG, *PLONGLONG, LONG64, *PLONG64;
typedef uint64_t ULONGLONG, *PULONGLONG, ULONG64, *PULONG64, DWORD64, DWORDLONG;
typedef int8_t INT8, *PINT8;
typedef int16_t INT16, *PINT16;
typedef int32_t INT32, *PINT32, LONG32, *PLONG32;
typedef int64_t INT64, *PINT64;
typedef uint8_t UINT8, *PUINT8;
typedef uint16_t UINT16, *PUINT16;
typedef uint32_t UINT32, *PUINT32, ULONG32, *PULONG32;
typedef uint64_t UINT64, *PUINT64;
typedef intptr_t INT_PTR, LONG_PTR, *PLONG_PTR, SSIZE_T;
typedef uintptr_t UINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, KAFFINITY;
typedef size_t SIZE_T, *PSIZE_T;
typedef LONG NTSTATUS, *PNTSTATUS;
typedef wchar_t WCHAR, *PWCHAR, *PWCH, *PWSTR, *LPWSTR;
typedef const wchar_t *PCWCH, *PCWSTR, *LPCWSTR;
typedef ULONG ACCESS_MASK, *PACCESS_MASK;
typedef UCHAR KIRQL, *PKIRQL;
typedef CCHAR KPROCESSOR_MODE;
typedef LONG KPRIORITY;

typedef enum _MODE { KernelMode, UserMode, MaximumMode } MODE;

_Static_assert(sizeof(WCHAR) == 2, "compile with -fshort-wchar");
_Static_assert(sizeof(void *) == 8, "only 64-bit targets");

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    };
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    struct {
        ULONG LowPart;
        ULONG HighPart;
    };
    struct {
        ULONG LowPart;
        ULONG HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef LARGE_INTEGER PHYSICAL_ADDRESS, *PPHYSICAL_ADDRESS;

typedef struct _LUID {
    ULONG LowPart;
    LONG HighPart;
} LUID, *PLUID;

/* Length and MaximumLength are in bytes. Buffer need not end with a NUL. */
typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _STRING {
    USHORT Length;
    USHORT MaximumLength;
    PCHAR Buffer;
} STRING, *PSTRING, ANSI_STRING, *PANSI_STRING;
typedef const STRING *PCSTRING, *PCANSI_STRING;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;

#define OBJ_INHERIT            0x00000002
#define OBJ_EXCLUSIVE          0x00000020
#define OBJ_CASE_INSENSITIVE   0x00000040
#define OBJ_KERNEL_HANDLE      0x00000200
#define OBJ_FORCE_ACCESS_CHECK 0x00000400
#define InitializeObjectAttributes(attributes, name, flags, root, descriptor)                                          \
    (*(attributes) = (OBJECT_ATTRIBUTES){sizeof(OBJECT_ATTRIBUTES), (root), (name), (flags), (descriptor), NULL})

#define UNICODE_NULL             ((WCHAR)0)
#define UNICODE_STRING_MAX_BYTES ((USHORT)65534)
#define UNICODE_STRING_MAX_CHARS 32767

#define RTL_CONSTANT_STRING(s)                                                                                         \
    {                                                                                                                  \
        sizeof(s) - sizeof((s)[0]), sizeof(s), (void *)(s)                                                             \
    }
#define DECLARE_CONST_UNICODE_STRING(name, string)                                                                     \
    const WCHAR name##_buffer[] = string;                                                                              \
    const UNICODE_STRING name = {sizeof(string) - sizeof(WCHAR), sizeof(string), (PWCH)name##_buffer}
#define DECLARE_UNICODE_STRING_SIZE(name, size)                                                                        \
    WCHAR name##_buffer[size];                                                                                         \
    UNICODE_STRING name = {0, (size) * sizeof(WCHAR), name##_buffer}

#define NT_SUCCESS(status)     ((NTSTATUS)(status) >= 0)
#define NT_INFORMATION(status) ((ULONG)(status) >> 30 == 1)
#define NT_WARNING(status)     ((ULONG)(status) >> 30 == 2)
#define NT_ERROR(status)       ((ULONG)(status) >> 30 == 3)

#define FIELD_OFFSET(type, field)               ((LONG)offsetof(type, field))
#define UFIELD_OFFSET(type, field)              ((ULONG)offsetof(type, field))
#define RTL_FIELD_SIZE(type, field)             (sizeof(((type *)0)->field))
#define RTL_SIZEOF_THROUGH_FIELD(type, field)   (offsetof(type, field) + RTL_FIELD_SIZE(type, field))
#define CONTAINING_RECORD(address, type, field) ((type *)((PCHAR)(address)-offsetof(type, field)))
#define RTL_NUMBER_OF(array)                    (sizeof(array) / sizeof((array)[0]))
#define ARRAYSIZE(array)                        RTL_NUMBER_OF(array)
#ifndef C_ASSERT
#define C_ASSERT(expression) _Static_assert(expression, #expression)
#endif
#define UNREFERENCED_PARAMETER(name)      ((void)(name))
#define UNREFERENCED_LOCAL_VARIABLE(name) ((void)(name))
#define DBG_UNREFERENCED_PARAMETER(name)  ((void)(name))
#define ARGUMENT_PRESENT(pointer)         ((pointer) != NULL)
#define LOWORD(value)                     ((USHORT)((ULONG_PTR)(value)&0xffff))
#define HIWORD(value)                     ((USHORT)((ULONG_PTR)(value) >> 16 & 0xffff))
#define FlagOn(flags, mask)               ((flags) & (mask))
#define BooleanFlagOn(flags, mask)        ((BOOLEAN)(((flags) & (mask)) != 0))
#define SetFlag(flags, mask)              ((flags) |= (mask))
#define ClearFlag(flags, mask)            ((flags) &= ~(mask))
#define ULongToPtr(value)                 ((PVOID)(ULONG_PTR)(ULONG)(value))
#define PtrToUlong(pointer)               ((ULONG)(ULONG_PTR)(pointer))
#define UlongToHandle(value)              ((HANDLE)(ULONG_PTR)(ULONG)(value))
#define HandleToUlong(handle)             ((ULONG)(ULONG_PTR)(handle))
#define HandleToULong                     HandleToUlong
#define ULongToHandle                     UlongToHandle
#define MAXULONG                          0xffffffffu
#define MAXLONG                           0x7fffffff
#define MAXUSHORT                         0xffff
#define MAXUCHAR                          0xff
#define MAXULONG64                        UINT64_MAX
#define MAXULONGLONG                      UINT64_MAX
#define MAXLONGLONG                       INT64_MAX

#define DELETE                   0x00010000u
#define READ_CONTROL             0x00020000u
#define WRITE_DAC                0x00040000u
#define WRITE_OWNER              0x00080000u
#define SYNCHRONIZE              0x00100000u
#define STANDARD_RIGHTS_REQUIRED 0x000f0000u
#define STANDARD_RIGHTS_ALL      0x001f0000u
#define MAXIMUM_ALLOWED          0x02000000u
#define GENERIC_ALL              0x10000000u
#define GENERIC_EXECUTE          0x20000000u
#define GENERIC_WRITE            0x40000000u
#define GENERIC_READ             0x80000000u

#endif
