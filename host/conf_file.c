/* SPDX-License-Identifier: MIT */
/*
 * conf_file.c - reads gatehoused.conf. A line that is wrong is told, and the next one read: all errors come at once.
 *
 * The text is data of others until every line was found right, so all goes into a copy of the settings first.
 */
#include "host/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/own_file.h"

struct reader {
    const char *at, *end; /* of the line that is read */
    const char *start;
    unsigned line;
    struct settings settings;
    struct settings unused;    /* values that the command line has overruled: only to know whether they are right */
    unsigned set_in[SETTINGS]; /* line; 0: not yet */
    struct conf_errors *errors;
};

/* --- Errors ---------------------------------------------------------------------------------- */

/* Bytes that continue a character are not counted. */
static unsigned column_of(const struct reader *reader, const char *place)
{
    unsigned column = 1;

    for (const char *c = reader->start; c < place; c++)
        column += ((unsigned char)*c & 0xc0u) != 0x80u;
    return column;
}

__attribute__((format(printf, 3, 4))) static bool fail(struct reader *reader, const char *place, const char *format,
                                                       ...)
{
    va_list arguments;

    if (reader->errors->count == CONF_ERRORS_MAX)
        return false;
    struct conf_error *error = &reader->errors->error[reader->errors->count++];
    error->line = reader->line;
    error->column = column_of(reader, place);
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return false;
}

/* What stands there, for a sentence: the word, its start, or that the line ends. */
static const char *found(const struct reader *reader, const char *place, char text[64])
{
    size_t size = 0, room = 40;

    while (place + size < reader->end && place[size] != ' ' && place[size] != '\t' && size < room)
        size++;
    while (size && size == room && place + size < reader->end && ((unsigned char)place[size] & 0xc0u) == 0x80u)
        size--; /* not within a character */
    if (size == 0)
        snprintf(text, 64, "the end of the line");
    else
        snprintf(text, 64, "\"%.*s\"%s", (int)size, place, size == room ? "..." : "");
    return text;
}

/* --- A line ---------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && is_blank(*reader->at))
        reader->at++;
}

static bool is_over(const struct reader *reader)
{
    return reader->at == reader->end || *reader->at == '#';
}

static bool is_name_part(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool read_name(struct reader *reader, enum setting *setting)
{
    const char *name = reader->at;
    enum setting similar;
    char text[64];

    while (reader->at < reader->end && is_name_part(*reader->at))
        reader->at++;
    size_t size = (size_t)(reader->at - name);
    if (size == 0)
        return fail(reader, name, "found %s; expected the name of a setting, \"=\" and a value.",
                    found(reader, name, text));
    *setting = setting_find(name, size, &similar);
    if (*setting == SETTING_NONE && similar != SETTING_NONE)
        return fail(reader, name, "found \"%.*s\", which is no setting; did you mean \"%s\"?",
                    (int)(size < 40 ? size : 40), name, setting_name(similar));
    if (*setting == SETTING_NONE)
        return fail(reader, name, "found \"%.*s\", which is no setting; \"gatehoused --check\" shows all there are.",
                    (int)(size < 40 ? size : 40), name);
    if (reader->set_in[*setting])
        return fail(reader, name, "found \"%s\" again; it was set in line %u: leave one of them.",
                    setting_name(*setting), reader->set_in[*setting]);
    reader->set_in[*setting] = reader->line;
    return true;
}

/* Writes the value with a NUL; *place is where it stands. */
static bool read_quoted(struct reader *reader, char *value)
{
    const char *open = reader->at++;
    size_t size = 0;

    for (; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\') {
            if (reader->at + 1 == reader->end || (reader->at[1] != '"' && reader->at[1] != '\\'))
                return fail(reader, reader->at,
                            "found \"\\\"; in quotes only \\\" and \\\\ may follow it: for one \\ "
                            "write two.");
            reader->at++;
        }
        if (size == SETTING_PATH_MAX - 1)
            return fail(reader, open, "found a value of more than %u bytes.", SETTING_PATH_MAX - 1);
        value[size++] = *reader->at;
    }
    if (reader->at == reader->end)
        return fail(reader, open, "found a quote that the line does not close; write \" at the end of the value.");
    reader->at++;
    value[size] = 0;
    return true;
}

static bool read_word(struct reader *reader, char *value)
{
    const char *word = reader->at;

    for (; reader->at < reader->end && !is_blank(*reader->at); reader->at++)
        if (*reader->at == '"')
            return fail(reader, reader->at,
                        "found a quote within a value; write the whole value in quotes, and \\\" "
                        "for a quote in it.");
    size_t size = (size_t)(reader->at - word);
    if (size >= SETTING_PATH_MAX)
        return fail(reader, word, "found a value of more than %u bytes.", SETTING_PATH_MAX - 1);
    memcpy(value, word, size);
    value[size] = 0;
    return true;
}

static bool read_setting(struct reader *reader, char *value)
{
    char message[SETTING_MESSAGE_MAX], text[64];
    enum setting setting = SETTING_NONE;

    if (!read_name(reader, &setting))
        return false;
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != '=')
        return fail(reader, reader->at, "found %s; expected \"=\": write %s = VALUE.", found(reader, reader->at, text),
                    setting_name(setting));
    reader->at++;
    skip_blanks(reader);
    const char *place = reader->at;
    value[0] = 0;
    if (!is_over(reader) && !(*place == '"' ? read_quoted(reader, value) : read_word(reader, value)))
        return false;
    const char *after = reader->at;
    skip_blanks(reader);
    if (!is_over(reader))
        return fail(reader, reader->at,
                    "found %s after the value; a value with blanks stands in quotes, a comment "
                    "begins with #.",
                    found(reader, reader->at, text));
    if (reader->at < reader->end && after == reader->at && after != place)
        return fail(reader, after, "found a comment right behind the value; put a blank before it.");
    bool overruled = reader->settings.origin[setting] == SETTING_BY_COMMAND_LINE;
    struct settings *settings = overruled ? &reader->unused : &reader->settings;
    if (!setting_take(settings, setting, value, NULL, message))
        return fail(reader, place, "%s %s", setting_name(setting), message);
    settings->origin[setting] = SETTING_BY_FILE;
    settings->line[setting] = reader->line;
    return true;
}

static bool read_line(struct reader *reader, char *value)
{
    if (reader->end > reader->start && reader->end[-1] == '\r')
        reader->end--;
    for (const char *c = reader->start; c < reader->end; c++)
        if (((unsigned char)*c < 32 && *c != '\t') || *c == 127)
            return fail(reader, c, "found the control character %u; this is a file of text.", (unsigned char)*c);
    skip_blanks(reader);
    return is_over(reader) || read_setting(reader, value);
}

bool conf_parse(const char *text, size_t size, struct settings *settings, struct conf_errors *errors)
{
    const char *end = text + size;
    struct reader *reader = calloc(1, sizeof(*reader));
    char *value = malloc(SETTING_PATH_MAX);

    memset(errors, 0, sizeof(*errors));
    if (!reader || !value) {
        errors->count = 1;
        snprintf(errors->error[0].message, sizeof(errors->error[0].message), "out of memory.");
        free(reader);
        free(value);
        return false;
    }
    reader->errors = errors;
    reader->settings = *settings;
    while (text < end && errors->count < CONF_ERRORS_MAX) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        reader->line++;
        reader->start = reader->at = text;
        reader->end = newline ? newline : end;
        text = newline ? newline + 1 : end;
        read_line(reader, value);
    }

    bool fine = errors->count == 0;
    if (fine)
        *settings = reader->settings;
    free(reader);
    free(value);
    return fine;
}

/* --- A file ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static enum conf_result bad_file(struct conf_errors *errors, const char *format,
                                                                       ...)
{
    va_list arguments;

    memset(errors, 0, sizeof(*errors));
    errors->count = 1;
    va_start(arguments, format);
    vsnprintf(errors->error[0].message, sizeof(errors->error[0].message), format, arguments);
    va_end(arguments);
    return CONF_BAD;
}

static enum conf_result read_open(int file, struct settings *settings, struct conf_errors *errors)
{
    struct stat status;

    if (fstat(file, &status))
        return bad_file(errors, "cannot be looked at: %s.", strerror(errno));
    if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3))
        return conf_parse("", 0, settings, errors) ? CONF_READ : CONF_BAD;
    if (!S_ISREG(status.st_mode))
        return bad_file(errors, "is no file of text.");
    if (!own_file_is(&status))
        return bad_file(errors, OWN_FILE_ADVICE ".");
    char *text = malloc(CONF_FILE_MAX + 1);
    size_t size = 0;
    ssize_t got = text ? 1 : -1;
    while (got > 0 && size <= CONF_FILE_MAX) {
        got = read(file, text + size, CONF_FILE_MAX + 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    enum conf_result result;
    if (got < 0)
        result = bad_file(errors, "cannot be read: %s.", strerror(errno));
    else if (size > CONF_FILE_MAX)
        result = bad_file(errors, "is longer than %u bytes.", CONF_FILE_MAX);
    else
        result = conf_parse(text, size, settings, errors) ? CONF_READ : CONF_BAD;
    free(text);
    return result;
}

enum conf_result conf_read(const char *path, struct settings *settings, struct conf_errors *errors)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    memset(errors, 0, sizeof(*errors));
    if (file < 0 && errno == ENOENT)
        return CONF_MISSING;
    if (file < 0)
        return bad_file(errors, "cannot be opened: %s.", strerror(errno));
    enum conf_result result = read_open(file, settings, errors);
    close(file);
    return result;
}
