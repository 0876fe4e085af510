/* SPDX-License-Identifier: MIT */
/*
 * syntax.c - what is said when a token does not fit: found, expected, and what to write instead.
 *
 * The grammar's tables tell which tokens would fit; the words for them depend on what stands before.
 */
#include <stdio.h>
#include <string.h>

#include "grammar.h"
#include "policy/parser.h"
#include "policy/names.h"

static const char *const actions[] = {"permit", "block", "ask", "set", "include", NULL};
static const char *const matchers[] = {"all",       "program", "user", "group", "unit",  "cgroup", "in",
                                       "out",       "proto",   "to",   "from",  "port",  "raw",    "inet",
                                       "icmp-type", "inet6",   "log",  "for",   "until", NULL};

static bool fits(const struct parser *parser, int kind)
{
    return grammar_fits(parser->engine, kind);
}

/* What may stand in the list, or alone, behind the latest word that takes one. */
static const char *list_words(const struct parser *parser)
{
    switch (parser->context.kind) {
    case TOKEN_PROGRAM:
        return "a program's path in quotes, or sha256 and 64 hex digits";
    case TOKEN_USER:
        return "a user's name or number";
    case TOKEN_GROUP:
        return "a group's name or number";
    case TOKEN_UNIT:
        return "a unit's name in quotes";
    case TOKEN_CGROUP:
        return "a control group's path in quotes";
    case TOKEN_PROTO:
        return "a protocol (tcp, udp, icmp, icmp6 or a number)";
    case TOKEN_TO:
    case TOKEN_FROM:
        return parser->depth != 0 ? "an address, prefix, range, name, $set"
                                  : "an address, prefix, range, name, $set, { list } or any";
    case TOKEN_PORT:
        return parser->depth != 0 ? "a port, range, service, $set" : "a port, range, service, $set, { list } or any";
    case TOKEN_ICMP_TYPE:
        return "an ICMP type";
    default:
        return "an address, prefix, range, name, port, service, $set";
    }
}

static const char *expected_words(const struct parser *parser, struct quote *made)
{
    if (fits(parser, TOKEN_PERMIT))
        return "permit, block, ask, set or include";
    if (fits(parser, TOKEN_ALL))
        return fits(parser, TOKEN_END) ? "another matcher (program, to, port, proto ...) or the end of the line"
                                       : "what the rule matches (all, program, to, port, proto ...)";
    if (parser->depth != 0 && fits(parser, TOKEN_RBRACE)) {
        snprintf(made->text, sizeof(made->text), "%.60s or }", list_words(parser));
        return made->text;
    }
    if (parser->last.kind == TOKEN_BANG)
        return "an address, prefix, range, $set or { list } behind the '!'";
    if (fits(parser, TOKEN_NUMBER) && fits(parser, TOKEN_STRING))
        return list_words(parser);
    if (fits(parser, TOKEN_EQUALS))
        return "= and what is in the set";
    if (fits(parser, TOKEN_LBRACE))
        return "{ and what is in the set, or file and a path in quotes";
    if (fits(parser, TOKEN_STRING))
        return "the path of a file in quotes";
    if (fits(parser, TOKEN_NUMBER))
        return "a number of seconds, minutes, hours or days";
    if (fits(parser, TOKEN_WORD))
        return parser->context.kind == TOKEN_SET     ? "the name of the set"
               : parser->context.kind == TOKEN_UNTIL ? "exit or reboot"
               : parser->context.kind == TOKEN_FOR   ? "seconds, minutes, hours or days"
                                                     : "ports, names or the end of the line";
    return "the end of the line";
}

static bool is_among(const char *word, const char *const *words)
{
    while (word != NULL && *words != NULL && strcmp(*words, word) != 0)
        words++;
    return word != NULL && *words != NULL;
}

/* The word of the list that it was meant as. */
static const char *meant(const struct token *token, const char *const *words)
{
    const char *word = names_meant(token->at, token->length, false);

    if (!is_among(word, words))
        word = names_near(token->at, token->length, words);
    if (word == NULL)
        word = names_meant(token->at, token->length, true);
    return is_among(word, words) ? word : NULL;
}

/* What 'to' stands before. */
static bool is_place(const struct token *token)
{
    return token->kind == TOKEN_ADDRESS || token->kind == TOKEN_VARIABLE || token->kind == TOKEN_ANY ||
           token->kind == TOKEN_NAME || (token->kind == TOKEN_WORD && memchr(token->at, '.', token->length) != NULL);
}

static void suggest_matcher(const struct parser *parser, const struct token *token, struct bytes *into)
{
    const char *word = meant(token, matchers);
    int length = token->length > 40 ? 40 : (int)token->length;

    if (token->kind == TOKEN_WORD && word != NULL)
        bytes_print(into, "'%s'", word);
    else if (token->kind == TOKEN_STRING)
        bytes_print(into, "'program %.*s'", length, token->at);
    else if (token->kind == TOKEN_PATH)
        bytes_print(into, "'program \"%.*s\"'", length, token->at);
    else if (is_place(token))
        bytes_print(into, "'to %.*s'", length, token->at);
    else if (token->kind == TOKEN_NUMBER)
        bytes_print(into, "'port %.*s'", length, token->at);
    else if (token->kind == TOKEN_BANG)
        bytes_print(into, "'to ! ...'");
    else if (token->kind == TOKEN_HEX || token->kind == TOKEN_SHA256)
        bytes_print(into, "'program sha256 ...'");
    else if (token->kind == TOKEN_NEWLINE || token->kind == TOKEN_END)
        bytes_print(into, "'%.*s all' for every connection", (int)parser->last.length, parser->last.at);
    else if (token->kind == TOKEN_COMMA)
        bytes_print(into, "no comma between matchers");
    else if (token->kind == TOKEN_PERMIT || token->kind == TOKEN_BLOCK || token->kind == TOKEN_ASK)
        bytes_print(into, "each rule on a line of its own");
}

static void suggest_value(const struct parser *parser, const struct token *token, struct bytes *into)
{
    int length = token->length > 40 ? 40 : (int)token->length;

    if (token->kind == TOKEN_PATH)
        bytes_print(into, "\"%.*s\"", length, token->at);
    else if (token->kind == TOKEN_BANG)
        bytes_print(into, "the '!' before the {, it turns the whole list round");
    else if (token->kind == TOKEN_LBRACE)
        bytes_print(into, "one list without another in it");
    else if (parser->context.kind == TOKEN_TO || parser->context.kind == TOKEN_FROM) {
        if (token->kind == TOKEN_PORT)
            bytes_print(into, "'%.*s any port ...'", (int)parser->context.length, parser->context.at);
        else if (token->kind == TOKEN_ANY && parser->last.kind == TOKEN_BANG)
            bytes_print(into, "the addresses that it is not for");
    }
}

static void suggest_action(const struct token *token, struct bytes *into)
{
    const char *action = token->kind == TOKEN_WORD ? meant(token, actions) : NULL;
    const char *matcher = token->kind == TOKEN_WORD ? meant(token, matchers) : NULL;

    if (action != NULL)
        bytes_print(into, "'%s'", action);
    else if (matcher != NULL)
        bytes_print(into, "'permit', 'block' or 'ask' first, then '%s'", matcher);
    else if (token->kind != TOKEN_WORD && token->kind != TOKEN_STRANGE && token->kind != TOKEN_RBRACE)
        bytes_print(into, "'permit', 'block' or 'ask' first");
}

/* Behind the = of a set. */
static void suggest_content(const struct token *token, struct bytes *into)
{
    int length = token->length > 40 ? 40 : (int)token->length;

    if (token->kind == TOKEN_STRING)
        bytes_print(into, "'file %.*s'", length, token->at);
    else if (token->kind != TOKEN_NEWLINE && token->kind != TOKEN_END)
        bytes_print(into, "'{ %.*s }'", length, token->at);
}

static void suggest(const struct parser *parser, const struct token *token, struct bytes *into)
{
    int length = token->length > 40 ? 40 : (int)token->length;
    bool is_word = token->length > 1 && *token->at >= 'a' && *token->at <= 'z';

    if (fits(parser, TOKEN_PERMIT))
        suggest_action(token, into);
    else if (fits(parser, TOKEN_ALL))
        suggest_matcher(parser, token, into);
    else if (fits(parser, TOKEN_VARIABLE))
        suggest_value(parser, token, into);
    else if (fits(parser, TOKEN_EQUALS))
        bytes_print(into, "'='");
    else if (fits(parser, TOKEN_LBRACE))
        suggest_content(token, into);
    else if (fits(parser, TOKEN_WORD) && parser->context.kind == TOKEN_SET && token->kind != TOKEN_WORD && is_word)
        bytes_print(into, "another name, '%.*s' is a word of the language", length, token->at);
    else if (fits(parser, TOKEN_STRING) && (token->kind == TOKEN_PATH || token->kind == TOKEN_WORD))
        bytes_print(into, "\"%.*s\"", length, token->at);
}

/* What no part of the grammar knows. True: it is said. */
static bool strange_fail(struct parser *parser, const struct token *token)
{
    unsigned char c = (unsigned char)*token->at;
    struct quote quote;

    if (token->kind == TOKEN_OPEN) {
        parser_fail(parser, token, "found %s without its end; expected another \" in the same line; write it",
                    quote_token(token, &quote));
        return true;
    }
    if (token->kind != TOKEN_STRANGE)
        return false;
    if (c < ' ' || c == 0x7f)
        parser_fail(parser, token, "found a byte 0x%02x; expected text; take it out", c);
    else if (c == '\'')
        parser_fail(parser, token, "found '; expected \"; write strings in double quotes");
    else if (token->length >= 3 && memcmp(token->at, "\xe2\x80", 2) == 0 && (unsigned char)token->at[2] < 0x96)
        parser_fail(parser, token, "found %s; expected '-', the one of ASCII; write it instead",
                    quote_token(token, &quote));
    else if (token->length >= 3 && memcmp(token->at, "\xe2\x80", 2) == 0)
        parser_fail(parser, token, "found %s; expected \"; write strings in double quotes", quote_token(token, &quote));
    else if (c == ';')
        parser_fail(parser, token, "found ';'; expected the end of the line; write one rule a line");
    else if (c == '(' || c == '[')
        parser_fail(parser, token, "found '%c'; expected {; write lists as { a, b }", c);
    else if (c == '\\')
        parser_fail(parser, token,
                    "found '\\'; expected nothing behind it; a line goes on when '\\' is its last character");
    else if (c == '$')
        parser_fail(parser, token, "found '$'; expected the name of a set at once behind it; write '$name'");
    else if (c == '%')
        parser_fail(parser, token, "found '%%'; expected an address without a zone; leave out what follows the '%%'");
    else if (c == '*')
        parser_fail(parser, token, "found '*'; expected any, or a pattern in quotes; write 'any', or \"/path/*\"");
    else
        return false;
    return true;
}

void syntax_fail(struct parser *parser, const struct token *token)
{
    struct quote quote, made;
    struct bytes instead = {0};
    const char *expected;

    if (strange_fail(parser, token))
        return;
    expected = expected_words(parser, &made);
    suggest(parser, token, &instead);
    if (instead.size == 0)
        parser_fail(parser, token, "found %s; expected %s", quote_token(token, &quote), expected);
    else
        parser_fail(parser, token, "found %s; expected %s; write %.*s%s", quote_token(token, &quote), expected,
                    (int)instead.size, (const char *)instead.at,
                    ((const char *)instead.at)[0] == '\'' && instead.at[instead.size - 1] == '\'' ? " instead" : "");
    bytes_cleanup(&instead);
}
