/* SPDX-License-Identifier: MIT */
/*
 * when.c - see when.h.
 */
#include "history/when.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000)

static bool read_ago(const char *text, int64_t now, int64_t *found)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 9 || strlen(text) != digits + 1)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[digits] != units[i].unit)
            continue;
        *found = now - strtoll(text, NULL, 10) * units[i].seconds * SECOND;
        return *found > 0;
    }
    return false;
}

/* strptime takes any number of digits and blanks; people mean these shapes. */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++)
        if (*shape == '9' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    return !*text;
}

static bool read_date(const char *text, int64_t now, int64_t *found)
{
    static const struct {
        const char *shape, *format;
    } shapes[] = {{"9999-99-99", "%Y-%m-%d"},
                  {"9999-99-99 99:99", "%Y-%m-%d %H:%M"},
                  {"9999-99-99 99:99:99", "%Y-%m-%d %H:%M:%S"},
                  {"99:99", "%H:%M"},
                  {"99:99:99", "%H:%M:%S"}};
    time_t seconds = (time_t)(now / SECOND);
    struct tm parts;
    bool utc = false;
    char copy[32];
    size_t size = strlen(text);

    if (size == 0 || size >= sizeof(copy))
        return false;
    memcpy(copy, text, size + 1);
    if (size > 10 && copy[10] == 'T')
        copy[10] = ' ';
    if (copy[size - 1] == 'Z') {
        utc = true;
        copy[size - 1] = '\0';
    }
    if (!(utc ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)))
        return false;
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (!has_shape(copy, shapes[i].shape))
            continue;
        const char *end = strptime(copy, shapes[i].format, &parts);
        struct tm asked = parts;

        if (!end || *end)
            return false;
        parts.tm_isdst = -1;
        seconds = utc ? timegm(&parts) : mktime(&parts);
        *found = (int64_t)seconds * SECOND;
        return seconds > 0 && parts.tm_mday == asked.tm_mday; /* no 31st of February */
    }
    return false;
}

static bool read_word(const char *text, int64_t now, int64_t *found)
{
    time_t seconds = (time_t)(now / SECOND);
    struct tm parts;

    if (strcmp(text, "now") == 0) {
        *found = now;
        return true;
    }
    if (strcmp(text, "today") != 0 && strcmp(text, "yesterday") != 0)
        return false;
    if (!localtime_r(&seconds, &parts))
        return false;
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    parts.tm_mday -= *text == 'y';
    parts.tm_isdst = -1;
    *found = (int64_t)mktime(&parts) * SECOND;
    return true;
}

bool history_read_time(const char *text, int64_t now, int64_t *time)
{
    return read_word(text, now, time) || read_ago(text, now, time) || read_date(text, now, time);
}
