/* SPDX-License-Identifier: MIT */
/*
 * lexer.re - tokens of the rule language, for re2c. A NUL stands behind the text.
 *
 * A string that begins as a Windows path does ("C:\, "\) has no escapes, because such paths are full of backslashes;
 * in any other one a backslash and a character are one (value.c says which). Names of hosts that are no plain words
 * (digits first, a star, Unicode) are tokens of their own; quotes and dashes of typography are none.
 */
#include <string.h>

#include "grammar.h"
#include "policy/parser.h"
#include "policy/windows_path.h"

/* *cursor: behind the first quote; then behind the last one, or where the string cannot go on. */
static int lex_string(const unsigned char **cursor, const unsigned char **first)
{
    const char *at = (const char *)*cursor;
    bool escapes = !is_windows_path(at, strnlen(at, 3)), closed = false;

    while (!closed && ((unsigned char)*at >= ' ' ? *at != 0x7f : *at == '\t')) {
        closed = *at == '"';
        if (*at == '\\' && escapes && (unsigned char)at[1] >= ' ' && at[1] != 0x7f)
            at++;
        at++;
    }
    *cursor = (const unsigned char *)at;
    if (closed)
        return TOKEN_STRING;
    if (*at == '\0' || *at == '\n' || *at == '\r')
        return TOKEN_OPEN;
    /* A control character: that is what is wrong. */
    *first = (*cursor)++;
    return TOKEN_STRANGE;
}

static int lex(const unsigned char **at, const unsigned char *end, const unsigned char **first)
{
    const unsigned char *cursor = *at, *marker = NULL;
    int kind;

    for (;;) {
        *first = cursor;
        /*!re2c
            re2c:define:YYCTYPE = "unsigned char";
            re2c:define:YYCURSOR = cursor;
            re2c:define:YYMARKER = marker;
            re2c:yyfill:enable = 0;

            digit = [0-9];
            hex = [0-9A-Fa-f];
            name = [A-Za-z_] [A-Za-z0-9_.@-]*;
            rest = [/] [0-9A-Za-z.]*;
            label = [A-Za-z0-9_] [A-Za-z0-9_-]*;
            host = [A-Za-z0-9_.*\x80-\xff-];

            [ \t]+ { continue; }
            "\\" [ \t]* "\r"? "\n" { continue; }
            "#" [^\x00\n]* { continue; }
            "\r"? "\n" { kind = TOKEN_NEWLINE; break; }
            "\x00" {
                kind = *first >= end ? TOKEN_END : TOKEN_STRANGE;
                if (kind == TOKEN_END)
                    cursor = *first;
                break;
            }
            ["] { kind = lex_string(&cursor, first); break; }

            "permit" { kind = TOKEN_PERMIT; break; }
            "block" { kind = TOKEN_BLOCK; break; }
            "ask" { kind = TOKEN_ASK; break; }
            "set" { kind = TOKEN_SET; break; }
            "include" { kind = TOKEN_INCLUDE; break; }
            "all" { kind = TOKEN_ALL; break; }
            "any" { kind = TOKEN_ANY; break; }
            "program" { kind = TOKEN_PROGRAM; break; }
            "sha256" { kind = TOKEN_SHA256; break; }
            "user" { kind = TOKEN_USER; break; }
            "group" { kind = TOKEN_GROUP; break; }
            "unit" { kind = TOKEN_UNIT; break; }
            "cgroup" { kind = TOKEN_CGROUP; break; }
            "in" { kind = TOKEN_IN; break; }
            "out" { kind = TOKEN_OUT; break; }
            "proto" { kind = TOKEN_PROTO; break; }
            "to" { kind = TOKEN_TO; break; }
            "from" { kind = TOKEN_FROM; break; }
            "port" { kind = TOKEN_PORT; break; }
            "icmp-type" { kind = TOKEN_ICMP_TYPE; break; }
            "raw" { kind = TOKEN_RAW; break; }
            "inet" { kind = TOKEN_INET; break; }
            "inet6" { kind = TOKEN_INET6; break; }
            "log" { kind = TOKEN_LOG; break; }
            "for" { kind = TOKEN_FOR; break; }
            "until" { kind = TOKEN_UNTIL; break; }

            digit [A-Za-z0-9_-]* ([.] label)* [.] [A-Za-z_] [A-Za-z0-9_-]* [.]? { kind = TOKEN_NAME; break; }
            [*] host+ { kind = TOKEN_NAME; break; }
            [A-Za-z0-9_] [A-Za-z0-9_.-]* [*] host* { kind = TOKEN_NAME; break; }
            [A-Za-z0-9_.-]* [\x80-\xff] host* { kind = TOKEN_NAME; break; }
            digit+ { kind = TOKEN_NUMBER; break; }
            digit+ rest { kind = TOKEN_ADDRESS; break; }
            digit+ [.] [0-9A-Za-z.]* rest? { kind = TOKEN_ADDRESS; break; }
            hex* [:] [0-9A-Za-z.:]* rest? { kind = TOKEN_ADDRESS; break; }
            name { kind = TOKEN_WORD; break; }
            digit [A-Za-z0-9_]* { kind = TOKEN_WORD; break; }
            "$" [A-Za-z0-9_-]+ { kind = TOKEN_VARIABLE; break; }

            "=" { kind = TOKEN_EQUALS; break; }
            "{" { kind = TOKEN_LBRACE; break; }
            "}" { kind = TOKEN_RBRACE; break; }
            "," { kind = TOKEN_COMMA; break; }
            "!" { kind = TOKEN_BANG; break; }
            "-" { kind = TOKEN_DASH; break; }
            [/] [^\x00-\x20"#{},]* { kind = TOKEN_PATH; break; }
            [A-Za-z] ":" "\\" [^\x00-\x20"#{},]* { kind = TOKEN_PATH; break; }
            * { kind = TOKEN_STRANGE; break; }
        */
    }
    *at = cursor;
    return kind;
}

/* SHA-256 in hexadecimal, which may look like a number or a word. */
static bool is_hash(const struct token *token)
{
    return token->length == 64 && strspn(token->at, "0123456789abcdefABCDEF") >= 64;
}

void lexer_next(struct parser *parser, struct token *token)
{
    const unsigned char *at = (const unsigned char *)parser->at, *first;

    token->kind = lex(&at, (const unsigned char *)parser->source->end, &first);
    token->at = (const char *)first;
    token->length = (uint32_t)(at - first);
    if ((token->kind == TOKEN_WORD || token->kind == TOKEN_NUMBER) && is_hash(token))
        token->kind = TOKEN_HEX;
    if (token->kind == TOKEN_NAME && token->length >= 3 && memcmp(token->at, "\xe2\x80", 2) == 0)
        token->kind = TOKEN_STRANGE;
    parser->at = (const char *)at;
}
