/* SPDX-License-Identifier: MIT */
/*
 * name_pattern.c - see name_pattern.h.
 */
#include "core/name_pattern.h"

#include "gatehouse/protocol.h"

#define LABEL_MAX 63u

/* By hand: what the C library calls a letter depends on where it runs. */
static uint8_t fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool label_byte(uint8_t byte)
{
    byte = fold(byte);
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

bool name_is_valid(const void *name, size_t size)
{
    const uint8_t *bytes = name;
    size_t label = 0;

    if (size == 0 || size > GATEHOUSE_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '.' && label != 0)
            label = 0;
        else if (!label_byte(bytes[i]) || ++label > LABEL_MAX)
            return false;
    }
    return label != 0;
}

void name_fold(void *to, const void *name, size_t size)
{
    const uint8_t *bytes = name;

    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = fold(bytes[i]);
}

static bool pattern_is_below(const uint8_t *pattern, size_t size)
{
    return size > 2 && pattern[0] == '*' && pattern[1] == '.';
}

bool name_pattern_is_valid(const void *pattern, size_t size)
{
    if (size > GATEHOUSE_NAME_MAX)
        return false;
    if (pattern_is_below(pattern, size))
        return name_is_valid((const uint8_t *)pattern + 2, size - 2);
    return name_is_valid(pattern, size);
}

static bool equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (fold(a[i]) != fold(b[i]))
            return false;
    }
    return true;
}

bool name_pattern_matches(const void *pattern, size_t pattern_size, const void *name, size_t name_size)
{
    const uint8_t *wanted = pattern, *found = name;

    if (!pattern_is_below(wanted, pattern_size))
        return pattern_size == name_size && equal(wanted, found, name_size);
    /* Without the star it begins with the dot, so that it ends a label of the name. */
    wanted++;
    pattern_size--;
    return name_size > pattern_size && equal(wanted, found + (name_size - pattern_size), pattern_size);
}
