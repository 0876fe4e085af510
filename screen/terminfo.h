/* SPDX-License-Identifier: MIT */
/*
 * terminfo.h - what the terminal can, by TERM. A file of its own because curses' term.h takes short words as macros.
 */
#ifndef SCREEN_TERMINFO_H
#define SCREEN_TERMINFO_H

#include <stdbool.h>
#include <stddef.h>

/* TERM names a terminal that is known, moves its cursor and clears its screen. output is a descriptor of it. */
bool terminfo_can(int output);

/* Once curses has begun: what puts the terminal's own screen, cursor and letters back. Returns how many bytes. */
size_t terminfo_restore(char *bytes, size_t size);

#endif
