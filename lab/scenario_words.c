/* SPDX-License-Identifier: MIT */
/*
 * scenario_words.c - see scenario_words.h.
 */
#include "lab/scenario_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool words_expected(struct words *words, const char *wanted)
{
    if (words->at < words->count)
        snprintf(words->error->text, sizeof(words->error->text), "%s:%u: expected %s, found \"%s\"", words->file,
                 words->line, wanted, words->word[words->at]);
    else
        snprintf(words->error->text, sizeof(words->error->text), "%s:%u: expected %s, found the end of the line",
                 words->file, words->line, wanted);
    return false;
}

bool words_wrong(struct words *words, const char *sentence, const char *about)
{
    snprintf(words->error->text, sizeof(words->error->text), "%s:%u: \"%s\" %s", words->file, words->line, about,
             sentence);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool words_split(struct words *words, const char *line, size_t size)
{
    size_t used = 0;
    bool inside = false;

    words->count = words->at = 0;
    words->line_text = line;
    words->line_size = size;
    if (size * 2 + 2 > sizeof(words->text))
        return words_wrong(words, "is longer than a line may be (1000 characters)", "the line");
    for (size_t i = 0; i <= size; i++) {
        bool blank = i == size || is_blank(line[i]), comma = !blank && line[i] == ',';

        if (inside && (blank || comma)) {
            words->text[used++] = 0;
            inside = false;
        }
        if (blank)
            continue;
        if (!inside) {
            if (words->count == WORDS_MAX)
                return words_wrong(words, "has too many words", "the line");
            words->word[words->count++] = &words->text[used];
        }
        words->text[used++] = line[i];
        inside = !comma;
        if (comma)
            words->text[used++] = 0;
    }
    return true;
}

const char *words_rest(struct words *words, size_t *size)
{
    const char *line = words->line_text;
    size_t begin = 0, end = words->line_size;

    for (size_t at = 0; at < words->at; at++) {
        while (begin < end && is_blank(line[begin]))
            begin++;
        begin += strlen(words->word[at]);
    }
    while (begin < end && is_blank(line[begin]))
        begin++;
    while (end > begin && is_blank(line[end - 1]))
        end--;
    words->at = words->count;
    *size = end - begin;
    return line + begin;
}

bool words_are_left(const struct words *words)
{
    return words->at < words->count;
}

bool words_take(struct words *words, const char *word)
{
    if (!words_are_left(words) || strcmp(words->word[words->at], word) != 0)
        return false;
    words->at++;
    return true;
}

bool words_end(struct words *words)
{
    return !words_are_left(words) || words_expected(words, "the end of the line");
}

/* Digits only, at most limit; *end: behind them. */
static bool read_number(const char *text, int base, uint64_t limit, uint64_t *number, const char **end)
{
    uint64_t value = 0;
    const char *p = text;

    for (;; p++) {
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : base == 16 && *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
        if (digit < 0)
            break;
        if ((uint64_t)digit > limit)
            return false;
        if (value > (limit - (unsigned)digit) / (unsigned)base)
            return false;
        value = value * (unsigned)base + (unsigned)digit;
    }
    *number = value;
    *end = p;
    return p != text;
}

bool words_number(struct words *words, uint32_t lowest, uint32_t highest, const char *what, uint32_t *number)
{
    char wanted[100];
    const char *end;
    uint64_t value;

    if (words_are_left(words) && read_number(words->word[words->at], 10, highest, &value, &end) && *end == 0 &&
        value >= lowest) {
        words->at++;
        *number = (uint32_t)value;
        return true;
    }
    snprintf(wanted, sizeof(wanted), "%s from %u to %u", what, (unsigned)lowest, (unsigned)highest);
    return words_expected(words, wanted);
}

static bool any_number(const char *text, uint64_t highest, uint64_t *number)
{
    bool hex = text[0] == '0' && text[1] == 'x';
    const char *end;

    return read_number(hex ? text + 2 : text, hex ? 16 : 10, highest, number, &end) && *end == 0;
}

bool words_any_number(struct words *words, uint64_t highest, const char *what, uint64_t *number)
{
    char wanted[100];

    if (words_are_left(words) && any_number(words->word[words->at], highest, number)) {
        words->at++;
        return true;
    }
    snprintf(wanted, sizeof(wanted), "%s from 0 to %llu", what, (unsigned long long)highest);
    return words_expected(words, wanted);
}

bool words_text(struct words *words, const char *what, char *text, size_t longest)
{
    const char *word = words_are_left(words) ? words->word[words->at] : "";
    bool good = *word != 0 && strlen(word) <= longest;

    for (const char *p = word; *p != 0; p++)
        good &= *p > ' ' && *p <= '~';
    if (!good)
        return words_expected(words, what);
    memcpy(text, word, strlen(word) + 1);
    words->at++;
    return true;
}

bool words_choice(struct words *words, const char *const *choices, const char *wanted, uint32_t *index)
{
    for (uint32_t i = 0; choices[i] != NULL; i++) {
        if (words_take(words, choices[i])) {
            *index = i;
            return true;
        }
    }
    return words_expected(words, wanted);
}

/* Returns behind the address, or NULL. */
static const char *read_ipv4(const char *p, uint8_t *address)
{
    uint64_t byte;

    for (int i = 0; i < 4; i++) {
        if ((i != 0 && *p++ != '.') || !read_number(p, 10, 255, &byte, &p))
            return NULL;
        address[i] = (uint8_t)byte;
    }
    return p;
}

/* Groups before and after one "::"; no embedded IPv4. */
static const char *read_ipv6(const char *p, uint8_t *address)
{
    uint8_t groups[16] = {0};
    int count = 0, gap = -1;
    uint64_t group;

    if (p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }
    while (count < 8 && *p != ']') {
        if (!read_number(p, 16, 0xFFFF, &group, &p))
            return NULL;
        groups[2 * count] = (uint8_t)(group >> 8);
        groups[2 * count + 1] = (uint8_t)group;
        count++;
        if (p[0] == ':' && p[1] == ':' && gap < 0) {
            gap = count;
            p += 2;
        } else if (*p == ':') {
            p++;
        } else {
            break;
        }
    }
    if ((gap < 0) != (count == 8))
        return NULL;
    memset(address, 0, 16);
    gap = gap < 0 ? 8 : gap;
    memcpy(address, groups, (size_t)gap * 2);
    memcpy(address + 16 - (count - (gap < count ? gap : count)) * 2, groups + gap * 2,
           (size_t)(count - (gap < count ? gap : count)) * 2);
    return p;
}

bool words_address(struct words *words, uint8_t *ip_version, uint8_t *address, uint16_t *port)
{
    const char *p = words_are_left(words) ? words->word[words->at] : "";
    uint64_t number;
    bool six = *p == '[';

    memset(address, 0, 16);
    p = six ? read_ipv6(p + 1, address) : read_ipv4(p, address);
    if (p != NULL && six)
        p = *p == ']' ? p + 1 : NULL;
    if (p == NULL || *p != ':' || !read_number(p + 1, 10, 65535, &number, &p) || *p != 0)
        return words_expected(words, "an address and a port (192.0.2.1:443 or [fd00::1]:443)");
    words->at++;
    *ip_version = six ? 6 : 4;
    *port = (uint16_t)number;
    return true;
}

bool words_plain_address(struct words *words, uint8_t *ip_version, uint8_t *address)
{
    const char *p = words_are_left(words) ? words->word[words->at] : "";
    bool six = strchr(p, ':') != NULL;

    memset(address, 0, 16);
    p = six ? read_ipv6(p, address) : read_ipv4(p, address);
    if (p == NULL || *p != 0)
        return words_expected(words, "an address (192.0.2.1 or fd00::1)");
    words->at++;
    *ip_version = six ? 6 : 4;
    return true;
}

bool words_sid(struct words *words, uint8_t *sid, uint8_t *size)
{
    const char *p = words_are_left(words) ? words->word[words->at] : "";
    uint64_t number;
    unsigned count = 0;
    bool good = strncmp(p, "S-1-", 4) == 0 && read_number(p + 4, 10, 255, &number, &p);

    memset(sid, 0, WORLD_SID_MAX);
    for (; good && *p == '-' && count < 15; count++) {
        uint64_t sub;

        good = read_number(p + 1, 10, UINT32_MAX, &sub, &p);
        for (unsigned i = 0; good && i < 4; i++)
            sid[8 + 4 * count + i] = (uint8_t)(sub >> (8 * i));
    }
    if (!good || *p != 0 || count == 0)
        return words_expected(words, "a user (S-1-5-21-1000)");
    words->at++;
    sid[0] = 1;
    sid[1] = (uint8_t)count;
    sid[7] = (uint8_t)number;
    *size = (uint8_t)(8 + 4 * count);
    return true;
}

bool words_path(struct words *words, uint16_t *path)
{
    size_t size = 0;

    if (words_take(words, "none")) {
        path[0] = 0;
        return true;
    }
    if (!words_are_left(words) || strlen(words->word[words->at]) > WORLD_PATH_MAX)
        return words_expected(words, "a program's path or none");
    for (const char *p = words->word[words->at]; *p != 0; p++) {
        if (*p < '!' || *p > '~')
            return words_expected(words, "a program's path of printable ASCII");
        path[size++] = (uint8_t)*p;
    }
    path[size] = 0;
    words->at++;
    return true;
}

bool words_find(const struct words *words, const struct scenario_names *names, uint32_t *index)
{
    if (!words_are_left(words))
        return false;
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->text[i], words->word[words->at]) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool words_known(struct words *words, const struct scenario_names *names, const char *what, uint32_t *index)
{
    char wanted[100];

    if (words_find(words, names, index)) {
        words->at++;
        return true;
    }
    snprintf(wanted, sizeof(wanted), "the name of %s from a line before", what);
    return words_expected(words, wanted);
}

static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", more[] = "0123456789_-";
    size_t size = strlen(text);

    if (size == 0 || size > SCENARIO_NAME_MAX || strchr(letters, *text) == NULL)
        return false;
    for (const char *p = text; *p != 0; p++)
        if (strchr(letters, *p) == NULL && strchr(more, *p) == NULL)
            return false;
    return strcmp(text, "nobody") != 0;
}

bool words_new(struct words *words, struct scenario *scenario, struct scenario_names *names, uint32_t *index)
{
    const size_t limit = names == &scenario->connections ? SCENARIO_CONNECTIONS_MAX
                         : names == &scenario->clients   ? SCENARIO_CLIENTS_MAX
                                                         : SCENARIO_FILTERS_MAX;
    uint32_t other;

    if (!words_are_left(words) || !is_name(words->word[words->at]))
        return words_expected(words, "a new name (a letter, then letters, digits, _ or -, at most 31)");
    if (words_find(words, &scenario->connections, &other) || words_find(words, &scenario->clients, &other) ||
        words_find(words, &scenario->filters, &other))
        return words_expected(words, "a new name (this one is taken)");
    if (names->count == limit)
        return words_expected(words, "no further name: there are as many as a scenario may have");
    if (names->text == NULL)
        names->text = calloc(limit, sizeof(names->text[0]));
    if (names->text == NULL)
        abort();
    snprintf(names->text[names->count], sizeof(names->text[0]), "%s", words->word[words->at]);
    *index = (uint32_t)names->count++;
    words->at++;
    return true;
}

bool words_variable(struct words *words, struct scenario *scenario, const char *name, bool make, uint32_t *index)
{
    struct scenario_names *names = &scenario->variables;

    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->text[i], name) == 0) {
            *index = i;
            return true;
        }
    }
    if (!make)
        return words_expected(words, "a $variable that a line before sets");
    if (!is_name(name))
        return words_expected(words, "a $variable (a letter, then letters, digits, _ or -, at most 31)");
    if (names->count == SCENARIO_VARIABLES_MAX)
        return words_expected(words, "no further $variable: there are as many as a scenario may have");
    if (names->text == NULL)
        names->text = calloc(SCENARIO_VARIABLES_MAX, sizeof(names->text[0]));
    if (names->text == NULL)
        abort();
    snprintf(names->text[names->count], sizeof(names->text[0]), "%s", name);
    *index = (uint32_t)names->count++;
    return true;
}
