/* SPDX-License-Identifier: MIT */
/*
 * width.h - text of others in the columns of a terminal: how wide it is, and what of it fits.
 *
 * Text is UTF-8. What is no UTF-8 and what is no printable character counts, and is shown, as one "?": what comes here
 * was escaped before, so there is none. Widths are those of the C library (wcwidth), which curses uses too: 0 for
 * combining characters, 2 for wide ones. A character is never cut from what combines with it. The one file of screen/
 * that knows wchar_t, which is 32 bits wide in this folder. setlocale comes first; the rest is pure.
 */
#ifndef SCREEN_WIDTH_H
#define SCREEN_WIDTH_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/text.h"

/* Bytes of the first character of size bytes (at least 1), and its columns; shown is false for what is no character. */
size_t width_next(const char *bytes, size_t size, unsigned *columns, bool *shown);
/* Columns of a whole string. */
unsigned width_of(const char *string);

/* Appends the string; what is wider than columns loses its end, or its middle, and has dots there. Returns the columns
 * that were used. */
unsigned width_add(struct text *text, const char *string, unsigned columns, const char *dots);
unsigned width_add_ends(struct text *text, const char *string, unsigned columns, const char *dots);

/* Bytes of the string that stand in one line of so many columns, at least one character: up to a space where there is
 * one in the second half. */
size_t width_break(const char *string, unsigned columns);

/* Appends the string with each character beyond ASCII as \u{...}: for terminals that are not UTF-8. */
void width_add_plain(struct text *text, const char *string);

#endif
