/* SPDX-License-Identifier: MIT */
/*
 * width.c - see width.h.
 */
#include "screen/width.h"

#include <stdint.h>
#include <string.h>
#include <wchar.h>

_Static_assert(sizeof(wchar_t) == 4, "this folder is compiled with the wchar_t of the C library");

/* RFC 3629; 0: no character. */
static size_t decode(const unsigned char *bytes, size_t size, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xC2 ? 0 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;

    if (length == 0 || length > size || bytes[0] > 0xF4)
        return 0;
    *character = length == 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        *character = *character << 6 | (bytes[i] & 0x3Fu);
    }
    if (*character < least[length] || *character > 0x10FFFF || (*character >= 0xD800 && *character <= 0xDFFF))
        return 0;
    return length;
}

size_t width_next(const char *bytes, size_t size, unsigned *columns, bool *shown)
{
    uint32_t character = 0;
    size_t length = decode((const unsigned char *)bytes, size, &character);
    int width = length == 0 ? -1 : wcwidth((wchar_t)character);

    *shown = width >= 0 && character != 0;
    *columns = *shown ? (unsigned)width : 1;
    return length == 0 ? 1 : length;
}

unsigned width_of(const char *string)
{
    size_t size = strlen(string);
    unsigned all = 0;

    for (size_t at = 0; at < size;) {
        unsigned columns;
        bool shown;

        at += width_next(string + at, size - at, &columns, &shown);
        all += columns;
    }
    return all;
}

/* Bytes from the start that fit, with all that combines with the last of them. */
static size_t fit_start(const char *string, size_t size, unsigned columns, unsigned *used)
{
    size_t at = 0;

    *used = 0;
    while (at < size) {
        unsigned width;
        bool shown;
        size_t length = width_next(string + at, size - at, &width, &shown);

        if (*used + width > columns)
            break;
        *used += width;
        at += length;
    }
    return at;
}

/* Where the end that fits begins: never at a character that combines with the one before. */
static size_t fit_end(const char *string, size_t size, unsigned columns, unsigned *used)
{
    unsigned all = width_of(string);
    size_t at = 0;

    while (at < size) {
        unsigned width;
        bool shown;
        size_t length = width_next(string + at, size - at, &width, &shown);

        if (all <= columns && width > 0)
            break;
        all -= width;
        at += length;
    }
    *used = all;
    return at;
}

static void add_shown(struct text *text, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        unsigned columns;
        bool shown;
        size_t length = width_next(bytes + at, size - at, &columns, &shown);

        text_add_bytes(text, shown ? bytes + at : "?", shown ? length : 1);
        at += length;
    }
}

unsigned width_add(struct text *text, const char *string, unsigned columns, const char *dots)
{
    size_t size = strlen(string);
    unsigned used, wide = width_of(dots);
    size_t fits = fit_start(string, size, columns, &used);

    if (fits < size) {
        if (wide > columns)
            return 0;
        fits = fit_start(string, size, columns - wide, &used);
    }
    add_shown(text, string, fits);
    if (fits < size) {
        text_add(text, dots);
        used += wide;
    }
    return used;
}

unsigned width_add_ends(struct text *text, const char *string, unsigned columns, const char *dots)
{
    size_t size = strlen(string);
    unsigned wide = width_of(dots);
    unsigned first, last;
    size_t start, end;

    if (width_of(string) <= columns || columns < wide + 2)
        return width_add(text, string, columns, dots);
    /* The end says more than the start: a program's name is there. */
    start = fit_start(string, size, (columns - wide) / 3, &first);
    end = fit_end(string, size, columns - wide - first, &last);
    add_shown(text, string, start);
    text_add(text, dots);
    add_shown(text, string + end, size - end);
    return first + wide + last;
}

size_t width_break(const char *string, unsigned columns)
{
    size_t size = strlen(string);
    unsigned used;
    bool shown;
    size_t fits = fit_start(string, size, columns, &used);

    if (fits == size)
        return fits;
    for (size_t at = fits; at > fits / 2; at--)
        if (string[at - 1] == ' ')
            return at;
    return fits > 0 ? fits : width_next(string, size, &used, &shown);
}

void width_add_plain(struct text *text, const char *string)
{
    size_t size = strlen(string);

    for (size_t at = 0; at < size;) {
        uint32_t character = 0;
        size_t length = decode((const unsigned char *)string + at, size - at, &character);

        if (length == 0)
            text_add(text, "?");
        else if (length == 1)
            text_add_bytes(text, string + at, 1);
        else if (character == 0xB7) /* the one that this folder writes itself */
            text_add(text, "-");
        else
            text_add_format(text, "\\u{%x}", (unsigned)character);
        at += length == 0 ? 1 : length;
    }
}
