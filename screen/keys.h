/* SPDX-License-Identifier: MIT */
/*
 * keys.h - keys that curses does not know: terminals often send others than TERM says.
 *
 * What begins with Escape is one key, known or not, and never the letters that it is made of: those might answer.
 * ECMA-48, section 5.4 (CSI: parameters, then one final byte). Escape itself is a key when nothing follows it. Pure.
 */
#ifndef SCREEN_KEYS_H
#define SCREEN_KEYS_H

#include <stdbool.h>

enum keys_state { KEYS_PLAIN, KEYS_ESCAPE, KEYS_ESCAPE_TOLD, KEYS_CSI, KEYS_SS3 };

/* Zeroed at the beginning. */
struct keys {
    enum keys_state state;
    unsigned parameter; /* the first one */
    bool further;       /* past the first one */
    unsigned length;
};

/* The key (model.h) that a character ends; 0: none yet, or one that means nothing here. */
int keys_take(struct keys *keys, int character);
/* No further character is there: Escape, if that was all; else 0. */
int keys_pause(struct keys *keys);

#endif
