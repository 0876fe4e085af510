/* SPDX-License-Identifier: MIT */
/*
 * wide_windows.h - Windows speaks UTF-16, the decider library UTF-8; and Windows' own words for its errors.
 */
#ifndef AGENT_WIDE_WINDOWS_H
#define AGENT_WIDE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>

/* False, and nothing told, for text that is not valid Unicode or does not fit capacity (NUL included). */
bool wide_from_utf8(const char *text, wchar_t *wide, size_t capacity);
bool wide_to_utf8(const wchar_t *wide, char *text, size_t capacity);

/* Windows' sentence for a GetLastError() number, without its full stop; the number when it has none. Returns text. */
#define WIDE_ERROR_MAX 256u
const char *wide_error(unsigned long error, char text[WIDE_ERROR_MAX]);

#endif
