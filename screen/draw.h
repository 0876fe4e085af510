/* SPDX-License-Identifier: MIT */
/*
 * draw.h - the terminal of the screen: rows to curses, keys from it, signals that concern it.
 *
 * While it is open, the terminal is put right again on every way out: draw_close, Ctrl-Z (and taken again afterwards),
 * and the signals of a crash. Signals that stop the program are agent/stop.h's: its loop ends, and closes.
 */
#ifndef SCREEN_DRAW_H
#define SCREEN_DRAW_H

#include <stdbool.h>

#include "agent/result.h"
#include "screen/layout.h"

/* Input and output are one terminal that can move its cursor and clear itself, as TERM says. */
bool draw_can(void);

/* Forgets what was typed before. AGENT_FAILED with a sentence. */
enum agent_result draw_open(struct problem *problem);
void draw_close(void);

bool draw_is_utf8(void);
void draw_size(unsigned *columns, unsigned *rows);
void draw_layout(const struct layout *layout);

/* Readable when a signal came that draw_signals has something to do for. */
int draw_descriptor(void);
/* Takes a new size; stops at Ctrl-Z and comes back when the program goes on. True: what was on the screen was away. */
bool draw_signals(void);

/* The next key that was pressed (model.h); 0: none; -1: the input ended. Call when standard input is readable, until 0.
 */
int draw_key(void);

#endif
