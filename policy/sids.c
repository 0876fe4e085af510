/* SPDX-License-Identifier: MIT */
/*
 * sids.c - see sids.h. Revision, count of numbers, six bytes of authority (high byte first), the numbers (low byte
 * first): page "SID structure".
 */
#include "policy/sids.h"

#include <stdio.h>
#include <string.h>

#include "core/sha256.h"

#define HEADER      8u
#define NUMBERS_MAX 15u

static size_t sid_make(uint8_t authority, const uint32_t *numbers, unsigned count, uint8_t *sid)
{
    memset(sid, 0, HEADER);
    sid[0] = 1;
    sid[1] = (uint8_t)count;
    sid[7] = authority;
    for (unsigned i = 0; i < 4 * count; i++)
        sid[HEADER + i] = (uint8_t)(numbers[i / 4] >> (8 * (i % 4)));
    return HEADER + 4 * (size_t)count;
}

size_t sid_of_unix(uint32_t which, uint32_t number, uint8_t *sid)
{
    uint32_t numbers[2] = {which, number};

    return sid_make(22, numbers, 2, sid);
}

size_t sid_of_name(uint32_t which, const void *name, size_t length, uint8_t *sid)
{
    uint8_t digest[SHA256_SIZE];
    uint32_t numbers[6] = {which};

    sha256_of(name, length, digest);
    for (unsigned i = 0; i < 20; i++)
        numbers[1 + i / 4] |= (uint32_t)digest[i] << (8 * (i % 4));
    return sid_make(5, numbers, 6, sid);
}

static uint32_t number_at(const uint8_t *sid, unsigned place)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < 4; i++)
        number |= (uint32_t)sid[HEADER + 4 * place + i] << (8 * i);
    return number;
}

bool sid_is_unix(const uint8_t *sid, size_t size, uint32_t which, uint32_t *number)
{
    static const uint8_t authority[6] = {0, 0, 0, 0, 0, 22};

    if (size != HEADER + 8 || sid[0] != 1 || sid[1] != 2 || memcmp(sid + 2, authority, sizeof(authority)) != 0 ||
        number_at(sid, 0) != which)
        return false;
    *number = number_at(sid, 1);
    return true;
}

/* "-N"; false: none, or above limit. */
static bool read_number(const char *text, size_t length, size_t *at, uint64_t limit, uint64_t *number)
{
    uint64_t value = 0;
    size_t first = *at + 1;

    if (*at >= length || text[*at] != '-')
        return false;
    for (*at = first; *at < length && text[*at] >= '0' && text[*at] <= '9'; (*at)++) {
        value = value * 10 + (uint64_t)(text[*at] - '0');
        if (value > limit)
            return false;
    }
    *number = value;
    return *at != first;
}

bool sid_read(const char *text, size_t length, uint8_t *sid, size_t *size)
{
    uint8_t made[GATEHOUSE_SID_MAX] = {1};
    uint64_t number;
    unsigned count = 0;
    size_t at = 3;

    if (length < 4 || memcmp(text, "S-1", 3) != 0 || !read_number(text, length, &at, 0xffffffffffffull, &number))
        return false;
    for (unsigned i = 0; i < 6; i++)
        made[2 + i] = (uint8_t)(number >> (40 - 8 * i));
    while (at < length) {
        if (count == NUMBERS_MAX || !read_number(text, length, &at, UINT32_MAX, &number))
            return false;
        for (unsigned i = 0; i < 4; i++)
            made[HEADER + 4 * count + i] = (uint8_t)(number >> (8 * i));
        count++;
    }
    made[1] = (uint8_t)count;
    *size = HEADER + 4 * (size_t)count;
    memcpy(sid, made, *size);
    return true;
}

void sid_write(const uint8_t *sid, size_t size, char text[SIDS_TEXT_MAX])
{
    unsigned long long authority = 0;
    int used;

    for (unsigned i = 0; i < 6; i++)
        authority = authority << 8 | sid[2 + i];
    used = snprintf(text, SIDS_TEXT_MAX, "S-1-%llu", authority);
    for (unsigned i = 0; HEADER + 4 * (size_t)i + 4 <= size && used > 0 && (size_t)used < SIDS_TEXT_MAX; i++)
        used += snprintf(text + used, SIDS_TEXT_MAX - (size_t)used, "-%u", number_at(sid, i));
}
