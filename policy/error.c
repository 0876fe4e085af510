/* SPDX-License-Identifier: MIT */
/*
 * error.c - errors: where, what, the line, and how they are shown. See policy.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "grammar.h"
#include "policy/parser.h"

#define SENTENCE_MAX 700u
#define SHOWN_MAX    100u /* of the line */
#define QUOTED_MAX   60u

static const char no_memory[] = "out of memory";

uint32_t source_line(const struct source *source, const char *at)
{
    uint32_t line = 1;

    for (const char *c = source->text; c < at; c++)
        line += *c == '\n';
    return line;
}

const char *quote_token(const struct token *token, struct quote *quote)
{
    unsigned length = token->length > QUOTED_MAX ? QUOTED_MAX : token->length;
    const char *more = token->length > QUOTED_MAX ? "..." : "";

    if (token->kind == TOKEN_NEWLINE || token->kind == TOKEN_END)
        return "the end of the line";
    if (token->kind == TOKEN_STRING || token->kind == TOKEN_OPEN)
        snprintf(quote->text, sizeof(quote->text), "%.*s%s", (int)length, token->at, more);
    else
        snprintf(quote->text, sizeof(quote->text), "'%.*s%s'", (int)length, token->at, more);
    return quote->text;
}

/* The line that at stands in, and where in it. */
static void find_place(struct parser *parser, const struct token *token, struct policy_error *error)
{
    const struct source *source = parser->source;
    const char *first = token->at, *end = token->at;

    while (first > source->text && first[-1] != '\n')
        first--;
    while (end < source->end && *end != '\n')
        end++;
    if (end > first && end[-1] == '\r')
        end--;
    error->line = source_line(source, token->at);
    error->column = (uint32_t)(token->at - first) + 1;
    error->width = token->at + token->length > end ? (uint32_t)(end > token->at ? end - token->at : 0) : token->length;
    if (error->width == 0)
        error->width = 1;
    error->source = arena_copy(&parser->policy->arena, first, (size_t)(end - first));
}

static void add(struct parser *parser, const struct token *at, bool warning, const char *sentence)
{
    struct policy *policy = parser->policy;
    struct policy_error *error = arena_take(&policy->arena, sizeof(*error));

    if (error == NULL)
        return;
    *error =
        (struct policy_error){.file = arena_copy(&policy->arena, parser->source->name, strlen(parser->source->name)),
                              .width = 1,
                              .warning = warning,
                              .sentence = arena_copy(&policy->arena, sentence, strlen(sentence))};
    if (at != NULL && at->at != NULL)
        find_place(parser, at, error);
    policy->errors[policy->error_count++] = error;
}

/* What a terminal or an eye would take for something else: controls, what turns the direction of text, no UTF-8. */
static bool is_unsafe(const unsigned char *c, size_t size)
{
    if (size == 1)
        return *c < ' ' || *c >= 0x7f;
    if (size == 2)
        return (c[0] == 0xc2 && c[1] < 0xa0) || (c[0] == 0xd8 && c[1] == 0x9c);
    if (size == 3 && c[0] == 0xe2 && c[1] == 0x80)
        return (c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae);
    return size == 3 && ((c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa0 && c[2] <= 0xaf) ||
                         (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf));
}

/* Bytes of the character of UTF-8 at c; 1 for a byte that is of none. */
static size_t character_size(const unsigned char *c, size_t left)
{
    size_t size = *c < 0xc2 ? 1 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : *c < 0xf5 ? 4 : 1;

    if (size > left)
        return 1;
    for (size_t i = 1; i < size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 1;
    if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) || (*c == 0xf0 && c[1] < 0x90) ||
        (*c == 0xf4 && c[1] > 0x8f))
        return 1;
    return size;
}

/* Each unsafe character becomes one '?': the text never grows. Ends it with a NUL. */
static void clean_part(char *text, size_t size)
{
    size_t to = 0;

    for (size_t from = 0, step; from < size; from += step) {
        step = character_size((const unsigned char *)text + from, size - from);
        if (is_unsafe((const unsigned char *)text + from, step)) {
            text[to++] = '?';
            continue;
        }
        memmove(text + to, text + from, step);
        to += step;
    }
    text[to] = '\0';
}

static void clean(char *sentence)
{
    clean_part(sentence, strlen(sentence));
}

void parser_fail(struct parser *parser, const struct token *at, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list values;

    if (parser->failed || parser->ended)
        return;
    parser->failed = true;
    va_start(values, format);
    vsnprintf(sentence, sizeof(sentence), format, values);
    va_end(values);
    clean(sentence);
    add(parser, at, false, sentence);
    if (++parser->policy->failed_count == POLICY_ERRORS_MAX)
        parser->ended = true;
}

void parser_warn(struct parser *parser, const struct token *at, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    const struct policy *policy = parser->policy;
    va_list values;

    if (parser->failed || parser->ended || policy->error_count - policy->failed_count == POLICY_ERRORS_MAX)
        return;
    va_start(values, format);
    vsnprintf(sentence, sizeof(sentence), format, values);
    va_end(values);
    clean(sentence);
    add(parser, at, true, sentence);
}

void parser_no_memory(struct parser *parser)
{
    parser->failed = true;
    parser->ended = true;
    parser->policy->arena.failed = true;
}

/* --- Shown --------------------------------------------------------------------------------- */

/* Where a column of bytes is among the characters of the line, from 0. */
static size_t characters(const char *text, size_t bytes)
{
    size_t count = 0;

    for (size_t i = 0; i < bytes; i += character_size((const unsigned char *)text + i, bytes - i))
        count++;
    return count;
}

/* At most SHOWN_MAX bytes of a line, indented. */
static void write_plain(struct bytes *text, const char *line, size_t size)
{
    char shown[SHOWN_MAX + 1];

    if (size > SHOWN_MAX)
        size = SHOWN_MAX;
    for (size_t i = 0; i < size; i++)
        shown[i] = line[i] == '\t' ? ' ' : line[i];
    clean_part(shown, size);
    bytes_print(text, "    %s", shown);
}

static bool goes_on(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The part of the line to show: from *first, *size bytes; whole characters, where it is UTF-8. */
static void cut_line(const struct policy_error *error, size_t *first, size_t *size)
{
    size_t length = strlen(error->source), place = error->column - 1;

    *first = place > SHOWN_MAX / 2 && length > SHOWN_MAX ? place - SHOWN_MAX / 2 : 0;
    for (unsigned i = 0; i < 3 && *first > 0 && goes_on(error->source[*first]); i++)
        (*first)--;
    *size = length - *first > SHOWN_MAX ? SHOWN_MAX : length - *first;
    for (unsigned i = 0; i < 3 && goes_on(error->source[*first + *size]); i++)
        (*size)--;
}

static void write_source(const struct policy_error *error, struct bytes *text)
{
    size_t first, size, place = error->column - 1, width = error->width;

    cut_line(error, &first, &size);
    if (place > first + size)
        place = first + size;
    if (width > first + size - place)
        width = first + size > place ? first + size - place : 1;
    write_plain(text, error->source + first, size);
    bytes_print(text, "\n    %*s", (int)characters(error->source + first, place - first), "");
    width = place == first + size ? 1 : characters(error->source + place, width);
    for (size_t i = 0; i == 0 || i < width; i++)
        bytes_print(text, "^");
    bytes_print(text, "\n");
}

size_t policy_error_write(const struct policy_error *error, char *text, size_t capacity)
{
    struct bytes whole = {0};
    char file[513];
    size_t size;

    snprintf(file, sizeof(file), "%s", error->file);
    clean(file);
    bytes_print(&whole, "%s", file);
    if (error->line != 0)
        bytes_print(&whole, ":%u:%u", error->line, error->column);
    bytes_print(&whole, ": %s", error->warning ? "warning: " : "");
    bytes_add(&whole, error->sentence, strlen(error->sentence));
    bytes_print(&whole, ".\n");
    if (error->source != NULL)
        write_source(error, &whole);
    if (whole.failed) {
        bytes_cleanup(&whole);
        bytes_add(&whole, no_memory, sizeof(no_memory) - 1);
    }
    size = whole.size;
    if (capacity != 0) {
        size_t kept = size < capacity ? size : capacity - 1;

        if (kept != 0 && whole.at != NULL)
            memcpy(text, whole.at, kept);
        text[kept] = '\0';
    }
    bytes_cleanup(&whole);
    return size;
}
