/* SPDX-License-Identifier: MIT */
/*
 * lines.h - a stream socket that carries lines both ways, for both ends of a desk.
 *
 * Sending never waits: what does not go out at once waits in a bounded buffer. A far end that lets it run full, sends a
 * line that is too long, or ends the connection is told of once, from the loop, never from inside a call. One thread.
 */
#ifndef DESK_LINES_H
#define DESK_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/result.h"
#include "desk/loop.h"

#define LINES_WAITING_MAX (4u << 20)

struct lines;

struct lines_handlers {
    void *context;
    /* A line without its newline, with a NUL behind it. May not close the lines. */
    void (*heard)(void *context, const char *line, size_t size);
    /* The connection is over; why is a clause. It may, and has to, close the lines. */
    void (*ended)(void *context, const char *why);
    /* Everything that waited went out. NULL: nobody wants to know. */
    void (*drained)(void *context);
};

/* The socket becomes the lines' own, also on failure. */
enum agent_result lines_open(struct loop *loop, int descriptor, const struct lines_handlers *handlers,
                             struct lines **lines, struct problem *problem);
/* NULL is allowed. What still waits is tried once. */
void lines_close(struct lines *lines);

/* Whole lines, with their newlines. */
void lines_send(struct lines *lines, const char *text, size_t size);
size_t lines_waiting(const struct lines *lines);

#endif
