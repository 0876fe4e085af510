/* SPDX-License-Identifier: MIT */
/*
 * scenario_words.h - the words of one step, taken one after the other.
 *
 * Each words_* takes one word and returns false with an error that names file, line, what was expected and
 * what was found.
 */
#ifndef SCENARIO_WORDS_H
#define SCENARIO_WORDS_H

#include "lab/scenario.h"

#define WORDS_MAX 128u

struct words {
    const char *file;
    unsigned line;
    char *word[WORDS_MAX];
    size_t count, at;
    struct scenario_error *error;
    char text[2048];       /* what word points into */
    const char *line_text; /* the line itself, line_size bytes */
    size_t line_size;
};

/* From the next word to the end of the line, as it stands there; size: without blanks at its end. Takes them all. */
const char *words_rest(struct words *words, size_t *size);

/* Splits a line at blanks; a comma is a word. */
bool words_split(struct words *words, const char *line, size_t size);

/* Always false. Says "expected WANTED, found WORD" of the next word. */
bool words_expected(struct words *words, const char *wanted);
/* Always false. Any other sentence. */
bool words_wrong(struct words *words, const char *sentence, const char *about);

bool words_are_left(const struct words *words);
/* Takes the next word if it is this one. */
bool words_take(struct words *words, const char *word);
bool words_end(struct words *words);

bool words_number(struct words *words, uint32_t lowest, uint32_t highest, const char *what, uint32_t *number);
/* Decimal or, after 0x, hexadecimal. */
bool words_any_number(struct words *words, uint64_t highest, const char *what, uint64_t *number);
/* One of a NULL-terminated list; *index: which. wanted names them all. */
bool words_choice(struct words *words, const char *const *choices, const char *wanted, uint32_t *index);
/* 192.0.2.1:443 or [fd00::1]:443. */
bool words_address(struct words *words, uint8_t *ip_version, uint8_t *address, uint16_t *port);
/* 192.0.2.1 or fd00::1. */
bool words_plain_address(struct words *words, uint8_t *ip_version, uint8_t *address);
/* S-1-5-21-1000. */
bool words_sid(struct words *words, uint8_t *sid, uint8_t *size);
/* A path of printable ASCII, as UTF-16 with its NUL; "none": empty. */
bool words_path(struct words *words, uint16_t *path);

/* A name that is there; a new one, which must be in none of the lists. */
bool words_known(struct words *words, const struct scenario_names *names, const char *what, uint32_t *index);
bool words_new(struct words *words, struct scenario *scenario, struct scenario_names *names, uint32_t *index);
/* $name, which is then in scenario->variables; make: it may be new. */
bool words_variable(struct words *words, struct scenario *scenario, const char *name, bool make, uint32_t *index);
/* A driver, routine, parameter, device or port: printable ASCII without a blank, at most longest characters. */
bool words_text(struct words *words, const char *what, char *text, size_t longest);
/* Without an error: is the next word in this list? */
bool words_find(const struct words *words, const struct scenario_names *names, uint32_t *index);

#endif
