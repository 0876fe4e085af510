/* SPDX-License-Identifier: MIT */
/*
 * terminfo.c - see terminfo.h.
 */
#include "screen/terminfo.h"

#include <stdlib.h>
#include <string.h>

#include <ncursesw/curses.h>

#include <ncursesw/term.h>

static char *target;
static size_t room, used;

bool terminfo_can(int output)
{
    const char *name = getenv("TERM");
    int error = 0;

    if (name == NULL || name[0] == '\0' || strcmp(name, "dumb") == 0 || strcmp(name, "unknown") == 0)
        return false;
    if (setupterm(name, output, &error) != OK)
        return false;
    return cursor_address != NULL && clear_screen != NULL && !generic_type && !hard_copy;
}

static int collect(int byte)
{
    if (used < room)
        target[used++] = (char)byte;
    return byte;
}

size_t terminfo_restore(char *bytes, size_t size)
{
    const char *const strings[] = {exit_attribute_mode, keypad_local, cursor_normal, exit_ca_mode};

    target = bytes;
    room = size;
    used = 0;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        if (strings[i] != NULL)
            tputs(strings[i], 1, collect);
    return used;
}
