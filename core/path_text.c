/* SPDX-License-Identifier: MIT */
/*
 * path_text.c - the conversions of path_text.h. The decoder follows the table of well-formed UTF-8 byte
 * sequences in the Unicode Standard (chapter 3, table 3-7).
 */
#include "core/path_text.h"

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0u) == 0x80u;
}

/* How many bytes a sequence that starts so has, and the least value it may encode; 0: no sequence starts so. */
static size_t utf8_length(uint8_t first, uint32_t *least)
{
    *least = first < 0xE0u ? 0x80u : first < 0xF0u ? 0x800u : 0x10000u;
    if (first < 0x80u)
        return 1;
    if (first < 0xC2u || first > 0xF4u)
        return 0;
    return first < 0xE0u ? 2 : first < 0xF0u ? 3 : 4;
}

/* Length of the well-formed sequence at bytes, or 0. */
static size_t utf8_next(const uint8_t *bytes, size_t left, uint32_t *character)
{
    uint32_t least;
    size_t length = utf8_length(bytes[0], &least);
    uint32_t value = length < 2 ? bytes[0] : bytes[0] & (0x7Fu >> length);

    if (length == 1)
        *character = value;
    if (length < 2 || length > left)
        return length < 2 ? length : 0;
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(bytes[i]))
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    if (value < least || value > 0x10FFFFu || (value >= 0xD800u && value <= 0xDFFFu))
        return 0;
    *character = value;
    return length;
}

static void put_unit(uint8_t *utf16, uint32_t unit)
{
    utf16[0] = (uint8_t)unit;
    utf16[1] = (uint8_t)(unit >> 8);
}

bool path_text_from_bytes(const uint8_t *bytes, size_t count, uint8_t *utf16, size_t capacity, size_t *size)
{
    size_t used = 0;

    for (size_t at = 0; at < count;) {
        uint32_t character = 0;
        size_t length = utf8_next(bytes + at, count - at, &character);
        size_t need = length == 4 ? 4 : 2;

        if (capacity - used < need)
            return false;
        if (length == 0) {
            put_unit(utf16 + used, 0xDC00u + bytes[at]);
            length = 1;
        } else if (length == 4) {
            put_unit(utf16 + used, 0xD800u + ((character - 0x10000u) >> 10));
            put_unit(utf16 + used + 2, 0xDC00u + ((character - 0x10000u) & 0x3FFu));
        } else {
            put_unit(utf16 + used, character);
        }
        used += need;
        at += length;
    }
    *size = used;
    return true;
}

size_t path_text_next(const uint8_t *utf16, size_t size, uint32_t *character)
{
    uint32_t unit = (uint32_t)utf16[0] | (uint32_t)utf16[1] << 8;

    if (unit >= 0xD800u && unit <= 0xDBFFu && size >= 4) {
        uint32_t low = (uint32_t)utf16[2] | (uint32_t)utf16[3] << 8;

        if (low >= 0xDC00u && low <= 0xDFFFu) {
            *character = 0x10000u + ((unit - 0xD800u) << 10) + (low - 0xDC00u);
            return 4;
        }
    }
    *character = unit;
    return 2;
}

size_t path_text_put_utf8(uint32_t character, uint8_t bytes[4])
{
    if (character < 0x80u) {
        bytes[0] = (uint8_t)character;
        return 1;
    }
    if (character < 0x800u) {
        bytes[0] = (uint8_t)(0xC0u | character >> 6);
        bytes[1] = (uint8_t)(0x80u | (character & 0x3Fu));
        return 2;
    }
    if (character < 0x10000u) {
        bytes[0] = (uint8_t)(0xE0u | character >> 12);
        bytes[1] = (uint8_t)(0x80u | (character >> 6 & 0x3Fu));
        bytes[2] = (uint8_t)(0x80u | (character & 0x3Fu));
        return 3;
    }
    bytes[0] = (uint8_t)(0xF0u | character >> 18);
    bytes[1] = (uint8_t)(0x80u | (character >> 12 & 0x3Fu));
    bytes[2] = (uint8_t)(0x80u | (character >> 6 & 0x3Fu));
    bytes[3] = (uint8_t)(0x80u | (character & 0x3Fu));
    return 4;
}

bool path_text_to_bytes(const uint8_t *utf16, size_t size, uint8_t *bytes, size_t capacity, size_t *count)
{
    size_t used = 0;

    if (size % 2 != 0)
        return false;
    for (size_t at = 0; at < size;) {
        uint8_t encoded[4];
        uint32_t character;
        size_t length = 1;

        at += path_text_next(utf16 + at, size - at, &character);
        if (character >= 0xDC80u && character <= 0xDCFFu)
            encoded[0] = (uint8_t)(character - 0xDC00u);
        else if (character >= 0xD800u && character <= 0xDFFFu)
            return false;
        else
            length = path_text_put_utf8(character, encoded);
        if (capacity - used < length)
            return false;
        for (size_t i = 0; i < length; i++)
            bytes[used++] = encoded[i];
    }
    *count = used;
    return true;
}
