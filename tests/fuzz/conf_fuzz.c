/* SPDX-License-Identifier: MIT */
/*
 * conf_fuzz.c - gatehoused.conf: host/conf_file.c against regular expressions.
 *
 * The first two bytes say which settings the command line has set; the rest is the file. The oracle takes each line by
 * one expression for its form and one for its value, knows no error but "wrong", and must agree on every line. What is
 * taken, written as a file again, gives the same settings; what is refused changes nothing.
 */
#include <arpa/inet.h>
#include <regex.h>

#include "host/conf_file.h"
#include "tests/fuzz/fuzz.h"

#define LINES_MAX 4096u

static const char line_form[] =
    "^[ \t]*(([A-Za-z0-9_-]+)[ \t]*=[ \t]*(([^ \t\"#][^ \t\"]*)|\"(([^\"\\]|\\\\[\"\\])*)\")?"
    "([ \t]+#.*|[ \t]*)|#.*)?$";
/* "name =#" stands for no value, so that the line has its form; a value is never empty in VALUES. */
static const char bare_form[] = "^[ \t]*([A-Za-z0-9_-]+)[ \t]*=[ \t]*#.*$";

static const struct {
    const char *name, *value;
    double lowest, highest; /* 0, 0: a word or path */
} forms[SETTINGS] = {
    {"socket", "^/.{0,106}$", 0, 0},
    {"state", "^/.{0,239}$", 0, 0},
    {"rules", "^/", 0, 0},
    {"deadline", "^[0-9]{1,6}([.][0-9]{1,9})?$", 0.0995, 120.0004},
    {"undecided", "^(block|permit)$", 0, 0},
    {"no-decider", "^(hold|block|permit)$", 0, 0},
    {"dead", "^(closed|open)$", 0, 0},
    {"capacity", "^[0-9]+$", 16, 64000},
    {"hold-loopback", "^(yes|no)$", 0, 0},
    {"queue", "^[0-9]+$", 0, 65535},
    {"name-servers", "^(system|any|none)$", 0, 0},
    {"driver", "^/", 0, 0},
    {"special-pool", "^(yes|no)$", 0, 0},
    {"confine", "^(yes|no|kill)$", 0, 0},
    {"verbose", "^(yes|no)$", 0, 0},
};

static const char name_form[] = "^[ \t]*([A-Za-z0-9_-]+)";

static regex_t line_expression, bare_expression, name_expression, value_expressions[SETTINGS];

static void compile_all(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    fuzz_check(regcomp(&line_expression, line_form, REG_EXTENDED) == 0);
    fuzz_check(regcomp(&bare_expression, bare_form, REG_EXTENDED) == 0);
    fuzz_check(regcomp(&name_expression, name_form, REG_EXTENDED) == 0);
    for (unsigned i = 0; i < SETTINGS; i++)
        fuzz_check(regcomp(&value_expressions[i], forms[i].value, REG_EXTENDED | REG_NOSUB) == 0);
}

/* Some addresses: what inet_pton takes, one of IPv6 with a zone behind "%" too. */
static bool servers_fit(const char *value)
{
    char copy[SETTING_PATH_MAX], *rest = copy, *word, *zone;
    unsigned count = 0;
    uint8_t address[16];

    snprintf(copy, sizeof(copy), "%s", value);
    while ((word = strsep(&rest, " \t,")) != NULL) {
        if (*word == 0)
            continue;
        zone = strchr(word, '%');
        if (zone)
            *zone = 0;
        if (inet_pton(AF_INET6, word, address) != 1 && (zone || inet_pton(AF_INET, word, address) != 1))
            return false;
        count++;
    }
    return count >= 1 && count <= 16 && strlen(value) < SETTING_SERVERS_MAX;
}

static bool value_fits(unsigned setting, const char *value)
{
    if (setting == SETTING_NAME_SERVERS && regexec(&value_expressions[setting], value, 0, NULL, 0) != 0)
        return strlen(value) < SETTING_PATH_MAX && servers_fit(value);
    if (regexec(&value_expressions[setting], value, 0, NULL, 0) != 0 || strlen(value) >= SETTING_PATH_MAX)
        return false;
    if (forms[setting].highest == 0)
        return true;
    double number = strtod(value, NULL);
    return number >= forms[setting].lowest && number <= forms[setting].highest;
}

/* Copies a group, with what is behind a backslash for it and the backslash. */
static void copy_group(const char *line, regmatch_t group, bool quoted, char *copy)
{
    for (regoff_t i = group.rm_so; i < group.rm_eo; i++) {
        if (quoted && line[i] == '\\')
            i++;
        *copy++ = line[i];
    }
    *copy = 0;
}

static bool is_text(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 127)
            return false;
    return true;
}

/* The setting that the line names, SETTINGS if none; whatever is wrong behind it, it counts as seen. */
static unsigned setting_of(const char *line, bool seen[SETTINGS], bool *again)
{
    static char name[LINES_MAX + 1];
    regmatch_t groups[2];
    unsigned setting = 0;

    if (regexec(&name_expression, line, 2, groups, 0) != 0)
        return SETTINGS;
    copy_group(line, groups[1], false, name);
    while (setting < SETTINGS && strcmp(name, forms[setting].name) != 0)
        setting++;
    if (setting < SETTINGS) {
        *again = seen[setting];
        seen[setting] = true;
    }
    return setting;
}

/* Whether a line is right; seen: settings of lines before it. */
static bool line_fits(char *line, size_t size, bool seen[SETTINGS])
{
    static char value[LINES_MAX + 1];
    regmatch_t groups[8];
    bool again = false;

    if (size && line[size - 1] == '\r')
        line[--size] = 0;
    if (!is_text(line, size))
        return false;
    unsigned setting = setting_of(line, seen, &again);
    bool bare = regexec(&bare_expression, line, 2, groups, 0) == 0;
    if (!bare && regexec(&line_expression, line, 8, groups, 0) != 0)
        return false;
    if (!bare && groups[2].rm_so < 0)
        return true; /* nothing but blanks and a comment */
    value[0] = 0;
    if (!bare && groups[4].rm_so >= 0)
        copy_group(line, groups[4], false, value);
    else if (!bare && groups[5].rm_so >= 0)
        copy_group(line, groups[5], true, value);
    return setting < SETTINGS && !again && value_fits(setting, value);
}

/* Settings as a file, and read again. */
static void check_round(const struct settings *settings, const struct settings *before)
{
    static char text[SETTINGS * (SETTING_PATH_MAX * 2 + 64)];
    struct settings again = *before;
    struct conf_errors errors;
    size_t size = 0;

    for (unsigned i = 0; i < SETTINGS; i++) {
        char value[SETTING_PATH_MAX];

        if (settings->origin[i] != SETTING_BY_FILE)
            continue;
        setting_value(settings, (enum setting)i, value);
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s = \"", setting_name((enum setting)i));
        for (const char *c = value; *c; c++) {
            if (*c == '"' || *c == '\\')
                text[size++] = '\\';
            text[size++] = *c;
        }
        size += (size_t)snprintf(text + size, sizeof(text) - size, "\"\n");
    }
    fuzz_check(conf_parse(text, size, &again, &errors));
    memcpy(again.line, settings->line, sizeof(again.line));
    for (unsigned i = 0; i < SETTINGS; i++) {
        char one[SETTING_PATH_MAX], other[SETTING_PATH_MAX];

        setting_value(settings, (enum setting)i, one);
        setting_value(&again, (enum setting)i, other);
        fuzz_check(strcmp(one, other) == 0 && settings->origin[i] == again.origin[i]);
        if (settings->origin[i] != SETTING_BY_FILE) { /* as it was before */
            setting_value(before, (enum setting)i, other);
            fuzz_check(strcmp(one, other) == 0 && settings->origin[i] == before->origin[i]);
        }
    }
}

static void check_errors(const struct conf_errors *errors, const bool *wrong, unsigned lines)
{
    unsigned next = 0;

    fuzz_check(errors->count <= CONF_ERRORS_MAX);
    for (unsigned i = 0; i < errors->count; i++) { /* each wrong line once, in order, and no other */
        while (next < lines && !wrong[next])
            next++;
        fuzz_check(next < lines && errors->error[i].line == next + 1 && errors->error[i].column != 0);
        size_t size = strlen(errors->error[i].message);
        fuzz_check(size > 1 && strchr(".?", errors->error[i].message[size - 1]) != NULL);
        next++;
    }
    while (errors->count < CONF_ERRORS_MAX && next < lines)
        fuzz_check(!wrong[next++]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool wrong[LINES_MAX];
    bool seen[SETTINGS] = {false};
    struct settings settings, before;
    struct conf_errors errors;
    unsigned lines = 0;

    if (size < 2 || size > LINES_MAX)
        return 0;
    compile_all();
    settings_init(&before);
    for (unsigned i = 0; i < SETTINGS; i++)
        if ((data[0] | data[1] << 8) & (1 << i))
            before.origin[i] = SETTING_BY_COMMAND_LINE;
    data += 2;
    size -= 2;
    char *text = malloc(size ? size : 1); /* a block of its own size */
    fuzz_check(text != NULL);
    memcpy(text, data, size);
    settings = before;
    bool fine = conf_parse(text, size, &settings, &errors);
    fuzz_check(fine == (errors.count == 0));
    for (size_t at = 0; at < size;) {
        static char line[LINES_MAX + 1];
        const char *newline = memchr(text + at, '\n', size - at);
        size_t length = newline ? (size_t)(newline - (text + at)) : size - at;

        memcpy(line, text + at, length);
        line[length] = 0;
        wrong[lines++] = !line_fits(line, length, seen);
        at += length + (newline != NULL);
    }
    check_errors(&errors, wrong, lines);
    if (fine)
        check_round(&settings, &before);
    else
        fuzz_check(memcmp(&settings, &before, sizeof(settings)) == 0);
    free(text);
    return 0;
}
