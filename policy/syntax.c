/* SPDX-License-Identifier: MIT */
/*
 * syntax.c - what is said when a token does not fit: found, expected, and what to write instead.
 *
 * The grammar's tables tell which tokens would fit; the words for them depend on what stands before.
 */
#include <stdio.h>
#include <string.h>

#include "policy/grammar_tokens.h"
#include "policy/names.h"

static const char *const actions[] = {"permit", "block", "ask", "set", "include", NULL};
static const char *const matchers[] = {"all",       "program", "user", "group", "unit",  "cgroup", "in",
                                       "out",       "proto",   "to",   "from",  "port",  "raw",    "inet",
                                       "icmp-type", "inet6",   "log",  "for",   "until", NULL};

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
        return "an address, prefix, range, $set, a list of them in { } or any";
    case TOKEN_PORT:
        return "a port, range of ports, service, $set, a list of them in { } or any";
    case TOKEN_ICMP_TYPE:
        return "an ICMP type";
    default:
        return "an address, prefix, range, port, service or $set";
    }
}

static const char *expected_words(const struct parser *parser, bool (*fits)(void *engine, int kind), void *engine,
                                  struct quote *made)
{
    if (fits(engine, TOKEN_PERMIT))
        return "permit, block, ask, set or include";
    if (fits(engine, TOKEN_ALL))
        return fits(engine, TOKEN_END) ? "another matcher (program, to, port, proto ...) or the end of the line"
                                       : "what the rule matches: all, program, to, port, proto ...";
    if (parser->depth != 0 && fits(engine, TOKEN_RBRACE)) {
        snprintf(made->text, sizeof(made->text), "%.60s or }", list_words(parser));
        return made->text;
    }
    if (fits(engine, TOKEN_NUMBER) && fits(engine, TOKEN_STRING))
        return list_words(parser);
    if (fits(engine, TOKEN_EQUALS))
        return "= and what is in the set";
    if (fits(engine, TOKEN_LBRACE))
        return "{ and what is in the set, or file and a path in quotes";
    if (fits(engine, TOKEN_STRING))
        return "the path of a file in quotes";
    if (fits(engine, TOKEN_NUMBER))
        return "a number of seconds, minutes, hours or days";
    if (fits(engine, TOKEN_WORD))
        return parser->context.kind == TOKEN_SET     ? "the name of the set"
               : parser->context.kind == TOKEN_UNTIL ? "exit or reboot"
               : parser->context.kind == TOKEN_FOR   ? "seconds, minutes, hours or days"
                                                     : "ports or the end of the line";
    return "the end of the line";
}

/* The word of the list that it was meant as. */
static const char *meant(const struct token *token, const char *const *words)
{
    const char *other = names_meant(token->at, token->length);

    for (size_t i = 0; other != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], other) == 0)
            return other;
    }
    return names_near(token->at, token->length, words);
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
    else if (token->kind == TOKEN_ADDRESS || token->kind == TOKEN_VARIABLE || token->kind == TOKEN_ANY)
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
        else if (token->kind == TOKEN_ANY && parser->negated)
            bytes_print(into, "what it is not");
    }
}

static void suggest(const struct parser *parser, const struct token *token, bool (*fits)(void *engine, int kind),
                    void *engine, struct bytes *into)
{
    const char *word;
    int length = token->length > 40 ? 40 : (int)token->length;

    if (fits(engine, TOKEN_PERMIT)) {
        word = token->kind == TOKEN_WORD ? meant(token, actions) : NULL;
        if (word != NULL)
            bytes_print(into, "'%s'", word);
        else if (token->kind != TOKEN_WORD && token->kind != TOKEN_STRANGE && token->kind != TOKEN_RBRACE)
            bytes_print(into, "'permit', 'block' or 'ask' first");
        else if (token->kind == TOKEN_WORD && meant(token, matchers) != NULL)
            bytes_print(into, "'permit', 'block' or 'ask' first, then '%s'", meant(token, matchers));
    } else if (fits(engine, TOKEN_ALL)) {
        suggest_matcher(parser, token, into);
    } else if (fits(engine, TOKEN_VARIABLE)) {
        suggest_value(parser, token, into);
    } else if (fits(engine, TOKEN_EQUALS)) {
        bytes_print(into, "'='");
    } else if (fits(engine, TOKEN_LBRACE)) {
        if (token->kind == TOKEN_STRING)
            bytes_print(into, "'file %.*s'", length, token->at);
        else if (token->kind != TOKEN_NEWLINE && token->kind != TOKEN_END)
            bytes_print(into, "'{ %.*s }'", length, token->at);
    } else if (fits(engine, TOKEN_STRING)) {
        if (token->kind == TOKEN_PATH || token->kind == TOKEN_WORD)
            bytes_print(into, "\"%.*s\"", length, token->at);
    }
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

void syntax_fail(struct parser *parser, const struct token *token, bool (*accepts)(void *engine, int kind),
                 void *engine)
{
    struct quote quote, made;
    struct bytes instead = {0};
    const char *expected;

    if (strange_fail(parser, token))
        return;
    expected = expected_words(parser, accepts, engine, &made);
    suggest(parser, token, accepts, engine, &instead);
    if (instead.size == 0)
        parser_fail(parser, token, "found %s; expected %s", quote_token(token, &quote), expected);
    else
        parser_fail(parser, token, "found %s; expected %s; write %.*s%s", quote_token(token, &quote), expected,
                    (int)instead.size, (const char *)instead.at,
                    ((const char *)instead.at)[0] == '\'' && instead.at[instead.size - 1] == '\'' ? " instead" : "");
    bytes_cleanup(&instead);
}
