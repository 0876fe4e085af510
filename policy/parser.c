/* SPDX-License-Identifier: MIT */
/*
 * parser.c - files, their lines, and the files that they include.
 */
#include <stdlib.h>
#include <string.h>

#include "grammar.h"
#include "policy/parser.h"
#include "policy/windows_path.h"

/* --- Files ---------------------------------------------------------------------------------- */

const char *parser_path(struct parser *parser, const struct token *path)
{
    const char *name = parser->source->name, *written;
    bool windows = is_windows_path(name, strlen(name)), wild;
    size_t folder = 0;
    char *whole;

    if (!value_string(parser, path, &wild))
        return NULL;
    bytes_add(&parser->plain, "", 1);
    if (parser->plain.failed) {
        parser_no_memory(parser);
        return NULL;
    }
    written = (const char *)parser->plain.at;
    if (written[0] == '\0' || parser->plain.size > POLICY_PATH_MAX) {
        parser_fail(parser, path, "found a path of %u bytes; expected 1 to %u", (unsigned)parser->plain.size - 1,
                    POLICY_PATH_MAX - 1);
        return NULL;
    }
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (name[i] == '/' || (windows && name[i] == '\\'))
            folder = i + 1;
    }
    if (written[0] == '/' || is_windows_path(written, strlen(written)))
        folder = 0;
    whole = arena_take(&parser->policy->arena, folder + parser->plain.size);
    if (whole == NULL) {
        parser_no_memory(parser);
        return NULL;
    }
    memcpy(whole, name, folder);
    memcpy(whole + folder, written, parser->plain.size);
    return whole;
}

/* No line longer than may be. False: it failed, there. */
static bool check_lines(struct parser *parser, const struct source *source)
{
    const struct source *outer = parser->source;

    for (const char *line = source->text; line < source->end;) {
        const char *end = memchr(line, '\n', (size_t)(source->end - line));

        if (end == NULL)
            end = source->end;
        if ((size_t)(end - line) > POLICY_LINE_SIZE_MAX) {
            struct token place = {line, 1, TOKEN_WORD};

            parser->source = source;
            parser_fail(parser, &place, "found a line of %u bytes; expected at most %u; write lists over several lines",
                        (unsigned)(end - line), POLICY_LINE_SIZE_MAX);
            parser->source = outer;
            return false;
        }
        line = end + 1;
    }
    return true;
}

bool parser_open(struct parser *parser, const struct token *at, const char *path, struct source *source)
{
    struct policy *policy = parser->policy;
    const struct policy_system *system = &policy->system;
    const char *why = "no files can be read here";
    char *bytes, *text;
    size_t size;

    if (policy->file_count == POLICY_FILES_MAX) {
        parser_fail(parser, at, "found more than %u files in one policy", POLICY_FILES_MAX);
        return false;
    }
    policy->file_count++;
    if (system->read_file == NULL ||
        !system->read_file(system->context, path, POLICY_FILE_SIZE_MAX, &bytes, &size, &why)) {
        parser_fail(parser, at, "cannot read %.400s: %.200s", path, why);
        return false;
    }
    text = realloc(bytes, size + 1);
    if (text == NULL) {
        free(bytes);
        parser_no_memory(parser);
        return false;
    }
    text[size] = '\0';
    *source = (struct source){path, text, text + size, parser->source,
                              parser->source == NULL ? 0 : parser->source->depth + 1};
    if (!check_lines(parser, source)) {
        free(text);
        return false;
    }
    /* cppcheck-suppress memleak; it is source->text */
    return true;
}

/* --- Lines ---------------------------------------------------------------------------------- */

uint32_t parser_line(struct parser *parser, const struct token *token)
{
    while (parser->counted_at < token->at)
        parser->counted += *parser->counted_at++ == '\n';
    return parser->counted;
}

static bool begins_line(const struct token *token)
{
    return token->kind == TOKEN_PERMIT || token->kind == TOKEN_BLOCK || token->kind == TOKEN_ASK ||
           token->kind == TOKEN_SET || token->kind == TOKEN_INCLUDE;
}

/* A { is open, and the line that follows begins a new thing, or the file ends. */
static bool is_unclosed(struct parser *parser, const struct token *token, bool fresh)
{
    if (parser->depth == 0 || (token->kind != TOKEN_END && !(fresh && begins_line(token))))
        return false;
    parser_fail(parser, &parser->brace, "found { without its }; expected } before %s; write it",
                token->kind == TOKEN_END ? "the end of the file" : "the next rule");
    if (token->kind != TOKEN_END)
        parser->at = token->at;
    return true;
}

static bool says_what_follows(int kind)
{
    switch (kind) {
    case TOKEN_SET:
    case TOKEN_INCLUDE:
    case TOKEN_PROGRAM:
    case TOKEN_USER:
    case TOKEN_GROUP:
    case TOKEN_UNIT:
    case TOKEN_CGROUP:
    case TOKEN_PROTO:
    case TOKEN_TO:
    case TOKEN_FROM:
    case TOKEN_PORT:
    case TOKEN_ICMP_TYPE:
    case TOKEN_FOR:
    case TOKEN_UNTIL:
        return true;
    default:
        return false;
    }
}

static void take_token(struct parser *parser, const struct token *token)
{
    if (token->kind == TOKEN_LBRACE && parser->depth++ == 0)
        parser->brace = *token;
    if (token->kind == TOKEN_RBRACE && parser->depth != 0)
        parser->depth--;
    if (parser->failed)
        return;
    if (!grammar_fits(parser->engine, token->kind)) {
        syntax_fail(parser, token);
        return;
    }
    grammar_take(parser->engine, parser, token);
    if (says_what_follows(token->kind))
        parser->context = *token;
    else if (token->kind == TOKEN_WORD && parser->first.kind == TOKEN_SET && parser->second.at == NULL)
        parser->second = *token;
}

static void begin_line(struct parser *parser)
{
    grammar_begin(parser->engine);
    parser->failed = false;
    parser->depth = 0;
    parser->item_count = 0;
    parser->any = false;
    parser->negated = false;
    parser->first = (struct token){0};
    parser->second = (struct token){0};
    parser->include = (struct token){0};
    parser->context = (struct token){0};
}

/* One line, which may span several. False: it was the file's last. */
static bool parse_line(struct parser *parser)
{
    struct token token;
    bool fresh = false;

    begin_line(parser);
    for (;;) {
        lexer_next(parser, &token);
        if (token.kind == TOKEN_NEWLINE && parser->depth != 0) {
            fresh = true;
            continue;
        }
        if (is_unclosed(parser, &token, fresh) || token.kind == TOKEN_NEWLINE || token.kind == TOKEN_END)
            break;
        fresh = false;
        if (parser->first.at == NULL)
            parser->first = token;
        /* The token that fails is told with what stands before it. */
        take_token(parser, &token);
        parser->last = token;
        if (parser->ended)
            return false;
    }
    if (parser->first.at != NULL && !parser->failed) {
        struct token end = {token.at, token.length, TOKEN_END};

        if (grammar_fits(parser->engine, TOKEN_END))
            grammar_take(parser->engine, parser, &end);
        else
            syntax_fail(parser, &end);
    }
    if (parser->failed && parser->second.at != NULL)
        set_define_failed(parser, &parser->second);
    return token.kind != TOKEN_END && !parser->ended;
}

/* --- Includes ------------------------------------------------------------------------------- */

static void parse_source(struct parser *parser, const struct source *source);

static void include_file(struct parser *parser, const struct token *at, const char *path)
{
    struct source source;
    unsigned depth = 1;

    for (const struct source *outer = parser->source; outer != NULL; outer = outer->from) {
        if (strcmp(outer->name, path) == 0) {
            parser_fail(parser, at, "found %.400s, which includes itself%s; expected another file", path,
                        depth > 1 ? " through others" : "");
            return;
        }
        if (depth++ == POLICY_INCLUDE_DEPTH_MAX) {
            parser_fail(parser, at, "found files that include each other %u deep; expected at most %u",
                        POLICY_INCLUDE_DEPTH_MAX + 1, POLICY_INCLUDE_DEPTH_MAX);
            return;
        }
    }
    if (!parser_open(parser, at, path, &source))
        return;
    parse_source(parser, &source);
    free((void *)(uintptr_t)source.text);
}

static void include_all(struct parser *parser, const struct token *at, const char *pattern)
{
    const struct policy_system *system = &parser->policy->system;
    const char *why = "no folders can be read here";
    char **paths = NULL;
    size_t count = 0;

    if (system->list_files == NULL || !system->list_files(system->context, pattern, &paths, &count, &why)) {
        parser_fail(parser, at, "cannot list %.400s: %.200s", pattern, why);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *path = arena_copy(&parser->policy->arena, paths[i], strlen(paths[i]));

        free(paths[i]);
        if (path == NULL)
            parser_no_memory(parser);
        else if (!parser->ended)
            include_file(parser, at, path);
        parser->failed = false;
    }
    free(paths);
}

static void include(struct parser *parser)
{
    struct token at = parser->include;
    const char *at_before = parser->at, *counted_at = parser->counted_at;
    const struct source *outer = parser->source;
    uint32_t counted = parser->counted;
    const char *path = parser_path(parser, &at);

    if (path == NULL)
        return;
    if (strpbrk(path, "*?[") != NULL)
        include_all(parser, &at, path);
    else
        include_file(parser, &at, path);
    parser->source = outer;
    parser->at = at_before;
    parser->counted_at = counted_at;
    parser->counted = counted;
}

static void parse_source(struct parser *parser, const struct source *source)
{
    const struct source *outer = parser->source;
    bool more;

    parser->source = source;
    parser->at = source->text;
    if (source->end - source->text >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0)
        parser->at += 3;
    parser->counted_at = source->text;
    parser->counted = 1;
    do {
        more = parse_line(parser);
        if (parser->include.at != NULL && !parser->failed)
            include(parser);
    } while (more && !parser->ended);
    parser->source = outer;
}

/* --- From outside ---------------------------------------------------------------------------- */

static void free_parser(struct parser *parser)
{
    struct draft *draft = &parser->draft;

    if (parser->engine != NULL)
        grammar_free(parser->engine);
    free(parser->items);
    free(parser->known);
    ranges_cleanup(&draft->to.ranges);
    ranges_cleanup(&draft->from.ranges);
    ranges_cleanup(&draft->to_port.ranges);
    ranges_cleanup(&draft->from_port.ranges);
    ranges_cleanup(&draft->port.ranges);
    bytes_cleanup(&draft->to.host_names);
    bytes_cleanup(&draft->from.host_names);
    bytes_cleanup(&draft->data);
    bytes_cleanup(&parser->plain);
    bytes_cleanup(&parser->pattern);
    free(parser);
}

/* path or text. */
static struct policy *parse(const char *name, const char *text, size_t size, const struct policy_system *system)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    struct parser *parser = calloc(1, sizeof(*parser));
    struct source none = {.name = name}, source = {.name = name, .text = text, .end = text + size};

    if (policy == NULL || parser == NULL || (parser->engine = grammar_new()) == NULL) {
        free(policy);
        free(parser);
        return NULL;
    }
    if (system != NULL)
        policy->system = *system;
    parser->policy = policy;
    if (text == NULL) {
        parser->source = &none;
        if (parser_open(parser, NULL, name, &source)) {
            source.from = NULL;
            source.depth = 0;
            parse_source(parser, &source);
            free((void *)(uintptr_t)source.text);
        }
    } else if (check_lines(parser, &source)) {
        parse_source(parser, &source);
    }
    free_parser(parser);
    if (policy->arena.failed) {
        policy_free(policy);
        return NULL;
    }
    return policy;
}

struct policy *policy_parse_file(const char *path, const struct policy_system *system)
{
    return parse(path, NULL, 0, system);
}

struct policy *policy_parse_text(const char *name, const char *text, size_t size, const struct policy_system *system)
{
    struct policy *policy;
    char *copy = malloc(size + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    policy = parse(name, copy, size, system);
    free(copy);
    return policy;
}

void policy_free(struct policy *policy)
{
    if (policy == NULL)
        return;
    for (struct named_set *set = policy->latest; set != NULL; set = set->older) {
        ranges_cleanup(&set->ranges);
        bytes_cleanup(&set->host_names);
    }
    bytes_cleanup(&policy->records);
    set_store_cleanup(&policy->sets);
    arena_cleanup(&policy->arena);
    free(policy);
}

unsigned policy_error_count(const struct policy *policy)
{
    return policy->error_count;
}

const struct policy_error *policy_error(const struct policy *policy, unsigned number)
{
    return policy->errors[number];
}

bool policy_failed(const struct policy *policy)
{
    return policy->failed_count != 0;
}

uint32_t policy_rule_count(const struct policy *policy)
{
    return policy->rule_count;
}
