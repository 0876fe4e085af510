/* SPDX-License-Identifier: MIT */
/*
 * rule.c - the matchers of one rule, gathered in the parser's draft. record.c makes a record of them.
 */
#include <string.h>

#include "core/path_text.h"
#include "grammar.h"
#include "policy/parser.h"
#include "policy/names.h"
#include "policy/sids.h"
#include "policy/windows_path.h"

#define LIFETIME_MAX_DAYS 36500u

void rule_begin(struct parser *parser, const struct token *action, enum gatehouse_rule_action code)
{
    struct draft *draft = &parser->draft;

    (void)action;
    memset(draft->given, 0, sizeof(draft->given));
    memset(draft->protocols, 0, sizeof(draft->protocols));
    draft->rule = (struct gatehouse_rule){.action = (uint8_t)code};
    draft->icmp_type_count = 0;
    draft->part_count = 0;
    draft->data.size = 0;
}

/* Each once. False: it failed. */
static bool give(struct parser *parser, enum matcher matcher, const struct token *token)
{
    const struct token *before = &parser->draft.given[matcher];
    struct quote quote, other;

    if (before->at == NULL) {
        *(struct token *)&parser->draft.given[matcher] = *token;
        return true;
    }
    if (before->kind == token->kind)
        parser_fail(parser, token, "found %s again; expected each matcher once; write several things as a list in { }",
                    quote_token(token, &quote));
    else
        parser_fail(parser, token, "found %s beside %s; expected one of them; write two rules",
                    quote_token(token, &quote), quote_token(before, &other));
    return false;
}

void rule_part(struct parser *parser, uint16_t type, const void *data, size_t size)
{
    struct draft *draft = &parser->draft;

    if (draft->part_count + RULE_PARTS_OF_ITS_OWN >= GATEHOUSE_RULE_PARTS_MAX &&
        (type < GATEHOUSE_PART_PROTOCOL || type == GATEHOUSE_PART_NAME)) {
        parser_fail(parser, &parser->context,
                    "found more than %u programs, users, names and the like; write a second rule",
                    GATEHOUSE_RULE_PARTS_MAX - RULE_PARTS_OF_ITS_OWN);
        return;
    }
    if (draft->part_count == GATEHOUSE_RULE_PARTS_MAX)
        return;
    draft->parts[draft->part_count++] = (struct draft_part){type, (uint32_t)draft->data.size, (uint32_t)size};
    bytes_add(&draft->data, data, size);
    if (draft->data.failed)
        parser_no_memory(parser);
}

void rule_flag(struct parser *parser, enum matcher matcher, const struct token *token)
{
    struct gatehouse_rule *rule = &parser->draft.rule;

    if (!give(parser, matcher, token))
        return;
    switch (token->kind) {
    case TOKEN_IN:
        rule->direction = GATEHOUSE_RULE_IN;
        break;
    case TOKEN_OUT:
        rule->direction = GATEHOUSE_RULE_OUT;
        break;
    case TOKEN_RAW:
        rule->flags |= GATEHOUSE_RULE_RAW;
        break;
    case TOKEN_LOG:
        rule->flags |= GATEHOUSE_RULE_LOG;
        break;
    case TOKEN_INET:
        rule->family = 4;
        break;
    case TOKEN_INET6:
        rule->family = 6;
        break;
    default:
        break;
    }
}

/* --- Programs ------------------------------------------------------------------------------- */

static bool lacks(struct parser *parser, const struct token *token, unsigned what)
{
    struct quote quote;

    if ((parser->policy->system.lacks & what) == 0)
        return false;
    parser_fail(parser, token, "found %s, which this system cannot match; expected a program's path, a user or a group",
                quote_token(token, &quote));
    return true;
}

static void add_hash(struct parser *parser, const struct token *token)
{
    uint8_t digest[32];
    struct quote quote;

    if (token->kind != TOKEN_HEX) {
        parser_fail(parser, token, "found %s; expected the 64 hex digits that 'sha256sum FILE' prints",
                    quote_token(token, &quote));
        return;
    }
    if (lacks(parser, token, POLICY_LACKS_SHA256))
        return;
    for (unsigned i = 0; i < sizeof(digest); i++) {
        unsigned value = 0;

        for (unsigned k = 0; k < 2; k++) {
            char c = token->at[2 * i + k];

            value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        digest[i] = (uint8_t)value;
    }
    rule_part(parser, GATEHOUSE_PART_SHA256, digest, sizeof(digest));
}

static void add_path(struct parser *parser, const struct token *token, uint16_t type, const void *bytes, size_t size)
{
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(POLICY_PATH_MAX)];
    size_t used;

    if (size == 0 || size >= POLICY_PATH_MAX || !path_text_from_bytes(bytes, size, utf16, sizeof(utf16), &used))
        parser_fail(parser, token, "found a path of %u bytes; expected at most %u", (unsigned)size,
                    POLICY_PATH_MAX - 1);
    else
        rule_part(parser, type, utf16, used);
}

/* Behind the last separator before the first wildcard, in the pattern; its bytes without escapes are in prefix. */
static size_t pattern_folder(const struct bytes *pattern, char *prefix)
{
    size_t used = 0, folder = 0, folder_used = 0;

    for (size_t i = 0; i < pattern->size && pattern->at[i] != '*' && pattern->at[i] != '?'; i++) {
        if (pattern->at[i] == '\\' && i + 1 < pattern->size)
            i++;
        prefix[used++] = (char)pattern->at[i];
        if (pattern->at[i] == '/') {
            folder = i;
            folder_used = used - 1;
        }
    }
    prefix[folder_used] = '\0';
    return folder;
}

/* "/bin/x*" is "/usr/bin/x*" where /bin is a link. */
static void resolve_pattern(struct parser *parser)
{
    char prefix[POLICY_PATH_MAX], real[POLICY_PATH_MAX];
    struct bytes made = {0};
    size_t folder;

    if (parser->policy->system.find_program == NULL || parser->pattern.size >= POLICY_PATH_MAX)
        return;
    folder = pattern_folder(&parser->pattern, prefix);
    if (prefix[0] == '\0' || !known_program(parser, prefix, real) || strcmp(prefix, real) == 0)
        return;
    for (const char *c = real; *c != '\0'; c++) {
        if (*c == '\\' || *c == '*' || *c == '?')
            bytes_add(&made, "\\", 1);
        bytes_add(&made, c, 1);
    }
    bytes_add(&made, parser->pattern.at + folder, parser->pattern.size - folder);
    if (made.failed)
        parser_no_memory(parser);
    bytes_cleanup(&parser->pattern);
    parser->pattern = made;
}

/* Windows's paths: the whole of it, wildcards too, which no file's name has. */
static bool resolve_whole(struct parser *parser, struct bytes *path, char *real)
{
    char written[POLICY_PATH_MAX];

    if (path->size >= sizeof(written))
        return false;
    memcpy(written, path->at, path->size);
    written[path->size] = '\0';
    return known_program(parser, written, real);
}

static void add_program(struct parser *parser, const struct token *token)
{
    struct bytes *plain = &parser->plain, *pattern = &parser->pattern;
    char real[POLICY_PATH_MAX], first, last;
    struct quote quote;
    bool wild, windows;

    if (!value_string(parser, token, &wild))
        return;
    first = plain->size == 0 ? '\0' : (char)plain->at[0];
    windows = is_windows_path((const char *)plain->at, plain->size);
    if (first != '/' && !windows) {
        parser_fail(parser, token, "found %s; expected a program's whole path, from / on; %s",
                    quote_token(token, &quote),
                    wild ? "write '/**' before it for any folder" : "'command -v NAME' tells it");
        return;
    }
    last = (char)plain->at[plain->size - 1];
    if (last == (windows ? '\\' : '/')) {
        bytes_add(pattern, "**", 2);
        wild = true;
    }
    if (windows) {
        struct bytes *path = wild ? pattern : plain;

        if (resolve_whole(parser, path, real))
            add_path(parser, token, wild ? GATEHOUSE_PART_PATTERN : GATEHOUSE_PART_PROGRAM, real, strlen(real));
        else
            add_path(parser, token, wild ? GATEHOUSE_PART_PATTERN : GATEHOUSE_PART_PROGRAM, path->at, path->size);
    } else if (wild) {
        resolve_pattern(parser);
        add_path(parser, token, GATEHOUSE_PART_PATTERN, parser->pattern.at, parser->pattern.size);
    } else if (resolve_whole(parser, plain, real)) {
        add_path(parser, token, GATEHOUSE_PART_PROGRAM, real, strlen(real));
    } else {
        add_path(parser, token, GATEHOUSE_PART_PROGRAM, plain->at, plain->size);
    }
}

/* --- Users, groups, units, control groups ----------------------------------------------------- */

/* The name, without its quotes, in parser->plain. */
static bool take_name(struct parser *parser, const struct token *token)
{
    bool wild;

    if (token->kind == TOKEN_STRING) {
        if (!value_string(parser, token, &wild))
            return false;
    } else {
        parser->plain.size = 0;
        bytes_add(&parser->plain, token->at, token->length);
    }
    bytes_add(&parser->plain, "", 1);
    if (parser->plain.failed) {
        parser_no_memory(parser);
        return false;
    }
    parser->plain.size--;
    return true;
}

static void add_account(struct parser *parser, const struct token *token, bool group)
{
    uint8_t sid[GATEHOUSE_SID_MAX];
    struct quote quote;
    uint64_t number;
    size_t size;

    if (value_number(token, UINT32_MAX, &number)) {
        size = sid_of_unix(group ? SIDS_UNIX_GROUP : SIDS_UNIX_USER, (uint32_t)number, sid);
    } else if (!take_name(parser, token)) {
        return;
    } else if (token->kind == TOKEN_NUMBER ||
               !known_sid(parser, group ? POLICY_GROUP : POLICY_USER, (const char *)parser->plain.at, sid, &size)) {
        parser_fail(parser, token, "found %s; expected a %s that this machine's own files name; write its number",
                    quote_token(token, &quote), group ? "group" : "user");
        return;
    }
    rule_part(parser, group ? GATEHOUSE_PART_GROUP : GATEHOUSE_PART_USER, sid, size);
}

static bool has_unit_suffix(const char *name, size_t length)
{
    static const char *const suffixes[] = {".service", ".scope", ".slice", ".socket", ".mount", ".swap"};

    for (unsigned i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t size = strlen(suffixes[i]);

        if (length > size && memcmp(name + length - size, suffixes[i], size) == 0)
            return true;
    }
    return false;
}

static void add_unit(struct parser *parser, const struct token *token)
{
    uint8_t sid[GATEHOUSE_SID_MAX];
    struct quote quote;
    size_t size;

    if (!take_name(parser, token))
        return;
    if (!has_unit_suffix((const char *)parser->plain.at, parser->plain.size) ||
        memchr(parser->plain.at, '/', parser->plain.size) != NULL) {
        parser_fail(parser, token,
                    "found %s; expected a unit that has processes, with its suffix; write \"%.60s.service\" instead",
                    quote_token(token, &quote), (const char *)parser->plain.at);
        return;
    }
    size = sid_of_name(SIDS_UNIT, parser->plain.at, parser->plain.size, sid);
    rule_part(parser, GATEHOUSE_PART_UNIT, sid, size);
}

static void add_cgroup(struct parser *parser, const struct token *token)
{
    uint8_t sid[GATEHOUSE_SID_MAX];
    struct quote quote;
    size_t size;

    if (!take_name(parser, token))
        return;
    if (parser->plain.size == 0 || parser->plain.at[0] != '/' ||
        (parser->plain.size > 1 && parser->plain.at[parser->plain.size - 1] == '/')) {
        parser_fail(parser, token,
                    "found %s; expected a control group's path from the root, as /proc/PID/cgroup shows it; write "
                    "\"/system.slice\" or the like",
                    quote_token(token, &quote));
        return;
    }
    size = sid_of_name(SIDS_CGROUP, parser->plain.at, parser->plain.size, sid);
    rule_part(parser, GATEHOUSE_PART_CGROUP, sid, size);
}

/* "S-1-..." is for every kind of account. */
static bool add_sid(struct parser *parser, uint16_t type, const struct token *token)
{
    uint8_t sid[GATEHOUSE_SID_MAX];
    size_t size;

    if (token->kind != TOKEN_WORD || !sid_read(token->at, token->length, sid, &size))
        return false;
    rule_part(parser, type, sid, size);
    return true;
}

static void add_who(struct parser *parser, enum matcher matcher, const struct item *item)
{
    static const uint16_t types[] = {[MATCHER_USER] = GATEHOUSE_PART_USER,
                                     [MATCHER_GROUP] = GATEHOUSE_PART_GROUP,
                                     [MATCHER_UNIT] = GATEHOUSE_PART_UNIT,
                                     [MATCHER_CGROUP] = GATEHOUSE_PART_CGROUP};
    const struct token *token = &item->first;
    struct quote quote;

    if (matcher == MATCHER_PROGRAM && item->sha256 && item->last.at == NULL) {
        add_hash(parser, token);
        return;
    }
    if (item->sha256 || item->last.at != NULL || (matcher == MATCHER_PROGRAM && token->kind != TOKEN_STRING) ||
        (token->kind != TOKEN_STRING && token->kind != TOKEN_WORD && token->kind != TOKEN_NUMBER)) {
        parser_fail(parser, token, "found %s; expected %s", quote_token(token, &quote),
                    matcher == MATCHER_PROGRAM ? "a program's path in quotes, or sha256 and 64 hex digits"
                                               : "names, in quotes where they are no plain words");
        return;
    }
    if (matcher == MATCHER_PROGRAM)
        add_program(parser, token);
    else if (add_sid(parser, types[matcher], token))
        return;
    else if (matcher == MATCHER_UNIT)
        add_unit(parser, token);
    else if (matcher == MATCHER_CGROUP)
        add_cgroup(parser, token);
    else
        add_account(parser, token, matcher == MATCHER_GROUP);
}

void rule_who(struct parser *parser, enum matcher matcher, const struct token *token)
{
    if (!give(parser, matcher, token) || (matcher == MATCHER_UNIT && lacks(parser, token, POLICY_LACKS_UNIT)) ||
        (matcher == MATCHER_CGROUP && lacks(parser, token, POLICY_LACKS_CGROUP)))
        return;
    if (parser->item_count == 0) {
        struct quote quote;

        parser_fail(parser, token, "found nothing in the list of %s; expected one thing or more",
                    quote_token(token, &quote));
    }
    for (uint32_t i = 0; i < parser->item_count && !parser->failed; i++)
        add_who(parser, matcher, &parser->items[i]);
    parser->item_count = 0;
}

/* --- Protocols, addresses, ports --------------------------------------------------------------- */

static void add_protocol(struct parser *parser, const struct item *item)
{
    const struct token *token = &item->first;
    struct quote quote;
    uint16_t named = 0;
    uint64_t number;
    const char *near;

    if (item->last.at != NULL || item->sha256) {
        parser_fail(parser, token, "found a range; expected protocols one by one; write { tcp, udp }");
    } else if (value_number(token, 255, &number)) {
        parser->draft.protocols[number / 8] |= (uint8_t)(1u << number % 8);
    } else if (token->kind == TOKEN_WORD && names_number(NAMES_PROTOCOL, token->at, token->length, &named)) {
        parser->draft.protocols[named / 8] |= (uint8_t)(1u << named % 8);
    } else if ((near = names_near_in(NAMES_PROTOCOL, token->at, token->length)) != NULL) {
        parser_fail(parser, token, "found %s; expected a protocol; write '%s' instead", quote_token(token, &quote),
                    near);
    } else {
        parser_fail(parser, token, "found %s; expected a protocol (tcp, udp, icmp, icmp6 or a number up to 255)",
                    quote_token(token, &quote));
    }
}

void rule_protocols(struct parser *parser, const struct token *token)
{
    if (!give(parser, MATCHER_PROTO, token))
        return;
    if (parser->item_count == 0)
        parser_fail(parser, token, "found no protocol in the list; expected one or more");
    for (uint32_t i = 0; i < parser->item_count && !parser->failed; i++)
        add_protocol(parser, &parser->items[i]);
    parser->item_count = 0;
}

void rule_icmp_types(struct parser *parser, const struct token *token)
{
    struct draft *draft = &parser->draft;

    if (!give(parser, MATCHER_ICMP_TYPE, token))
        return;
    if (parser->item_count == 0 || parser->item_count > sizeof(draft->icmp_types) / sizeof(draft->icmp_types[0])) {
        parser_fail(parser, token, "found %u ICMP types; expected 1 to 256 of them", parser->item_count);
        return;
    }
    memcpy(draft->icmp_types, parser->items, parser->item_count * sizeof(parser->items[0]));
    draft->icmp_type_count = parser->item_count;
    parser->item_count = 0;
}

void rule_addresses(struct parser *parser, enum matcher matcher, const struct token *token)
{
    struct operand *into = matcher == MATCHER_TO ? &parser->draft.to : &parser->draft.from;

    if (give(parser, matcher, token) && value_addresses(parser, into) && matcher == MATCHER_FROM &&
        into->host_name.at != NULL)
        host_name_of_sender(parser, &into->host_name);
}

void rule_ports(struct parser *parser, enum matcher matcher, const struct token *token)
{
    struct draft *draft = &parser->draft;
    struct operand *into = matcher == MATCHER_TO_PORT     ? &draft->to_port
                           : matcher == MATCHER_FROM_PORT ? &draft->from_port
                                                          : &draft->port;

    if (give(parser, matcher, token))
        value_ports(parser, into);
}

/* --- Lifetimes ------------------------------------------------------------------------------- */

static uint64_t unit_ms(const struct token *unit)
{
    static const struct {
        const char *one, *many;
        uint64_t ms;
    } units[] = {{"millisecond", "milliseconds", 1},
                 {"second", "seconds", 1000},
                 {"minute", "minutes", 60000},
                 {"hour", "hours", 3600000},
                 {"day", "days", 86400000}};

    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if ((strlen(units[i].one) == unit->length && memcmp(units[i].one, unit->at, unit->length) == 0) ||
            (strlen(units[i].many) == unit->length && memcmp(units[i].many, unit->at, unit->length) == 0))
            return units[i].ms;
    }
    return 0;
}

void rule_for(struct parser *parser, const struct token *token, const struct token *number, const struct token *unit)
{
    static const char *const units[] = {"seconds", "minutes", "hours", "days", NULL};
    uint64_t ms = unit_ms(unit), count;
    struct quote quote;

    if (!give(parser, MATCHER_END, token))
        return;
    if (ms == 0) {
        const char *near = names_near(unit->at, unit->length, units);

        parser_fail(parser, unit, "found %s; expected seconds, minutes, hours or days; write '%s' instead",
                    quote_token(unit, &quote), near == NULL ? "minutes" : near);
        return;
    }
    if (!value_number(number, LIFETIME_MAX_DAYS * 86400000ull / ms, &count) || count == 0) {
        parser_fail(parser, number, "found %s; expected a time from 1 second to %u days", quote_token(number, &quote),
                    LIFETIME_MAX_DAYS);
        return;
    }
    parser->draft.rule.until = GATEHOUSE_UNTIL_TIME;
    parser->draft.rule.lifetime_ms = count * ms;
}

void rule_until(struct parser *parser, const struct token *token, const struct token *what)
{
    static const char *const words[] = {"exit", "reboot", NULL};
    struct quote quote;

    if (!give(parser, MATCHER_END, token))
        return;
    if (what->length == 4 && memcmp(what->at, "exit", 4) == 0) {
        parser->draft.rule.until = GATEHOUSE_UNTIL_EXIT;
    } else if (what->length == 6 && memcmp(what->at, "reboot", 6) == 0) {
        parser->draft.rule.until = GATEHOUSE_UNTIL_REBOOT;
    } else {
        const char *near = names_near(what->at, what->length, words);

        parser_fail(parser, what, "found %s; expected exit or reboot; write '%s%s' instead", quote_token(what, &quote),
                    near == NULL ? "for 10 minutes" : "until ", near == NULL ? "" : near);
    }
}
