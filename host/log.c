/* SPDX-License-Identifier: MIT */
/*
 * log.c - lines to stderr. A line is built whole and written at once, so that lines of several
 * programs on one terminal do not mix. A failed write is nothing gatehoused could do better about.
 */
#include "host/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool verbose_on;

void log_set_verbose(bool verbose)
{
    verbose_on = verbose;
}

static void log_line(const char *format, va_list arguments)
{
    static const char prefix[] = "gatehoused: ";
    char line[1024];
    size_t size = sizeof(prefix) - 1;

    memcpy(line, prefix, size);
    int written = vsnprintf(line + size, sizeof(line) - size - 1, format, arguments);
    if (written > 0)
        size += (size_t)written < sizeof(line) - size - 1 ? (size_t)written : sizeof(line) - size - 2;
    line[size++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, size);
    (void)ignored;
}

void log_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(format, arguments);
    va_end(arguments);
}

void log_trace(const char *format, ...)
{
    va_list arguments;

    if (!verbose_on)
        return;
    va_start(arguments, format);
    log_line(format, arguments);
    va_end(arguments);
}
