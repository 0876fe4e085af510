/* SPDX-License-Identifier: MIT */
/*
 * unicode.c - UTF-16 strings and memory comparison.
 *
 * Ignoring case folds ASCII and Latin-1 letters only; device names need no more.
 * Pages: wdm.h RtlInitUnicodeString, RtlCopyUnicodeString, RtlCompareUnicodeString,
 * RtlFreeUnicodeString, RtlEqualUnicodeString, RtlAppendUnicodeStringToString, RtlCompareMemory.
 */
#include "nt/internal.h"

static WCHAR upper(WCHAR character)
{
    if ((character >= 'a' && character <= 'z') || (character >= 0xe0 && character <= 0xfe && character != 0xf7))
        return (WCHAR)(character - 0x20);
    return character;
}

static LONG compare(const WCHAR *a, size_t a_chars, const WCHAR *b, size_t b_chars, bool ignore_case)
{
    size_t common = a_chars < b_chars ? a_chars : b_chars;
    for (size_t index = 0; index < common; index++) {
        WCHAR left = ignore_case ? upper(a[index]) : a[index];
        WCHAR right = ignore_case ? upper(b[index]) : b[index];
        if (left != right)
            return (LONG)left - (LONG)right;
    }
    return (LONG)a_chars - (LONG)b_chars;
}

bool nt_wide_equal(const WCHAR *a, size_t a_chars, const WCHAR *b, size_t b_chars)
{
    return a_chars == b_chars && compare(a, a_chars, b, b_chars, true) == 0;
}

VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
    NT_ENTER(RtlInitUnicodeString);
    size_t chars = 0;
    if (SourceString != NULL)
        while (chars < UNICODE_STRING_MAX_CHARS - 1 && SourceString[chars] != 0)
            chars++;
    DestinationString->Length = (USHORT)(chars * sizeof(WCHAR));
    DestinationString->MaximumLength = SourceString == NULL ? 0 : (USHORT)((chars + 1) * sizeof(WCHAR));
    DestinationString->Buffer = (PWCH)SourceString;
}

VOID RtlFreeUnicodeString(PUNICODE_STRING UnicodeString)
{
    NT_ENTER(RtlFreeUnicodeString);
    if (UnicodeString->Buffer != NULL)
        ExFreePool(UnicodeString->Buffer);
    *UnicodeString = (UNICODE_STRING){0, 0, NULL};
}

VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString)
{
    NT_ENTER(RtlCopyUnicodeString);
    USHORT length = 0;
    if (SourceString != NULL) {
        length = SourceString->Length;
        if (length > DestinationString->MaximumLength)
            length = DestinationString->MaximumLength;
        memmove(DestinationString->Buffer, SourceString->Buffer, length);
    }
    DestinationString->Length = length;
    if ((size_t)length + sizeof(WCHAR) <= DestinationString->MaximumLength)
        DestinationString->Buffer[length / sizeof(WCHAR)] = 0;
}

static NTSTATUS append(PUNICODE_STRING destination, const WCHAR *source, size_t bytes)
{
    if (bytes > (size_t)destination->MaximumLength - destination->Length)
        return STATUS_BUFFER_TOO_SMALL;
    if (bytes != 0)
        memmove((char *)destination->Buffer + destination->Length, source, bytes);
    destination->Length = (USHORT)(destination->Length + bytes);
    if ((size_t)destination->Length + sizeof(WCHAR) <= destination->MaximumLength)
        destination->Buffer[destination->Length / sizeof(WCHAR)] = 0;
    return STATUS_SUCCESS;
}

NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source)
{
    NT_ENTER(RtlAppendUnicodeToString);
    size_t chars = 0;
    while (Source != NULL && Source[chars] != 0)
        chars++;
    return append(Destination, Source, chars * sizeof(WCHAR));
}

NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING Destination, PCUNICODE_STRING Source)
{
    NT_ENTER(RtlAppendUnicodeStringToString);
    return append(Destination, Source->Buffer, Source->Length);
}

LONG RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive)
{
    NT_ENTER(RtlCompareUnicodeString);
    return compare(String1->Buffer, String1->Length / sizeof(WCHAR), String2->Buffer, String2->Length / sizeof(WCHAR),
                   CaseInSensitive);
}

BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive)
{
    NT_ENTER(RtlEqualUnicodeString);
    return String1->Length == String2->Length &&
           compare(String1->Buffer, String1->Length / sizeof(WCHAR), String2->Buffer, String2->Length / sizeof(WCHAR),
                   CaseInSensitive) == 0;
}

SIZE_T RtlCompareMemory(const VOID *Source1, const VOID *Source2, SIZE_T Length)
{
    const UCHAR *a = Source1;
    const UCHAR *b = Source2;
    SIZE_T equal = 0;
    while (equal < Length && a[equal] == b[equal])
        equal++;
    return equal;
}

PVOID RtlSecureZeroMemory(PVOID Destination, SIZE_T Length)
{
    memset(Destination, 0, Length);
    __asm__ volatile("" : : "r"(Destination) : "memory");
    return Destination;
}
