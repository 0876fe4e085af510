/* SPDX-License-Identifier: MIT */
/*
 * rule_line.h - one rule on its way from another program: its words so far, or why it cannot be carried over.
 */
#ifndef IMPORT_RULE_LINE_H
#define IMPORT_RULE_LINE_H

#include <stdbool.h>

#include "agent/text.h"
#include "import/import.h"

struct rule_line {
    struct text words;  /* matchers, each with a space before it */
    char why[512];      /* not carried over; empty: it is */
    char narrower[512]; /* what it matches less than before; empty: nothing */
};

/* The first reason counts. */
void rule_line_leave(struct rule_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rule_line_narrow(struct rule_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rule_line_free(struct rule_line *line);

/* Writes it to imported: "# NAME" and "ACTION MATCHERS UNTIL", or the reason. action NULL with a reason only. */
void rule_line_write(struct rule_line *line, const char *name, const char *action, const char *until,
                     struct imported *imported);

/*
 * A regular expression of RE2's kind as things that our language can say, separated by newlines in found. Taken are: an
 * anchor at each end, one group of alternatives, letters, "\" before a sign, "." and ".*". False: it is another.
 */
enum regex_kind {
    REGEX_PATH, /* found are patterns of rules.md: ** for .*, ? for . */
    REGEX_NAME, /* found are names of hosts: example.org, *.example.org */
    REGEX_WORD  /* found are words without any wildcard: ports, users, protocols */
};
bool regex_read(const char *regex, enum regex_kind kind, struct text *found, struct rule_line *line);

/* --- One file each --- */
enum agent_result opensnitch_read(const char *const *paths, unsigned count, struct imported *imported,
                                  struct problem *problem);
enum agent_result simplewall_read(const char *path, const char *bytes, size_t size, struct imported *imported,
                                  struct problem *problem);

/* The whole file; of malloc, with a NUL behind. NULL: problem says why. */
char *import_read_file(const char *path, size_t *size, struct problem *problem);

#endif
