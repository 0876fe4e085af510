/* SPDX-License-Identifier: MIT */
/*
 * value.c - items of lists and what they mean: addresses, ports, strings, numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "grammar.h"
#include "policy/parser.h"
#include "policy/names.h"
#include "policy/windows_path.h"

void value_add_item(struct parser *parser, const struct token *first, const struct token *last, bool sha256)
{
    if (parser->item_count == parser->item_capacity) {
        uint32_t capacity = parser->item_capacity == 0 ? 64 : parser->item_capacity * 2;
        struct item *items = realloc(parser->items, capacity * sizeof(*items));

        if (items == NULL) {
            parser_no_memory(parser);
            return;
        }
        parser->items = items;
        parser->item_capacity = capacity;
    }
    if (parser->item_count == GATEHOUSE_SET_RANGES_MAX) {
        parser_fail(parser, first, "found more than %u things in one list; write some of them in another rule or set",
                    GATEHOUSE_SET_RANGES_MAX);
        return;
    }
    parser->items[parser->item_count] = (struct item){.first = *first, .sha256 = sha256};
    if (last != NULL)
        parser->items[parser->item_count].last = *last;
    parser->item_count++;
}

bool value_number(const struct token *token, uint64_t limit, uint64_t *number)
{
    uint64_t value = 0;

    if (token->kind != TOKEN_NUMBER || token->length > 18)
        return false;
    for (uint32_t i = 0; i < token->length; i++)
        value = value * 10 + (uint64_t)(token->at[i] - '0');
    if (value > limit)
        return false;
    *number = value;
    return true;
}

/* --- Addresses ------------------------------------------------------------------------------ */

struct address {
    bool v6;
    uint32_t v4;
    uint8_t bytes[16];
};

static bool read_address(const char *text, size_t length, struct address *address)
{
    address->v6 = memchr(text, ':', length) != NULL;
    return address->v6 ? address_read_v6(text, length, address->bytes) : address_read_v4(text, length, &address->v4);
}

bool value_address_fail(struct parser *parser, const struct token *token)
{
    struct quote quote;
    const char *text = quote_token(token, &quote);

    if (token->kind == TOKEN_WORD && names_number(NAMES_SERVICE, token->at, token->length, &(uint16_t){0}))
        parser_fail(parser, token, "found %s; expected an address; write 'any port %.*s' for the service", text,
                    (int)token->length, token->at);
    else if (token->kind == TOKEN_WORD)
        parser_fail(parser, token,
                    "found %s; expected an address, prefix, range, name, $set or any; write \"%.*s\" if it is a name "
                    "without a dot",
                    text, token->length > 60 ? 60 : (int)token->length, token->at);
    else if (token->kind == TOKEN_NUMBER)
        parser_fail(parser, token, "found %s; expected an address; write 'any port %.40s' for a port", text, text + 1);
    else if (token->kind == TOKEN_STRING)
        parser_fail(parser, token, "found %s; expected an address; write it without quotes", text);
    else
        parser_fail(parser, token,
                    "found %s; expected an address (192.0.2.1 or 2001:db8::1), a prefix (10.0.0.0/8) or a range "
                    "(10.0.0.1-10.0.0.9)",
                    text);
    return false;
}

static bool prefix_fail(struct parser *parser, const struct token *token, unsigned most)
{
    struct quote quote;

    parser_fail(parser, token, "found %s; expected a prefix length from 0 to %u; write '/%u' for one address",
                quote_token(token, &quote), most, most);
    return false;
}

static bool add_prefix(struct parser *parser, const struct token *token, const char *slash, struct ranges *into)
{
    struct token bits_token = {slash + 1, (uint32_t)(token->at + token->length - slash - 1), TOKEN_NUMBER};
    struct address address;
    uint64_t bits = 0;

    if (!read_address(token->at, (size_t)(slash - token->at), &address))
        return value_address_fail(parser, token);
    for (uint32_t i = 0; i < bits_token.length; i++) {
        if (bits_token.at[i] < '0' || bits_token.at[i] > '9')
            return prefix_fail(parser, token, address.v6 ? 128 : 32);
    }
    if (bits_token.length == 0 || !value_number(&bits_token, address.v6 ? 128 : 32, &bits))
        return prefix_fail(parser, token, address.v6 ? 128 : 32);
    if (address.v6) {
        struct gatehouse_range_v6 range;

        prefix_range_v6(address.bytes, (unsigned)bits, range.low, range.high);
        ranges_add_v6(into, range.low, range.high);
    } else {
        struct gatehouse_range_v4 range;

        prefix_range_v4(address.v4, (unsigned)bits, &range.low, &range.high);
        ranges_add_v4(into, range.low, range.high);
    }
    return true;
}

static bool add_address_range(struct parser *parser, const struct item *item, struct ranges *into)
{
    const struct token *first = &item->first, *last = &item->last;
    struct quote quote, other;
    struct address low, high;

    if (first->kind != TOKEN_ADDRESS || !read_address(first->at, first->length, &low))
        return value_address_fail(parser, first);
    if (last->kind != TOKEN_ADDRESS || !read_address(last->at, last->length, &high))
        return value_address_fail(parser, last);
    if (low.v6 != high.v6) {
        parser_fail(parser, last, "found %s as the end of a range from %s; expected two addresses of the same family",
                    quote_token(last, &quote), quote_token(first, &other));
        return false;
    }
    if (low.v6 ? memcmp(low.bytes, high.bytes, 16) > 0 : low.v4 > high.v4) {
        parser_fail(parser, first, "found a range that ends before it begins; write '%.*s-%.*s' instead",
                    (int)last->length, last->at, (int)first->length, first->at);
        return false;
    }
    if (low.v6)
        ranges_add_v6(into, low.bytes, high.bytes);
    else
        ranges_add_v4(into, low.v4, high.v4);
    return true;
}

static struct named_set *named(struct parser *parser, const struct token *token, bool ports)
{
    struct named_set *set = set_find(parser, token);

    if (set != NULL && !(ports ? set->ports : set->addresses || set->names)) {
        struct quote quote;

        if (ports)
            parser_fail(parser, token, "found %s, a set of %s; expected a set of ports", quote_token(token, &quote),
                        set->names ? "names" : "addresses");
        else
            parser_fail(parser, token, "found %s, a set of ports; expected a set of addresses; write 'any port %.*s'",
                        quote_token(token, &quote), (int)token->length, token->at);
        return NULL;
    }
    return set;
}

bool value_address(struct parser *parser, const struct item *item, struct ranges *into)
{
    const struct token *token = &item->first;
    const char *slash = memchr(token->at, '/', token->length);
    struct address address;

    if (item->sha256) {
        parser_fail(parser, token, "found sha256; expected an address; write 'program sha256 ...'");
        return false;
    }
    if (host_name_is(parser, item)) {
        host_name_mixed_fail(parser, token, false);
        return false;
    }
    if (item->last.at != NULL)
        return add_address_range(parser, item, into);
    if (token->kind == TOKEN_VARIABLE) {
        struct named_set *set = named(parser, token, false);

        if (set != NULL)
            ranges_add_all(into, &set->ranges);
        return set != NULL;
    }
    if (token->kind != TOKEN_ADDRESS)
        return value_address_fail(parser, token);
    if (slash != NULL)
        return add_prefix(parser, token, slash, into);
    if (!read_address(token->at, token->length, &address))
        return value_address_fail(parser, token);
    if (address.v6)
        ranges_add_v6(into, address.bytes, address.bytes);
    else
        ranges_add_v4(into, address.v4, address.v4);
    return true;
}

/* --- Ports ---------------------------------------------------------------------------------- */

static bool port_fail(struct parser *parser, const struct token *token)
{
    struct quote quote;
    const char *text = quote_token(token, &quote), *near;

    if (token->kind == TOKEN_NUMBER)
        parser_fail(parser, token, "found %s; expected a port from 0 to 65535", text);
    else if (token->kind == TOKEN_ADDRESS && memchr(token->at, ':', token->length) != NULL)
        parser_fail(parser, token, "found %s; expected a port; write a range as 1000-2000", text);
    else if (token->kind == TOKEN_WORD && (near = names_near_in(NAMES_SERVICE, token->at, token->length)) != NULL)
        parser_fail(parser, token, "found %s; expected a port or service; write '%s' instead", text, near);
    else if (token->kind == TOKEN_WORD)
        parser_fail(parser, token, "found %s; expected a port or service; write the port's number", text);
    else
        parser_fail(parser, token, "found %s; expected a port from 0 to 65535, a range (1000-2000), a service or $set",
                    text);
    return false;
}

bool value_port(struct parser *parser, const struct item *item, struct ranges *into)
{
    const struct token *token = &item->first;
    uint64_t low, high;
    uint16_t number;

    if (token->kind == TOKEN_VARIABLE && item->last.at == NULL) {
        struct named_set *set = named(parser, token, true);

        if (set != NULL)
            ranges_add_all(into, &set->ranges);
        return set != NULL;
    }
    if (token->kind == TOKEN_WORD && item->last.at == NULL &&
        names_number(NAMES_SERVICE, token->at, token->length, &number)) {
        ranges_add_port(into, number, number);
        return true;
    }
    if (item->sha256 || !value_number(token, UINT16_MAX, &low))
        return port_fail(parser, token);
    high = low;
    if (item->last.at != NULL && !value_number(&item->last, UINT16_MAX, &high))
        return port_fail(parser, &item->last);
    if (low > high) {
        parser_fail(parser, token, "found a range that ends before it begins; write '%u-%u' instead", (unsigned)high,
                    (unsigned)low);
        return false;
    }
    ranges_add_port(into, (uint16_t)low, (uint16_t)high);
    return true;
}

/* --- Lists ---------------------------------------------------------------------------------- */

/* A list that begins with a name. */
static bool take_names(struct parser *parser, struct operand *into)
{
    into->host_name = parser->items[0].first;
    if (into->negated)
        return host_name_negated(parser, &into->host_name);
    for (uint32_t i = 0; i < parser->item_count; i++) {
        if (!host_name_take(parser, &parser->items[i], &into->host_names))
            return false;
    }
    parser->item_count = 0;
    return true;
}

static bool take_items(struct parser *parser, struct operand *into, bool ports)
{
    bool (*take)(struct parser *, const struct item *, struct ranges *) = ports ? value_port : value_address;

    ranges_clear(&into->ranges);
    into->host_names.size = 0;
    into->host_name = (struct token){0};
    into->any = parser->any;
    into->negated = parser->negated;
    into->named = NULL;
    parser->any = false;
    parser->negated = false;
    if (parser->item_count == 1 && parser->items[0].first.kind == TOKEN_VARIABLE && !into->negated &&
        parser->items[0].last.at == NULL && !parser->items[0].sha256) {
        into->named = named(parser, &parser->items[0].first, ports);
        parser->item_count = 0;
        if (into->named != NULL && into->named->names && !into->named->addresses)
            into->host_name = parser->items[0].first;
        return into->named != NULL;
    }
    if (!ports && parser->item_count != 0 && host_name_is(parser, &parser->items[0]))
        return take_names(parser, into);
    for (uint32_t i = 0; i < parser->item_count; i++) {
        if (!take(parser, &parser->items[i], &into->ranges))
            return false;
    }
    parser->item_count = 0;
    if (ranges_failed(&into->ranges)) {
        parser_no_memory(parser);
        return false;
    }
    return true;
}

bool value_addresses(struct parser *parser, struct operand *into)
{
    return take_items(parser, into, false);
}

bool value_ports(struct parser *parser, struct operand *into)
{
    return take_items(parser, into, true);
}

/* --- Strings -------------------------------------------------------------------------------- */

static bool is_octal(const char *text)
{
    return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' && text[2] >= '0' && text[2] <= '7';
}

/* The character that an escape at c (behind its backslash) stands for, and how long it is; -1: no escape. */
static int escaped(const char *c, unsigned *length)
{
    *length = 1;
    switch (*c) {
    case '\\':
    case '"':
    case '*':
    case '?':
        return *c;
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        *length = 3;
        return is_octal(c) ? (c[0] - '0') * 64 + (c[1] - '0') * 8 + (c[2] - '0') : -1;
    }
}

static bool escape_fail(struct parser *parser, const struct token *token, const char *at)
{
    struct token place = {at, 2, token->kind};

    parser_fail(parser, &place,
                "found '%.2s' in a string; expected \\\\ \\\" \\* \\? \\n \\t \\r or three octal digits behind a "
                "backslash; write '\\\\' for a backslash",
                at);
    return false;
}

static void add_literal(struct parser *parser, char c)
{
    bytes_add(&parser->plain, &c, 1);
    if (c == '\\' || c == '*' || c == '?')
        bytes_add(&parser->pattern, "\\", 1);
    bytes_add(&parser->pattern, &c, 1);
}

bool value_string(struct parser *parser, const struct token *token, bool *wild)
{
    const char *c = token->at + 1, *end = token->at + token->length - 1;
    bool windows = is_windows_path(c, (size_t)(end - c));

    parser->plain.size = 0;
    parser->pattern.size = 0;
    *wild = false;
    while (c < end) {
        unsigned length = 1;
        int value;

        if (*c == '*' || *c == '?')
            *wild = true;
        if (windows || *c != '\\') {
            bytes_add(&parser->plain, c, 1);
            bytes_add(&parser->pattern, c++, 1);
            continue;
        }
        value = escaped(c + 1, &length);
        if (value <= 0)
            return escape_fail(parser, token, c);
        add_literal(parser, (char)value);
        c += 1 + length;
    }
    if (parser->plain.failed || parser->pattern.failed) {
        parser_no_memory(parser);
        return false;
    }
    return true;
}
