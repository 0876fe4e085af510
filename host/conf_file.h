/* SPDX-License-Identifier: MIT */
/*
 * conf_file.h - gatehoused.conf: lines "name = value" for the settings of settings.h.
 *
 *     file    = { line }              line = blanks [ name blanks "=" blanks value ] blanks [ "#" comment ] newline
 *     name    = letters, digits, "-"
 *     value   = word | '"' { character | '\"' | '\\' } '"'
 *     word    = characters without blanks, '"' and, at its start, '#'
 *
 * Each setting at most once. A comment begins where a name or blanks could stand, so that a "#" inside a word is a part
 * of it. Bytes above 127 are taken as they are; control characters but tab are refused, and a carriage return is so but
 * at the end of a line.
 */
#ifndef HOST_CONF_FILE_H
#define HOST_CONF_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "host/settings.h"

#define CONF_FILE_MAX   65536u /* bytes */
#define CONF_ERRORS_MAX 20u    /* more are not looked for */

struct conf_error {
    unsigned line, column;             /* from 1; column in characters. 0: the file as a whole */
    char message[SETTING_MESSAGE_MAX]; /* what was found, what is expected there, what to write: a whole sentence */
};

struct conf_errors {
    unsigned count;
    struct conf_error error[CONF_ERRORS_MAX];
};

/*
 * Sets what the text says, but not what the command line said already (origin BY_COMMAND_LINE). False: settings are as
 * before, and errors says why, in the order of the text.
 */
bool conf_parse(const char *text, size_t size, struct settings *settings, struct conf_errors *errors);

enum conf_result { CONF_READ, CONF_MISSING, CONF_BAD };

/*
 * The same with a file. MISSING: it is not there, and settings are as before. Only a file that nobody but root (or who
 * runs this) can change is taken, or the null device, which is an empty one.
 */
enum conf_result conf_read(const char *path, struct settings *settings, struct conf_errors *errors);

#endif
