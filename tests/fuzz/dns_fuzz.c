/* SPDX-License-Identifier: MIT */
/*
 * dns_fuzz.c - answers of name servers: host/dns_message.c against a reference.
 *
 * The reference reads all records first, each name as a list of labels in text that cannot be mistaken (escaped), then
 * follows aliases through that list. It bounds what dns_message.h bounds: 32 pointers in a name, 256 records, 16
 * aliases, 64 addresses.
 */
#include <ctype.h>

#include "core/name_pattern.h"
#include "host/dns_message.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 1100 /* of a name */

struct reference_record {
    char owner[TEXT_MAX], alias[TEXT_MAX]; /* alias: "" when it is none */
    unsigned type;
    uint32_t ttl;
    uint8_t address[16];
    bool usable;
};

static const uint8_t *bytes;
static size_t bytes_size;

static void append(char text[TEXT_MAX], const char *format, unsigned byte)
{
    size_t size = strlen(text);

    fuzz_check(snprintf(text + size, TEXT_MAX - size, format, byte) < (int)(TEXT_MAX - size));
}

/* Appends the name at place, three digits for each byte and "." behind each label. Where it goes on behind; 0: no name.
 */
static size_t reference_name(size_t place, char text[TEXT_MAX], size_t limit, unsigned jumps, size_t *used)
{
    size_t length = place < bytes_size ? bytes[place] : 64;

    if (length >= 192) {
        size_t to = place + 1 < bytes_size ? (length - 192) * 256 + bytes[place + 1] : bytes_size;

        return to < limit && jumps < 32 && reference_name(to, text, to, jumps + 1, used) != 0 ? place + 2 : 0;
    }
    *used += length + 1;
    if (length > 63 || place + length >= bytes_size || *used > 255)
        return 0;
    for (size_t i = 1; i <= length; i++)
        append(text, "%03u", (unsigned)tolower(bytes[place + i]));
    if (length == 0)
        return place + 1;
    append(text, ".", 0);
    return reference_name(place + length + 1, text, limit, jumps, used);
}

static size_t unpack(size_t place, char text[TEXT_MAX])
{
    size_t used = 0;

    text[0] = 0;
    return reference_name(place, text, place, 0, &used);
}

static unsigned number(size_t at, size_t size)
{
    unsigned value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[at + i];
    return value;
}

/* Where the next record begins; 0: this one is not whole. */
static size_t reference_record(size_t at, struct reference_record *record)
{
    size_t end;

    at = unpack(at, record->owner);
    if (at == 0 || bytes_size - at < 10)
        return 0;
    record->type = number(at, 2);
    record->ttl = number(at + 4, 4) > 0x7FFFFFFF ? 0 : number(at + 4, 4);
    end = at + 10 + number(at + 8, 2);
    if (end > bytes_size)
        return 0;
    record->usable = number(at + 2, 2) == 1;
    record->alias[0] = 0;
    if (record->type == 5)
        record->usable = record->usable && unpack(at + 10, record->alias) == end;
    else if (record->type == 1 || record->type == 28)
        record->usable = record->usable && end - at - 10 == (record->type == 1 ? 4 : 16);
    else
        record->usable = false;
    memset(record->address, 0, 16);
    if (record->usable && record->type != 5)
        memcpy(record->address, bytes + at + 10, end - at - 10);
    return end;
}

static unsigned reference_all(size_t at, struct reference_record *records)
{
    unsigned count = number(6, 2), got = 0;

    while (got < count && got < 256 && (at = reference_record(at, &records[got])) != 0)
        got++;
    return got;
}

/* Through the records of one name, from found on. The alias among them, or NULL. */
static const struct reference_record *follow(const struct reference_record *records, unsigned count, const char *name,
                                             uint32_t *least, struct dns_address *all, unsigned *found)
{
    const struct reference_record *alias = NULL;

    for (unsigned i = 0; i < count; i++) {
        const struct reference_record *record = &records[i];

        if (!record->usable || strcmp(record->owner, name) != 0)
            continue;
        if (record->type == 5) {
            if (alias == NULL && record->ttl < *least)
                *least = record->ttl;
            alias = alias == NULL ? record : alias;
        } else if (*found < DNS_ADDRESSES_MAX) {
            struct dns_address *address = &all[(*found)++];

            address->ip_version = record->type == 1 ? 4 : 6;
            address->ttl_s = record->ttl < *least ? record->ttl : *least;
            memcpy(address->bytes, record->address, 16);
        }
    }
    return alias;
}

/* The question's name, then all addresses. false: it is no answer. */
static bool reference(char question[TEXT_MAX], struct dns_address *all, unsigned *found)
{
    static struct reference_record records[257];
    const char *name = question;
    uint32_t least = 0x7FFFFFFF;
    unsigned count;
    size_t at;

    *found = 0;
    if (bytes_size < 12 || bytes[2] >> 3 != 16 || bytes[3] % 16 != 0 || number(4, 2) != 1)
        return false;
    at = unpack(12, question);
    if (at == 0 || bytes_size - at < 4 || number(at + 2, 2) != 1)
        return false;
    count = reference_all(at + 4, records);
    for (unsigned aliases = 0; aliases < 16 && name != NULL; aliases++) {
        const struct reference_record *alias = follow(records, count, name, &least, all, found);

        name = alias == NULL ? NULL : alias->alias;
    }
    return *found != 0;
}

/* Is the question one that a person could write? A dot within a label is none. */
static bool is_name(const char *question)
{
    char text[TEXT_MAX];
    size_t size = 0;

    for (const char *p = question; *p != 0; size++) {
        if (*p == '.') {
            text[size] = '.';
            p++;
        } else {
            text[size] = (char)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
            if (text[size] == '.')
                return false;
            p += 3;
        }
    }
    return size != 0 && name_is_valid(text, size - 1);
}

static void check(const struct dns_answer *answer, bool taken)
{
    static struct dns_address all[DNS_ADDRESSES_MAX];
    char question[TEXT_MAX], back[TEXT_MAX] = "";
    unsigned found;
    bool expected = reference(question, all, &found) && is_name(question);

    fuzz_check(taken == expected);
    if (!taken)
        return;
    fuzz_check(found == answer->address_count);
    for (unsigned i = 0; i < found; i++) {
        fuzz_check(answer->addresses[i].ip_version == all[i].ip_version);
        fuzz_check(answer->addresses[i].ttl_s == all[i].ttl_s);
        fuzz_check(memcmp(answer->addresses[i].bytes, all[i].bytes, 16) == 0);
    }
    for (size_t i = 0; i < answer->name_size; i++)
        append(back, answer->name[i] == '.' ? "." : "%03u", (unsigned char)answer->name[i]);
    append(back, ".", 0);
    fuzz_check(strcmp(back, question) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_answer answer;
    uint8_t *copy = malloc(size ? size : 1); /* of this size: what is read behind it is noticed */
    bool taken;

    fuzz_check(copy);
    memcpy(copy, data, size);
    bytes = copy;
    bytes_size = size;
    memset(&answer, 0xA5, sizeof(answer));
    taken = dns_message_read(copy, size, &answer);
    check(&answer, taken);
    free(copy);
    return 0;
}
