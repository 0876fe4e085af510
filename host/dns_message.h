/* SPDX-License-Identifier: MIT */
/*
 * dns_message.h - the addresses in an answer of a name server (RFC 1035; AAAA: RFC 3596).
 *
 * The bytes come from the network and are not trusted: nothing behind the message is read, a compressed name only
 * points backwards, and everything is bounded. An answer says that the question's name has these addresses: those
 * records A and AAAA that belong to it, or to what its CNAME records lead to. All else in the message, and every other
 * section, is of no interest. A message that was cut counts as far as its records are whole.
 *
 * Pure code, no OS header but for memory. tests/fuzz drives it alone.
 */
#ifndef HOST_DNS_MESSAGE_H
#define HOST_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX      253u
#define DNS_ADDRESSES_MAX 64u /* of one answer; more are left out */

struct dns_address {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t bytes[16];  /* IPv4 in the first four, the rest zero */
    uint32_t ttl_s;     /* the least of all records on the way to it */
};

struct dns_answer {
    size_t name_size;
    char name[DNS_NAME_MAX]; /* the question's: lower case, no final dot; core/name_pattern.h says it is one */
    unsigned address_count;
    struct dns_address addresses[DNS_ADDRESSES_MAX];
};

/* False: it is no answer, or has no address for a name. *answer only when true. */
bool dns_message_read(const uint8_t *message, size_t size, struct dns_answer *answer);

#endif
