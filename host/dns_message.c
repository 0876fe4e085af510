/* SPDX-License-Identifier: MIT */
/*
 * dns_message.c - see dns_message.h.
 *
 * Names are compared as RFC 1035 compares them: label by label, letters in either case the same. They are unpacked into
 * the form they have on the wire without compression; only the question's becomes text.
 */
#include "host/dns_message.h"

#include <string.h>

#include "core/name_pattern.h"

#define HEADER     12u
#define WIRE_MAX   255u
#define RECORDS    256u /* looked at, of one answer */
#define CHAIN_MAX  16u  /* CNAME records followed */
#define JUMPS_MAX  32u  /* pointers in one name */
#define TYPE_A     1u
#define TYPE_CNAME 5u
#define TYPE_AAAA  28u
#define CLASS_IN   1u
#define TTL_MAX    0x7FFFFFFFu /* RFC 2181, 8: more is none */

struct wire_name {
    size_t size;
    uint8_t bytes[WIRE_MAX];
};

struct record {
    struct wire_name owner;
    uint32_t ttl;
    uint16_t type, class, data_size;
    size_t data; /* where */
};

struct message {
    const uint8_t *bytes;
    size_t size;
};

static uint16_t read16(const struct message *m, size_t at)
{
    return (uint16_t)(m->bytes[at] << 8 | m->bytes[at + 1]);
}

static uint32_t read32(const struct message *m, size_t at)
{
    return (uint32_t)read16(m, at) << 16 | read16(m, at + 2);
}

/* Unpacks the name at *at and moves *at behind it. Each pointer leads further to the front than all before, so the way
 * ends. */
static bool read_name(const struct message *m, size_t *at, struct wire_name *name)
{
    size_t place = *at, lowest = *at;
    unsigned jumps = 0;

    name->size = 0;
    for (;;) {
        uint8_t length;

        if (place >= m->size)
            return false;
        length = m->bytes[place];
        if (length >= 0xC0) {
            if (place + 2 > m->size)
                return false;
            if (jumps == 0)
                *at = place + 2;
            place = (size_t)(length & 0x3F) << 8 | m->bytes[place + 1];
            if (place >= lowest || ++jumps > JUMPS_MAX)
                return false;
            lowest = place;
            continue;
        }
        if (length > 63 || (size_t)length + 1 > m->size - place || name->size + length + 1 > WIRE_MAX)
            return false;
        memcpy(name->bytes + name->size, m->bytes + place, (size_t)length + 1);
        name->size += (size_t)length + 1;
        place += (size_t)length + 1;
        if (length == 0)
            break;
    }
    if (jumps == 0)
        *at = place;
    return true;
}

static uint8_t fold(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

/* A label's length is below the letters: it can be folded too. */
static bool same_name(const struct wire_name *a, const struct wire_name *b)
{
    if (a->size != b->size)
        return false;
    for (size_t i = 0; i < a->size; i++) {
        if (fold(a->bytes[i]) != fold(b->bytes[i]))
            return false;
    }
    return true;
}

/* False: it is no name that a person could write. */
static bool name_text(const struct wire_name *name, struct dns_answer *answer)
{
    char text[WIRE_MAX];
    size_t size = 0;

    for (size_t at = 0; name->bytes[at] != 0; at += (size_t)name->bytes[at] + 1) {
        if (size != 0)
            text[size++] = '.';
        if (memchr(name->bytes + at + 1, '.', name->bytes[at]))
            return false;
        memcpy(text + size, name->bytes + at + 1, name->bytes[at]);
        size += name->bytes[at];
    }
    if (!name_is_valid(text, size))
        return false;
    name_fold(answer->name, text, size);
    answer->name_size = size;
    return true;
}

static bool read_record(const struct message *m, size_t *at, struct record *record)
{
    if (!read_name(m, at, &record->owner) || m->size - *at < 10)
        return false;
    record->type = read16(m, *at);
    record->class = read16(m, *at + 2);
    record->ttl = read32(m, *at + 4);
    if (record->ttl > TTL_MAX)
        record->ttl = 0;
    record->data_size = read16(m, *at + 8);
    record->data = *at + 10;
    if (record->data_size > m->size - record->data)
        return false;
    *at = record->data + record->data_size;
    return true;
}

static void take_address(const struct message *m, const struct record *record, uint32_t ttl, struct dns_answer *answer)
{
    struct dns_address *address = &answer->addresses[answer->address_count];
    bool v4 = record->type == TYPE_A;

    if (answer->address_count == DNS_ADDRESSES_MAX || record->data_size != (v4 ? 4 : 16))
        return;
    memset(address, 0, sizeof(*address));
    address->ip_version = v4 ? 4 : 6;
    memcpy(address->bytes, m->bytes + record->data, record->data_size);
    address->ttl_s = record->ttl < ttl ? record->ttl : ttl;
    answer->address_count++;
}

/* Once through the answers for one name: takes its addresses. True: it is an alias, *name is now what for. */
static bool read_answers(const struct message *m, size_t at, unsigned count, struct wire_name *name, uint32_t *ttl,
                         struct dns_answer *answer)
{
    struct wire_name target;
    struct record record;
    bool alias = false;

    for (unsigned i = 0; i < count && read_record(m, &at, &record); i++) {
        size_t place = record.data;

        if (record.class != CLASS_IN || !same_name(&record.owner, name))
            continue;
        if (record.type == TYPE_A || record.type == TYPE_AAAA) {
            take_address(m, &record, *ttl, answer);
        } else if (record.type == TYPE_CNAME && !alias && read_name(m, &place, &target) &&
                   place == record.data + record.data_size) {
            alias = true;
            if (record.ttl < *ttl)
                *ttl = record.ttl;
        }
    }
    if (alias)
        *name = target;
    return alias;
}

bool dns_message_read(const uint8_t *message, size_t size, struct dns_answer *answer)
{
    struct message m = {message, size};
    struct dns_answer found;
    struct wire_name name;
    uint32_t ttl = TTL_MAX;
    size_t at = HEADER;
    unsigned count;

    /* A response to a standard query with one question, without an error. */
    if (size < HEADER || (message[2] & 0xF8) != 0x80 || (message[3] & 0x0F) != 0 || read16(&m, 4) != 1)
        return false;
    if (!read_name(&m, &at, &name) || size - at < 4 || read16(&m, at + 2) != CLASS_IN)
        return false;
    at += 4;
    found.address_count = 0;
    if (!name_text(&name, &found))
        return false;
    count = read16(&m, 6);
    if (count > RECORDS)
        count = RECORDS;
    for (unsigned i = 0; i < CHAIN_MAX && read_answers(&m, at, count, &name, &ttl, &found); i++)
        ;
    if (found.address_count == 0)
        return false;
    *answer = found;
    return true;
}
