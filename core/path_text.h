/* SPDX-License-Identifier: MIT */
/*
 * path_text.h - a program's path: Linux bytes to UTF-16LE and back, exactly.
 *
 * WFP names a program in UTF-16. A Linux path is bytes, mostly UTF-8 but not always. Valid UTF-8 is
 * converted; each byte that is no part of valid UTF-8 becomes the lone surrogate 0xDC00 + byte
 * (0xDC80 to 0xDCFF), as Python's surrogateescape does. Overlong forms, code points past U+10FFFF and
 * encoded surrogates are not valid UTF-8. So bytes -> UTF-16LE -> bytes is the identity for every input.
 *
 * Pure code: no OS header, no allocation, no state. Text is handled as bytes (low byte first), so
 * no alignment is asked for. When the rule changes, change docs/protocol.md.
 */
#ifndef CORE_PATH_TEXT_H
#define CORE_PATH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of UTF-16LE that always suffice for count bytes of path. */
#define PATH_TEXT_UTF16_SIZE(count) ((count)*2u)
/* Bytes of path that always suffice for size bytes of UTF-16LE. */
#define PATH_TEXT_BYTES_SIZE(size) ((size) / 2u * 3u)

/* False, and nothing told, if capacity (in bytes) is too small. *size is in bytes. */
bool path_text_from_bytes(const uint8_t *bytes, size_t count, uint8_t *utf16, size_t capacity, size_t *size);

/*
 * False if capacity is too small, size is odd, or a surrogate stands alone that no byte maps to (a
 * Windows name can hold one; a name that came from Linux bytes cannot).
 */
bool path_text_to_bytes(const uint8_t *utf16, size_t size, uint8_t *bytes, size_t capacity, size_t *count);

/*
 * One character at utf16 (size bytes left, at least 2): returns the bytes it takes, 2 or 4. A lone
 * surrogate comes back as its own value, 0xD800 to 0xDFFF.
 */
size_t path_text_next(const uint8_t *utf16, size_t size, uint32_t *character);

/* Writes one code point (not a surrogate) as UTF-8; returns the length, 1 to 4. */
size_t path_text_put_utf8(uint32_t character, uint8_t bytes[4]);

#endif
