/* SPDX-License-Identifier: MIT */
/*
 * host_name.c - names of hosts in lists of addresses: "example.org", "*.example.org".
 *
 * A list is of names or of addresses, never both: they are different kinds of parts. A name is kept as
 * core/name_pattern.h has it: ASCII, lower case; what is written in Unicode is converted by the system (policy.h,
 * find_ascii).
 */
#include <string.h>

#include "core/name_pattern.h"
#include "grammar.h"
#include "policy/address.h"
#include "policy/parser.h"

/* What is written, without quotes. */
struct written {
    const char *at;
    size_t length;
};

static struct written written_of(const struct token *token)
{
    if (token->kind == TOKEN_STRING)
        return (struct written){token->at + 1, token->length - 2};
    return (struct written){token->at, token->length};
}

static bool has(struct written written, char c)
{
    return memchr(written.at, c, written.length) != NULL;
}

/* 3com.example is a name; 192.0.2.x, or one with one letter at its end, is a slip in an address. */
static bool is_slip(struct written written)
{
    return written.at[0] >= '0' && written.at[0] <= '9' && written.length > 2 && written.at[written.length - 2] == '.';
}

bool host_name_is(struct parser *parser, const struct item *item)
{
    const struct token *token = &item->first;
    struct written written = written_of(token);
    const struct named_set *set;
    uint32_t v4;

    if (item->sha256)
        return false;
    switch (token->kind) {
    case TOKEN_NAME:
        return !is_slip(written);
    case TOKEN_WORD:
        return has(written, '.');
    case TOKEN_STRING:
        return written.length != 0 && !has(written, ':') && !has(written, '/') &&
               !address_read_v4(written.at, written.length, &v4);
    case TOKEN_VARIABLE:
        set = set_find_quietly(parser, token);
        return set != NULL && set->names && !set->addresses;
    default:
        return false;
    }
}

void host_name_mixed_fail(struct parser *parser, const struct token *token, bool among_names)
{
    struct quote quote;

    parser_fail(parser, token, "found %s in a list of %s; expected either names or addresses; write a rule for each",
                quote_token(token, &quote), among_names ? "names" : "addresses");
}

/* --- One name --------------------------------------------------------------------------------- */

static bool is_ascii(struct written written)
{
    for (size_t i = 0; i < written.length; i++) {
        if ((unsigned char)written.at[i] >= 0x80)
            return false;
    }
    return true;
}

/* Why it is none. */
static bool name_fail(struct parser *parser, const struct token *token, struct written name)
{
    struct quote quote;
    const char *text = quote_token(token, &quote), *sign = memchr(name.at, '@', name.length);
    int length = name.length > 60 ? 60 : (int)name.length;

    if (sign != NULL && sign + 1 < name.at + name.length)
        parser_fail(parser, token, "found %s; expected the name of a host; write '%.*s' instead", text,
                    length - (int)(sign + 1 - name.at) < 0 ? 0 : length - (int)(sign + 1 - name.at), sign + 1);
    else if (has(name, '*'))
        parser_fail(parser, token,
                    "found %s; expected '*' alone before the first dot, for all names below; write '*.example.org'",
                    text);
    else if (name.length > 1 && name.at[name.length - 1] == '.')
        parser_fail(parser, token, "found %s; expected a name without a dot at its end; write '%.*s' instead", text,
                    name.length > 60 ? 60 : (int)name.length - 1, name.at);
    else
        parser_fail(parser, token,
                    "found %s; expected a name: labels of 1 to 63 letters, digits, '-' and '_' with dots between them, "
                    "%u bytes at most",
                    text, GATEHOUSE_NAME_MAX);
    return false;
}

/* The name in Unicode to ascii, without the "*." that it may begin with. */
static bool convert(struct parser *parser, const struct token *token, struct written name, char *ascii)
{
    const struct policy_system *system = &parser->policy->system;
    char unicode[4 * GATEHOUSE_NAME_MAX + 1];
    const char *why = "it is too long";
    struct quote quote;

    if (system->find_ascii == NULL) {
        parser_fail(parser, token,
                    "found %s; expected ASCII, which this system cannot make of it; write its form that begins with "
                    "xn--",
                    quote_token(token, &quote));
        return false;
    }
    if (name.length < sizeof(unicode)) {
        memcpy(unicode, name.at, name.length);
        unicode[name.length] = '\0';
        if (system->find_ascii(system->context, unicode, ascii, &why))
            return true;
    }
    parser_fail(parser, token, "found %s; expected a name; %.200s", quote_token(token, &quote), why);
    return false;
}

static bool add_name(struct parser *parser, const struct token *token, struct bytes *into)
{
    struct written name = written_of(token);
    bool below = name.length > 2 && memcmp(name.at, "*.", 2) == 0;
    char pattern[POLICY_NAME_ASCII_MAX + 2], ascii[POLICY_NAME_ASCII_MAX];
    uint8_t size;
    uint32_t v4;

    if (address_read_v4(name.at, name.length, &v4)) {
        host_name_mixed_fail(parser, token, true);
        return false;
    }
    if (below)
        name = (struct written){name.at + 2, name.length - 2};
    if (!is_ascii(name)) {
        if (has(name, '*'))
            return name_fail(parser, token, name);
        if (!convert(parser, token, name, ascii))
            return false;
        name = (struct written){ascii, strlen(ascii)};
    }
    if (name.length + 2 > GATEHOUSE_NAME_MAX || !name_is_valid(name.at, name.length))
        return name_fail(parser, token, name);
    memcpy(pattern, "*.", 2);
    name_fold(pattern + 2, name.at, name.length);
    size = (uint8_t)(below ? name.length + 2 : name.length);
    bytes_add(into, &size, 1);
    bytes_add(into, below ? pattern : pattern + 2, size);
    if (into->failed)
        parser_no_memory(parser);
    return !into->failed;
}

bool host_name_take(struct parser *parser, const struct item *item, struct bytes *into)
{
    const struct token *token = &item->first;

    if (!host_name_is(parser, item)) {
        if (token->kind == TOKEN_WORD)
            value_address_fail(parser, token);
        else
            host_name_mixed_fail(parser, token, true);
        return false;
    }
    if (item->last.at != NULL) {
        parser_fail(parser, token, "found a range of names; expected them one by one; write { a.example, b.example }");
        return false;
    }
    if (token->kind == TOKEN_VARIABLE) {
        const struct named_set *set = set_find_quietly(parser, token);

        bytes_add(into, set->host_names.at, set->host_names.size);
        if (into->failed)
            parser_no_memory(parser);
        return !into->failed;
    }
    return add_name(parser, token, into);
}

/* --- Of a rule -------------------------------------------------------------------------------- */

bool host_name_negated(struct parser *parser, const struct token *token)
{
    struct quote quote;

    parser_fail(parser, token,
                "found ! before %s; expected addresses, for what is not looked up has no name; write a rule for the "
                "names and one for the rest behind it",
                quote_token(token, &quote));
    return false;
}

void host_name_of_sender(struct parser *parser, const struct token *token)
{
    struct quote quote;

    parser_fail(parser, token,
                "found %s behind 'from'; expected addresses: only what this machine connects to has a name; write 'to' "
                "or an address",
                quote_token(token, &quote));
}

void host_name_parts(struct parser *parser, const struct operand *operand)
{
    const struct bytes *names = operand->named != NULL ? &operand->named->host_names : &operand->host_names;
    struct quote quote;

    if ((parser->draft.rule.direction & GATEHOUSE_RULE_IN) != 0) {
        parser_fail(
            parser, &operand->host_name,
            "found %s in a rule for what comes in; expected addresses: only what this machine connects to has a "
            "name; leave out 'in'",
            quote_token(&operand->host_name, &quote));
        return;
    }
    for (size_t at = 0; at < names->size && !parser->failed; at += 1u + names->at[at])
        rule_part(parser, GATEHOUSE_PART_NAME, names->at + at + 1, names->at[at]);
}
