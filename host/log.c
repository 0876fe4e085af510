/* SPDX-License-Identifier: MIT */
/*
 * log.c - lines to stderr, and what was asked for to stdout. A line is built whole and written at once, so that lines
 * of several programs on one terminal do not mix. A failed write is nothing gatehoused could do better about.
 */
#include "host/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool verbose_on;
static const char *program = "gatehoused";

void log_set_program(const char *name)
{
    program = name;
}

void log_set_verbose(bool verbose)
{
    verbose_on = verbose;
}

/*
 * A reader that stopped reading must not stop the gate: a line that would have to wait is lost, and the next one that
 * gets out says so. (A pipe that is ready takes at least 4 KiB.)
 */
static void write_line(int fd, const char *line, size_t size)
{
    static unsigned lost;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    char note[80];

    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT)) {
        lost++;
        return;
    }
    if (lost) {
        int length = snprintf(note, sizeof(note), "%s: %u lines before this one were lost.\n", program, lost);
        ssize_t noted = write(fd, note, (size_t)length);
        (void)noted;
        lost = 0;
    }
    ssize_t ignored = write(fd, line, size);
    (void)ignored;
}

static void log_line(int fd, const char *format, va_list arguments)
{
    char line[1024];
    size_t size = (size_t)snprintf(line, sizeof(line), "%s: ", program);

    int written = vsnprintf(line + size, sizeof(line) - size - 1, format, arguments);
    if (written > 0)
        size += (size_t)written < sizeof(line) - size - 1 ? (size_t)written : sizeof(line) - size - 2;
    line[size++] = '\n';
    write_line(fd, line, size);
}

void log_tell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(STDOUT_FILENO, format, arguments);
    va_end(arguments);
}

void log_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(STDERR_FILENO, format, arguments);
    va_end(arguments);
}

void log_trace(const char *format, ...)
{
    va_list arguments;

    if (!verbose_on)
        return;
    va_start(arguments, format);
    log_line(STDERR_FILENO, format, arguments);
    va_end(arguments);
}
