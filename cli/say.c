/* SPDX-License-Identifier: MIT */
/*
 * say.c - see say.h.
 */
#include "cli/say.h"

#include <stdio.h>

#include "agent/show.h"

void say(const char *sentence)
{
    fprintf(stderr, "gatehouse: %s\n", sentence);
    fflush(stderr);
}

void say_program_path(const char *written, const char *resolved, enum program_path_kind kind, const char *led,
                      const char *absent)
{
    struct text text = {0};

    if (kind == PROGRAM_PATH_REAL)
        return;
    if (kind == PROGRAM_PATH_ABSENT)
        text_add(&text, "no program is at ");
    show_written_path(&text, written);
    if (kind == PROGRAM_PATH_LED) {
        text_add(&text, " leads to ");
        show_written_path(&text, resolved);
    } else {
        text_add(&text, " now");
    }
    text_add(&text, ": ");
    text_add(&text, kind == PROGRAM_PATH_LED ? led : absent);
    say(text_string(&text));
    text_free(&text);
}
