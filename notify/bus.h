/* SPDX-License-Identifier: MIT */
/*
 * bus.h - the desktop's notification service (org.freedesktop.Notifications 1.2) on the session's D-Bus.
 *
 * Nothing here waits: calls go out, answers come in the loop. A service that is not there is told of once, and what
 * should be shown is shown as soon as there is one. One thread.
 */
#ifndef NOTIFY_BUS_H
#define NOTIFY_BUS_H

#include <stdbool.h>

#include "agent/result.h"
#include "desk/loop.h"

struct bus;
struct bus_note;

/* What can be clicked on a note. */
enum bus_action { BUS_PERMIT_ONCE, BUS_PERMIT_ALWAYS, BUS_BLOCK };

struct bus_handlers {
    void *context;
    /* mark is the note's. */
    void (*clicked)(void *context, void *mark, enum bus_action action);
    /* A person closed it, or it went by itself. */
    void (*closed)(void *context, void *mark);
    /* What the service can do is known, or there is another one: everything has to be shown anew. */
    void (*ready)(void *context);
    /* The session's bus ended. */
    void (*ended)(void *context);
    void (*say)(const char *sentence);
};

/* AGENT_UNREACHABLE when there is no session bus. */
enum agent_result bus_open(struct loop *loop, const struct bus_handlers *handlers, struct bus **bus,
                           struct problem *problem);
/* Closes what is shown. NULL is allowed. */
void bus_close(struct bus *bus);

/* Known once ready was called: buttons, and <b>-like marks in a note's body. */
bool bus_is_ready(const struct bus *bus);
bool bus_has_buttons(const struct bus *bus);
bool bus_has_markup(const struct bus *bus);

/* NULL: out of memory. Nothing is shown yet. */
struct bus_note *bus_note_new(struct bus *bus, void *mark);
/* Shows it, or other text in its place. body is escaped already if there is markup. */
void bus_note_show(struct bus_note *note, const char *title, const char *body, bool buttons);
/* It is no longer to be seen, nor told of. NULL is allowed. */
void bus_note_free(struct bus_note *note);

#endif
