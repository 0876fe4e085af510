/* SPDX-License-Identifier: MIT */
/*
 * layout_state.h - what the files of the layout share, and nobody else sees.
 */
#ifndef SCREEN_LAYOUT_STATE_H
#define SCREEN_LAYOUT_STATE_H

#include "screen/layout.h"

/* Rows are written from left to right; what does not fit any more is left away, with dots. */
void layout_put(struct layout *layout, unsigned row, enum layout_style style, const char *string);
void layout_put_format(struct layout *layout, unsigned row, enum layout_style style, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The string in exactly so many columns; ends: its middle goes when it is too long. */
void layout_put_cell(struct layout *layout, unsigned row, enum layout_style style, const char *string, unsigned columns,
                     bool ends);
/* Right-aligned in exactly so many columns. */
void layout_put_right(struct layout *layout, unsigned row, enum layout_style style, const char *string,
                      unsigned columns);
unsigned layout_left(const struct layout *layout, unsigned row);

/* One of them each, by what the terminal shows. */
const char *layout_dots(const struct layout *layout);
const char *layout_arrow(const struct layout *layout);
const char *layout_from(const struct layout *layout);
const char *layout_point(const struct layout *layout);

/* A fact of a question, in the order in which it is shown. */
enum layout_fact {
    LAYOUT_PROGRAM,
    LAYOUT_TO,
    LAYOUT_LOOKS,
    LAYOUT_COMMAND,
    LAYOUT_BY,
    LAYOUT_USER,
    LAYOUT_UNIT,
    LAYOUT_BEFORE,
    LAYOUT_LOCAL,
    LAYOUT_FACTS
};
const char *layout_fact_label(enum layout_fact fact);
/* What is known of it; false: nothing, and nothing is appended. Whole: without leaving anything away. */
bool layout_fact_text(const struct layout *layout, struct text *text, const struct peer_question *question,
                      enum layout_fact fact, bool whole);

/* The program's file is another one than what runs. */
bool layout_is_replaced(const struct peer_question *question);

/* The views that take the whole screen, and what else is more than a row. */
void layout_details(struct layout *layout, struct model *model);
void layout_help(struct layout *layout, struct model *model);

#endif
