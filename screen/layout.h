/* SPDX-License-Identifier: MIT */
/*
 * layout.h - rows of text for a model: what stands where on a screen of so many columns and rows.
 *
 *     title          who answers, how many wait
 *     list           one row a question, oldest deadline first
 *     rule           the selected one, in a sentence, and its time left
 *     details        what is known of it; what matters least goes first when there is little room
 *     choice         what y, n, a and v would say now
 *     message        what happened last
 *     keys
 *
 * Pure but for the width of characters (width.h). Every row is exactly as wide as the screen or less, of printable
 * characters only; ASCII alone where the terminal has no more.
 */
#ifndef SCREEN_LAYOUT_H
#define SCREEN_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/text.h"
#include "screen/model.h"

#define LAYOUT_COLUMNS_MIN 40u
#define LAYOUT_ROWS_MIN    10u
#define LAYOUT_COLUMNS_MAX 1000u
#define LAYOUT_ROWS_MAX    500u
#define LAYOUT_SPANS_MAX   40u

enum layout_style {
    LAYOUT_PLAIN,
    LAYOUT_DIM,
    LAYOUT_BOLD,
    LAYOUT_TITLE,
    LAYOUT_SELECTED,
    LAYOUT_KEY,
    LAYOUT_GOOD,
    LAYOUT_BAD,
    LAYOUT_WARNING,
    LAYOUT_URGENT,
    LAYOUT_STYLES
};

struct layout_span {
    enum layout_style style;
    size_t start; /* bytes in the row's text; up to the next span, or the end */
};

struct layout_row {
    struct text text;
    unsigned columns; /* that the text takes */
    struct layout_span spans[LAYOUT_SPANS_MAX];
    unsigned span_count;
    enum layout_style fill; /* of the rest of the row */
    bool rule;              /* the rest is a line */
};

struct layout {
    unsigned columns, rows;
    bool utf8; /* the terminal shows UTF-8 */
    uint64_t now;
    struct layout_row row[LAYOUT_ROWS_MAX];
    bool with_question;                 /* the selected question has its place; true when none is selected */
    bool list;                          /* the list is there: not help, not all details */
    unsigned cursor_row, cursor_column; /* where something is being written; row >= rows: nowhere */
};

/* Zeroed, columns, rows and utf8 set. Sets the model's page and bounds its scroll; changes nothing else of it. */
void layout_make(struct layout *layout, struct model *model, uint64_t now);
void layout_free(struct layout *layout);

#endif
