/* SPDX-License-Identifier: MIT */
/*
 * ntstrsafe.h - the bounded string routines in use; add others when a driver needs them.
 */
#ifndef NTSTRSAFE_H
#define NTSTRSAFE_H

#include <ntdef.h>
#include <ntstatus.h>

#define NTSTRSAFE_MAX_CCH 2147483647

/* Length in bytes without the NUL; STATUS_INVALID_PARAMETER when no NUL lies within maximum bytes. */
FORCEINLINE NTSTATUS RtlStringCbLengthW(PCWSTR string, size_t maximum, size_t *length)
{
    size_t count = 0;
    while (string != NULL && count < maximum / sizeof(WCHAR) && string[count] != 0)
        count++;
    if (string == NULL || count == maximum / sizeof(WCHAR))
        return STATUS_INVALID_PARAMETER;
    if (length != NULL)
        *length = count * sizeof(WCHAR);
    return STATUS_SUCCESS;
}

/* Always ends with a NUL; STATUS_BUFFER_OVERFLOW when it had to cut. */
FORCEINLINE NTSTATUS RtlStringCbCopyW(PWSTR to, size_t size, PCWSTR from)
{
    size_t room = size / sizeof(WCHAR);
    size_t index = 0;
    if (room == 0 || room > NTSTRSAFE_MAX_CCH)
        return STATUS_INVALID_PARAMETER;
    for (; from[index] != 0 && index + 1 < room; index++)
        to[index] = from[index];
    to[index] = 0;
    return from[index] == 0 ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

#endif
