/* SPDX-License-Identifier: MIT */
/*
 * fit.c - see fit.h.
 */
#include "history/fit.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The last * is where to go on from after what did not fit: time grows with the product of both lengths at most. */
bool fit_pattern(const char *pattern, const char *text, size_t size)
{
    const char *star = NULL, *end = text + size, *again = NULL;

    while (text < end) {
        if (*pattern == '*') {
            star = pattern++;
            again = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool fit_program(const char *pattern, const char *path, size_t size)
{
    const char *slash;

    if (!path || !*pattern)
        return !path && !*pattern;
    if (strchr(pattern, '/'))
        return fit_pattern(pattern, path, size);
    slash = memrchr(path, '/', size);
    return slash ? fit_pattern(pattern, slash + 1, size - (size_t)(slash + 1 - path))
                 : fit_pattern(pattern, path, size);
}

static bool read_number(const char *text, unsigned most, unsigned *number)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits])
        return false;
    *number = (unsigned)strtoul(text, NULL, 10);
    return *number <= most;
}

/* Takes ":PORT" off the end, and the brackets around an IPv6 address. */
static bool take_port(char *text, struct fit_destination *destination)
{
    char *colon = strrchr(text, ':'), *open = *text == '[' ? text : NULL, *close = open ? strchr(text, ']') : NULL;
    unsigned port;

    if (open && !close)
        return false;
    if (colon && (close ? colon == close + 1 : strchr(text, ':') == colon)) { /* two colons: an IPv6 address */
        if (!read_number(colon + 1, 65535, &port))
            return false;
        *colon = '\0';
        destination->has_port = true;
        destination->port = (uint16_t)port;
    }
    if (close) { /* what stands behind it moves there: a prefix, or nothing */
        memmove(close, close + 1, strlen(close));
        memmove(text, text + 1, strlen(text));
    }
    return true;
}

static bool read_address(char *text, struct fit_destination *destination)
{
    char *slash = strchr(text, '/');
    unsigned most, prefix;

    if (slash)
        *slash = '\0';
    if (inet_pton(AF_INET, text, destination->address) == 1)
        destination->family = 4;
    else if (inet_pton(AF_INET6, text, destination->address) == 1)
        destination->family = 6;
    else
        return false;
    most = destination->family == 4 ? 32 : 128;
    prefix = most;
    if (slash && !read_number(slash + 1, most, &prefix))
        return false;
    destination->prefix = prefix;
    return true;
}

bool fit_read_destination(const char *written, struct fit_destination *destination)
{
    struct fit_destination found = {0};
    char text[256];
    size_t size = strlen(written);

    if (!size || size >= sizeof(text))
        return false;
    memcpy(text, written, size + 1);
    if (!take_port(text, &found))
        return false;
    memcpy(found.name, text, strlen(text) + 1);
    if (!read_address(text, &found)) {
        if (strpbrk(found.name, "/[] :") || !*found.name)
            return false;
        for (char *at = found.name; *at; at++)
            *at = (char)tolower((unsigned char)*at);
    } else {
        found.name[0] = '\0';
    }
    *destination = found;
    return true;
}

static bool has_prefix(const uint8_t *one, const uint8_t *other, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(one, other, bytes) == 0 && (!rest || (one[bytes] ^ other[bytes]) >> (8 - rest) == 0);
}

bool fit_is_destination(const struct fit_destination *destination, const char *name, unsigned family,
                        const uint8_t *address, uint16_t port)
{
    if (destination->has_port && destination->port != port)
        return false;
    if (!destination->family)
        return name && fit_pattern(destination->name, name, strlen(name));
    return family == destination->family && has_prefix(address, destination->address, destination->prefix);
}
