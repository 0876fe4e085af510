/* SPDX-License-Identifier: MIT */
/*
 * main_windows.c - see program.h. Makes Windows' start that of every other system: arguments in UTF-8, streams of
 * bytes, a console that takes UTF-8.
 */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include "cli/commands.h"
#include "cli/program.h"
#include "cli/say.h"

/* The C library of mingw-w64 would put file names in the place of arguments with a '*'. */
int _dowildcard = 0;

int wmain(int argc, wchar_t **wide);

static UINT console_before;

static void restore_console(void)
{
    SetConsoleOutputCP(console_before);
}

/* A program without a console keeps all bytes as they are, and so does not need this. */
static void set_console(void)
{
    console_before = GetConsoleOutputCP();
    if (console_before != 0 && console_before != CP_UTF8 && SetConsoleOutputCP(CP_UTF8))
        atexit(restore_console);
}

/* Without a buffer of its own a console would get a character of several bytes byte by byte, and show none of them. */
static void open_stream(FILE *stream, const char *mode)
{
    FILE *opened = _fileno(stream) < 0 ? freopen("NUL", mode, stream) : stream;

    if (opened == NULL)
        return;
    (void)_setmode(_fileno(opened), _O_BINARY);
    setvbuf(opened, NULL, _IOFBF, BUFSIZ);
}

/* NULL when an argument is not Unicode, or memory is short. Ends in a NULL, as argv does. */
static char **arguments_to_utf8(int argc, wchar_t **wide)
{
    char **narrow = calloc((size_t)argc + 1, sizeof(*narrow));

    for (int i = 0; narrow != NULL && i < argc; i++) {
        int size = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide[i], -1, NULL, 0, NULL, NULL);

        narrow[i] = size <= 0 ? NULL : malloc((size_t)size);
        if (narrow[i] == NULL ||
            WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide[i], -1, narrow[i], size, NULL, NULL) != size)
            return NULL;
    }
    return narrow;
}

int wmain(int argc, wchar_t **wide)
{
    char **narrow;

    open_stream(stdin, "rb");
    open_stream(stdout, "wb");
    open_stream(stderr, "wb");
    set_console();
    narrow = arguments_to_utf8(argc, wide);
    if (narrow == NULL) {
        say("an argument is not valid Unicode: write it otherwise.");
        return AGENT_USAGE;
    }
    return program_run(argc, narrow);
}
