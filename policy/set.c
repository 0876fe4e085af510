/* SPDX-License-Identifier: MIT */
/*
 * set.c - named sets: "set NAME = { ... }", and from a file with one address or port a line.
 */
#include <stdlib.h>
#include <string.h>

#include "grammar.h"
#include "policy/parser.h"
#include "policy/names.h"

#define NAME_MAX_SIZE 64u

static struct named_set **bucket_of(struct policy *policy, const char *name, size_t length)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return &policy->buckets[hash % NAMED_SETS_BUCKETS];
}

static struct named_set *look_up(struct policy *policy, const char *name, size_t length)
{
    for (struct named_set *set = *bucket_of(policy, name, length); set != NULL; set = set->next) {
        if (strncmp(set->name, name, length) == 0 && set->name[length] == '\0')
            return set;
    }
    return NULL;
}

static const char *near_set(const struct policy *policy, const char *name, size_t length)
{
    for (const struct named_set *set = policy->latest; set != NULL; set = set->older) {
        const char *const words[] = {set->name, NULL};

        if (names_near(name, length, words) != NULL)
            return set->name;
    }
    return NULL;
}

struct named_set *set_find_quietly(struct parser *parser, const struct token *variable)
{
    return look_up(parser->policy, variable->at + 1, variable->length - 1);
}

struct named_set *set_find(struct parser *parser, const struct token *variable)
{
    struct named_set *set = set_find_quietly(parser, variable);
    struct quote quote;
    const char *near;

    if (set != NULL)
        return set;
    near = near_set(parser->policy, variable->at + 1, variable->length - 1);
    if (near != NULL)
        parser_fail(parser, variable, "found %s; expected a set that is defined above; write '$%.64s' instead",
                    quote_token(variable, &quote), near);
    else
        parser_fail(parser, variable,
                    "found %s; expected a set that is defined above; write 'set %.*s = { ... }' in a line before",
                    quote_token(variable, &quote), variable->length > 65 ? 64 : (int)variable->length - 1,
                    variable->at + 1);
    return NULL;
}

static bool check_name(struct parser *parser, const struct token *name)
{
    const struct named_set *other = look_up(parser->policy, name->at, name->length);
    struct quote quote;

    if (name->length > NAME_MAX_SIZE) {
        parser_fail(parser, name, "found a name of %u characters; expected at most %u", name->length, NAME_MAX_SIZE);
        return false;
    }
    for (uint32_t i = 0; i < name->length; i++) {
        if (name->at[i] == '.' || name->at[i] == '@') {
            parser_fail(parser, name, "found %s; expected a name of letters, digits, '_' and '-'",
                        quote_token(name, &quote));
            return false;
        }
    }
    if (other != NULL) {
        parser_fail(parser, name, "found %s again, it is defined in %.200s:%u; expected another name",
                    quote_token(name, &quote), other->file, other->line);
        return false;
    }
    return true;
}

/* Linked in, empty. NULL: out of memory. */
static struct named_set *make_set(struct parser *parser, const struct token *name)
{
    struct policy *policy = parser->policy;
    struct named_set **bucket = bucket_of(policy, name->at, name->length);
    struct named_set *set = arena_take(&policy->arena, sizeof(*set));

    if (set == NULL)
        return NULL;
    *set = (struct named_set){.next = *bucket,
                              .older = policy->latest,
                              .name = arena_copy(&policy->arena, name->at, name->length),
                              .file = arena_copy(&policy->arena, parser->source->name, strlen(parser->source->name)),
                              .line = source_line(parser->source, name->at),
                              .addresses = true,
                              .ports = true,
                              .names = true};
    for (unsigned i = 0; i < sizeof(set->numbers) / sizeof(set->numbers[0]); i++)
        set->numbers[i] = SET_STORE_NONE;
    if (set->name == NULL || set->file == NULL)
        return NULL;
    *bucket = set;
    policy->latest = set;
    return set;
}

static void end_set(struct parser *parser, struct named_set *set)
{
    ranges_join(&set->ranges);
    if (ranges_failed(&set->ranges))
        parser_no_memory(parser);
}

/* Ports or addresses? A set of sets is what they are. */
static bool holds_ports(struct parser *parser, const struct item *item)
{
    const struct named_set *other;

    if (item->first.kind != TOKEN_VARIABLE)
        return item->first.kind == TOKEN_NUMBER || item->first.kind == TOKEN_WORD;
    other = set_find_quietly(parser, &item->first);
    return other != NULL && !other->addresses && !other->names;
}

void set_define(struct parser *parser, const struct token *name)
{
    struct named_set *set;
    struct ranges ranges = {0};
    struct bytes host_names = {0};
    bool names = parser->item_count != 0 && host_name_is(parser, &parser->items[0]);
    bool ports = !names && parser->item_count != 0 && holds_ports(parser, &parser->items[0]);

    if (!check_name(parser, name))
        return;
    for (uint32_t i = 0; i < parser->item_count && !parser->failed; i++) {
        if (names)
            host_name_take(parser, &parser->items[i], &host_names);
        else if (ports)
            value_port(parser, &parser->items[i], &ranges);
        else
            value_address(parser, &parser->items[i], &ranges);
    }
    set = parser->failed ? NULL : make_set(parser, name);
    if (set == NULL) {
        ranges_cleanup(&ranges);
        bytes_cleanup(&host_names);
        return;
    }
    if (parser->item_count != 0) {
        set->addresses = !ports && !names;
        set->ports = ports;
        set->names = names;
    }
    parser->item_count = 0;
    set->ranges = ranges;
    set->host_names = host_names;
    end_set(parser, set);
}

void set_define_failed(struct parser *parser, const struct token *name)
{
    if (look_up(parser->policy, name->at, name->length) == NULL)
        (void)make_set(parser, name);
}

/* --- From a file ---------------------------------------------------------------------------- */

/* What a word of the file is; the lexer is not asked, for speed. */
static struct token make_token(const char *first, const char *end)
{
    struct token token = {first, (uint32_t)(end - first), TOKEN_NUMBER};

    for (const char *c = first; c < end; c++) {
        if (*c == '.' || *c == ':' || *c == '/') {
            token.kind = TOKEN_ADDRESS;
            return token;
        }
        if (*c < '0' || *c > '9')
            token.kind = TOKEN_WORD;
    }
    return token;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A name among addresses: then the whole file is probably of names. */
static bool is_name_in_file(struct parser *parser, const struct token *token)
{
    struct quote quote;
    bool letters = false;

    for (uint32_t i = 0; i < token->length; i++) {
        char c = (char)(token->at[i] | 0x20);

        if (token->at[i] == ':' || token->at[i] == '/')
            return false;
        letters = letters || (c > 'f' && c <= 'z');
    }
    if (letters)
        parser_fail(parser, token,
                    "found %s; expected an address, prefix or range; write 'names' behind the file's path if it holds "
                    "names",
                    quote_token(token, &quote));
    return letters;
}

static void take_line(struct parser *parser, const char *first, const char *end, struct named_set *into)
{
    const char *comment = memchr(first, '#', (size_t)(end - first)), *dash;
    struct item item = {0};

    if (comment != NULL)
        end = comment;
    while (first < end && is_blank(*first))
        first++;
    while (first < end && is_blank(end[-1]))
        end--;
    if (first == end)
        return;
    if (into->names) {
        item.first = (struct token){first, (uint32_t)(end - first), TOKEN_NAME};
        host_name_take(parser, &item, &into->host_names);
        return;
    }
    item.first = make_token(first, end);
    if (into->addresses && is_name_in_file(parser, &item.first))
        return;
    dash = memchr(first, '-', (size_t)(end - first));
    if (dash != NULL && (*first < 'A' || memchr(first, ':', (size_t)(dash - first)) != NULL)) {
        item.first = make_token(first, dash);
        item.last = make_token(dash + 1, end);
    }
    if (into->ports)
        value_port(parser, &item, &into->ranges);
    else
        value_address(parser, &item, &into->ranges);
}

static void read_lines(struct parser *parser, struct named_set *into)
{
    const struct source *source = parser->source;
    uint32_t count = 0;
    bool failed = false;

    for (const char *line = source->text; line < source->end && !parser->ended;) {
        const char *end = memchr(line, '\n', (size_t)(source->end - line));

        if (end == NULL)
            end = source->end;
        take_line(parser, line, end, into);
        failed = failed || parser->failed;
        parser->failed = false;
        if (++count == GATEHOUSE_SET_RANGES_MAX && end < source->end) {
            struct token place = {end + 1, 1, TOKEN_WORD};

            parser_fail(parser, &place, "found more than %u lines; expected no more in the file of one set",
                        GATEHOUSE_SET_RANGES_MAX);
            break;
        }
        line = end + 1;
    }
    parser->failed = parser->failed || failed;
}

static bool is_word(const struct token *token, const char *word)
{
    return strlen(word) == token->length && memcmp(token->at, word, token->length) == 0;
}

void set_define_file(struct parser *parser, const struct token *name, const struct token *file,
                     const struct token *path, const struct token *what)
{
    const struct source *outer = parser->source;
    struct named_set *set;
    struct source source;
    struct quote quote;
    const char *whole;

    if (!is_word(file, "file")) {
        parser_fail(parser, file, "found %s; expected file; write 'file %.*s'", quote_token(file, &quote),
                    path->length > 60 ? 60 : (int)path->length, path->at);
        return;
    }
    if (what != NULL && !is_word(what, "ports") && !is_word(what, "names")) {
        parser_fail(parser, what,
                    "found %s; expected ports, names or the end of the line; write 'ports' if it holds ports",
                    quote_token(what, &quote));
        return;
    }
    if (!check_name(parser, name) || (whole = parser_path(parser, path)) == NULL ||
        !parser_open(parser, path, whole, &source))
        return;
    set = make_set(parser, name);
    if (set != NULL) {
        set->ports = what != NULL && is_word(what, "ports");
        set->names = what != NULL && !set->ports;
        set->addresses = what == NULL;
        parser->source = &source;
        read_lines(parser, set);
        parser->source = outer;
        end_set(parser, set);
    }
    free((void *)(uintptr_t)source.text);
}
