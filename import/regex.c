/* SPDX-License-Identifier: MIT */
/*
 * regex.c - see rule_line.h: the part of regular expressions that people write for paths, names and ports.
 */
#include "import/rule_line.h"

#include <string.h>

#define SIGNS ".-_/+@:,=~ #%&!'\"*?()[]{}|^$\\"

struct regex {
    const char *at, *end; /* of one alternative */
    enum regex_kind kind;
    struct text out;
};

/* One byte that stands for itself. False: our language cannot say it. */
static bool add_literal(struct regex *regex, char byte)
{
    if (regex->kind == REGEX_PATH && (byte == '*' || byte == '?'))
        return false;
    text_add_bytes(&regex->out, &byte, 1);
    return true;
}

/* A dot: any byte, or with a star behind any bytes. In a name nobody means another sign than the dot. */
static bool add_dot(struct regex *regex)
{
    if (regex->at < regex->end && *regex->at == '*') {
        regex->at++;
        text_add(&regex->out, regex->kind == REGEX_PATH ? "**" : "*");
        return regex->kind != REGEX_WORD;
    }
    if (regex->kind == REGEX_WORD)
        return false;
    text_add(&regex->out, regex->kind == REGEX_PATH ? "?" : ".");
    return true;
}

static bool read_alternative(struct regex *regex)
{
    while (regex->at < regex->end) {
        char byte = *regex->at++;
        bool good;

        if (byte == '.') {
            good = add_dot(regex);
        } else if (byte == '\\') {
            good = regex->at < regex->end && strchr(SIGNS, *regex->at) != NULL && add_literal(regex, *regex->at);
            regex->at++;
        } else {
            good = strchr("*+?()[]{}|^$", byte) == NULL && add_literal(regex, byte);
        }
        if (!good)
            return false;
    }
    return true;
}

/* "*.example.org" is a name of rules; a star elsewhere is not. "*example.org" ends so, but is more than both. */
static bool add_name(const char *name, struct text *found, struct rule_line *line)
{
    if (strncmp(name, "*.", 2) == 0 && strchr(name + 1, '*') == NULL && name[2] != '\0') {
        text_add_format(found, "%s\n", name);
    } else if (name[0] == '*' && strchr(name + 1, '*') == NULL && name[1] != '\0' && name[1] != '.') {
        text_add_format(found, "%s\n*.%s\n", name + 1, name + 1);
        rule_line_narrow(line, "only %.100s and names below it, not all that end so", name + 1);
    } else if (strchr(name, '*') == NULL && name[0] != '\0') {
        text_add_format(found, "%s\n", name);
    } else {
        return false;
    }
    return true;
}

static bool take(struct regex *regex, bool open_start, bool open_end, struct text *found, struct rule_line *line)
{
    const char *string = text_string(&regex->out);

    if (regex->kind == REGEX_NAME) {
        if (open_end)
            rule_line_narrow(line, "only names that end with it, not those that go on behind it");
        return add_name(string, found, line);
    }
    if (regex->kind == REGEX_WORD && (open_start || open_end || string[0] == '\0'))
        return false;
    if (strncmp(string, "**", 2) == 0) /* rules begin with a "/" */
        string += 2, open_start = true;
    if (strlen(string) >= 2 && strcmp(string + strlen(string) - 2, "**") == 0)
        open_end = false;
    text_add_format(found, "%s%s%s\n", open_start ? "/**" : "", string, open_end ? "**" : "");
    return true;
}

/* The whole is one group? Then what is inside. */
static void strip_group(const char **begin, const char **end)
{
    if (*end - *begin >= 2 && **begin == '(' && (*end)[-1] == ')' &&
        memchr(*begin + 1, ')', (size_t)(*end - *begin - 2)) == NULL &&
        memchr(*begin + 1, '(', (size_t)(*end - *begin - 2)) == NULL) {
        ++*begin;
        --*end;
    }
}

/* "(.*\.)?" or "(|.*\.)" before a name: it and all below it. */
static bool has_below(const char **begin)
{
    static const char *const forms[] = {"(.*\\.)?", "(|.*\\.)", "(^|.*\\.)"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strncmp(*begin, forms[i], strlen(forms[i])) == 0) {
            *begin += strlen(forms[i]);
            return true;
        }
    }
    return false;
}

static bool read_all(const char *begin, const char *end, bool open_start, bool open_end, struct regex *regex,
                     struct text *found, struct rule_line *line)
{
    bool good = true;

    strip_group(&begin, &end);
    while (good) {
        const char *bar = memchr(begin, '|', (size_t)(end - begin));
        bool below = regex->kind == REGEX_NAME && has_below(&begin);

        if (below)
            bar = memchr(begin, '|', (size_t)(end - begin));
        regex->at = begin;
        regex->end = bar == NULL ? end : bar;
        text_clear(&regex->out);
        good = read_alternative(regex) && take(regex, open_start, open_end, found, line);
        if (good && below)
            text_add_format(found, "*.%s\n", text_string(&regex->out));
        if (bar == NULL)
            break;
        begin = bar + 1;
    }
    return good;
}

bool regex_read(const char *expression, enum regex_kind kind, struct text *found, struct rule_line *line)
{
    struct regex regex = {.kind = kind};
    const char *begin = expression, *end;
    bool open_start, open_end, good;

    if (strncmp(begin, "(?i)", 4) == 0)
        begin += 4;
    if (begin != expression && kind == REGEX_PATH)
        return false; /* paths have cases here */
    end = begin + strlen(begin);
    open_start = *begin != '^';
    begin += !open_start;
    open_end = end == begin || end[-1] != '$' || (end - begin > 1 && end[-2] == '\\');
    end -= !open_end;
    good = read_all(begin, end, open_start && kind != REGEX_NAME, open_end, &regex, found, line);
    if (kind == REGEX_NAME && good && open_start && strncmp(begin, ".*", 2) != 0 && begin[0] != '(')
        rule_line_narrow(line, "only names that begin with it, not those that have more before it");
    text_free(&regex.out);
    return good;
}
