/* SPDX-License-Identifier: MIT */
/*
 * wide_windows.c - see wide_windows.h.
 */
#include "agent/wide_windows.h"

#include <limits.h>
#include <stdio.h>

#include <windows.h>

bool wide_from_utf8(const char *text, wchar_t *wide, size_t capacity)
{
    return capacity <= INT_MAX && MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, (int)capacity) > 0;
}

bool wide_to_utf8(const wchar_t *wide, char *text, size_t capacity)
{
    return capacity <= INT_MAX &&
           WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, -1, text, (int)capacity, NULL, NULL) > 0;
}

const char *wide_error(unsigned long error, char text[WIDE_ERROR_MAX])
{
    wchar_t words[WIDE_ERROR_MAX / 4];
    DWORD length =
        FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK, NULL,
                       error, 0, words, WIDE_ERROR_MAX / 4, NULL);

    while (length > 0 && (words[length - 1] <= L' ' || words[length - 1] == L'.'))
        length--;
    words[length] = L'\0';
    if (length == 0 || !wide_to_utf8(words, text, WIDE_ERROR_MAX))
        snprintf(text, WIDE_ERROR_MAX, "error %lu", error);
    return text;
}
