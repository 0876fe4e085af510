/* SPDX-License-Identifier: MIT */
/*
 * lines.c - see lines.h.
 */
#define _GNU_SOURCE
#include "desk/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/text.h"
#include "desk/desk.h"

/* Read in one turn, so that one end that sends without pause does not starve the others. */
#define READS_A_TURN 8

struct lines {
    int descriptor;
    struct lines_handlers handlers;
    struct loop_watch *watch;
    struct text out;
    size_t written;     /* of out */
    bool wants_out;     /* the watch looks for room */
    bool deaf;          /* the far end reads no more; what it said before is still to be read */
    const char *broken; /* why it ends; NULL: it does not */
    size_t heard;
    char in[DESK_LINE_MAX + 1];
};

/* From inside a call: the loop finds the end of the connection. */
static void break_off(struct lines *lines, const char *why)
{
    if (lines->broken != NULL)
        return;
    lines->broken = why;
    (void)shutdown(lines->descriptor, SHUT_RDWR);
    loop_watch_change(lines->watch, EPOLLIN);
}

static void watch_for(struct lines *lines, bool out)
{
    if (lines->wants_out == out)
        return;
    lines->wants_out = out;
    loop_watch_change(lines->watch, out ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void write_out(struct lines *lines)
{
    while (lines->written < lines->out.used) {
        ssize_t done = send(lines->descriptor, lines->out.data + lines->written, lines->out.used - lines->written,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno != EAGAIN) {
            lines->deaf = true;
            lines->written = lines->out.used;
        }
        if (done < 0)
            break;
        lines->written += (size_t)done;
    }
    if (lines->written == lines->out.used) {
        lines->written = 0;
        text_clear(&lines->out);
    }
    if (lines->broken == NULL)
        watch_for(lines, lines->out.used > 0);
}

void lines_send(struct lines *lines, const char *text, size_t size)
{
    if (lines->broken != NULL || lines->deaf)
        return;
    if (lines_waiting(lines) + size > LINES_WAITING_MAX) {
        break_off(lines, "it does not read what it is sent");
        return;
    }
    if (lines->written > LINES_WAITING_MAX / 2) {
        memmove(lines->out.data, lines->out.data + lines->written, lines->out.used - lines->written);
        lines->out.used -= lines->written;
        lines->written = 0;
    }
    text_add_bytes(&lines->out, text, size);
    if (lines->out.failed)
        break_off(lines, "this machine is out of memory");
    else if (!lines->wants_out)
        write_out(lines);
}

size_t lines_waiting(const struct lines *lines)
{
    return lines->out.used - lines->written;
}

/* Hands on whole lines; the rest moves to the front. */
static void split(struct lines *lines)
{
    size_t start = 0;

    while (lines->broken == NULL) {
        char *end = memchr(lines->in + start, '\n', lines->heard - start);

        if (end == NULL)
            break;
        *end = '\0';
        lines->handlers.heard(lines->handlers.context, lines->in + start, (size_t)(end - lines->in) - start);
        start = (size_t)(end - lines->in) + 1;
    }
    memmove(lines->in, lines->in + start, lines->heard - start);
    lines->heard -= start;
    if (lines->heard == DESK_LINE_MAX)
        break_off(lines, "it sent a line that is too long");
}

/* NULL, or why it is over. */
static const char *read_in(struct lines *lines)
{
    for (unsigned i = 0; i < READS_A_TURN && lines->broken == NULL; i++) {
        ssize_t got = recv(lines->descriptor, lines->in + lines->heard, DESK_LINE_MAX - lines->heard, MSG_DONTWAIT);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return NULL;
        if (got <= 0)
            return "the connection ended";
        lines->heard += (size_t)got;
        split(lines);
    }
    return lines->broken;
}

static void on_ready(void *context, uint32_t events)
{
    struct lines *lines = context;
    const char *why = lines->broken;

    if (why == NULL && (events & EPOLLOUT) != 0) {
        write_out(lines);
        if (lines->broken == NULL && lines->out.used == 0 && lines->handlers.drained != NULL)
            lines->handlers.drained(lines->handlers.context);
    }
    if (why == NULL && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        why = read_in(lines);
    if (why == NULL)
        why = lines->broken;
    if (why != NULL)
        lines->handlers.ended(lines->handlers.context, why);
}

enum agent_result lines_open(struct loop *loop, int descriptor, const struct lines_handlers *handlers,
                             struct lines **lines, struct problem *problem)
{
    struct lines *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        close(descriptor);
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    }
    made->descriptor = descriptor;
    made->handlers = *handlers;
    if (loop_watch(loop, descriptor, EPOLLIN, on_ready, made, &made->watch, problem) != AGENT_OK) {
        close(descriptor);
        free(made);
        return AGENT_FAILED;
    }
    *lines = made;
    return AGENT_OK;
}

void lines_close(struct lines *lines)
{
    if (lines == NULL)
        return;
    loop_unwatch(lines->watch);
    if (lines->broken == NULL && !lines->deaf && lines_waiting(lines) > 0)
        (void)!send(lines->descriptor, lines->out.data + lines->written, lines_waiting(lines),
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    close(lines->descriptor);
    text_free(&lines->out);
    free(lines);
}
