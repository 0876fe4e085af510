/* SPDX-License-Identifier: MIT */
/*
 * punycode.c - see punycode.h. The names of the values are those of RFC 3492.
 */
#include "policy/punycode.h"

#include <string.h>

#define BASE         36u
#define T_MIN        1u
#define T_MAX        26u
#define SKEW         38u
#define DAMP         700u
#define INITIAL_BIAS 72u
#define INITIAL_N    128u

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return 26u + (unsigned)(c - '0');
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') : BASE;
}

/* One number from *at on. False: it does not end, or is too large. */
static bool read_delta(const char *text, size_t length, size_t *at, uint32_t bias, uint32_t *i)
{
    uint32_t weight = 1;

    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        unsigned digit = *at < length ? digit_of(text[*at]) : BASE;

        if (digit == BASE || digit > (UINT32_MAX - *i) / weight)
            return false;
        (*at)++;
        *i += digit * weight;
        if (digit < t)
            return true;
        if (weight > UINT32_MAX / (BASE - t))
            return false;
        weight *= BASE - t;
    }
}

/* Controls, surrogates, and what changes how other text is shown: no name may have them. */
static bool is_forbidden(uint32_t c)
{
    return c < 0xA0 || (c >= 0xD800 && c < 0xE000) || c == 0xAD || c == 0x061C || c == 0x180E || c == 0x200B ||
           c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF0 && c <= 0xFFFF) || c >= 0xE0000;
}

static bool decode(const char *text, size_t length, uint32_t *characters, unsigned *count)
{
    uint32_t n = INITIAL_N, i = 0, bias = INITIAL_BIAS;
    unsigned used = 0;
    size_t at = length;

    while (at > 0 && text[at - 1] != '-')
        at--;
    for (size_t k = 0; at != 0 && k < at - 1; k++)
        characters[used++] = (uint8_t)text[k];
    if (at == length || at == 1)
        return false;
    while (at < length) {
        uint32_t before = i;

        if (used == PUNYCODE_LABEL_MAX || !read_delta(text, length, &at, bias, &i))
            return false;
        used++;
        bias = adapt(i - before, used, before == 0);
        if (i / used > 0x10FFFFu - n)
            return false;
        n += i / used;
        i %= used;
        if (is_forbidden(n))
            return false;
        memmove(&characters[i + 1], &characters[i], (used - 1 - i) * sizeof(*characters));
        characters[i++] = n;
    }
    *count = used;
    return true;
}

static bool is_encoded(const char *label, size_t length)
{
    return length >= 4 && (label[0] | 0x20) == 'x' && (label[1] | 0x20) == 'n' && label[2] == '-' && label[3] == '-';
}

bool punycode_label_read(const char *label, size_t length, uint32_t characters[PUNYCODE_LABEL_MAX], unsigned *count)
{
    uint32_t read[PUNYCODE_LABEL_MAX];
    unsigned used = 0;

    if (length > PUNYCODE_LABEL_MAX)
        return false;
    if (is_encoded(label, length)) {
        if (!decode(label + 4, length - 4, read, &used))
            return false;
    } else {
        for (; used < length; used++)
            read[used] = (uint8_t)label[used];
    }
    memcpy(characters, read, used * sizeof(*read));
    *count = used;
    return true;
}

unsigned punycode_character_write(uint32_t character, char bytes[4])
{
    unsigned more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};

    bytes[0] = (char)(lead[more] | character >> 6 * more);
    for (unsigned i = 1; i <= more; i++)
        bytes[i] = (char)(0x80 | (character >> 6 * (more - i) & 0x3F));
    return more + 1;
}

bool punycode_name_read(const char *name, size_t length, char *text, size_t capacity)
{
    char whole[PUNYCODE_NAME_TEXT_MAX];
    size_t used = 0;
    bool encoded = false;

    for (size_t at = 0; at <= length;) {
        uint32_t characters[PUNYCODE_LABEL_MAX];
        const char *dot = memchr(name + at, '.', length - at);
        size_t size = dot == NULL ? length - at : (size_t)(dot - name) - at;
        unsigned count;

        if (!punycode_label_read(name + at, size, characters, &count))
            return false;
        encoded = encoded || is_encoded(name + at, size);
        for (unsigned i = 0; i < count; i++) {
            if (used + 6 > sizeof(whole))
                return false;
            used += punycode_character_write(characters[i], whole + used);
        }
        if (dot != NULL)
            whole[used++] = '.';
        at += size + 1;
    }
    if (!encoded || used >= capacity)
        return false;
    memcpy(text, whole, used);
    text[used] = '\0';
    return true;
}
