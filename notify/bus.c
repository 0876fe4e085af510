/* SPDX-License-Identifier: MIT */
/*
 * bus.c - see bus.h.
 *
 * A note's number is known only when the service has answered. What is to happen to the note before that waits for it:
 * a note that is freed meanwhile stays until then, to be closed by its number.
 */
#define _GNU_SOURCE
#include "notify/bus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-bus.h>

#include "agent/clock.h"

#define SERVICE   "org.freedesktop.Notifications"
#define PATH      "/org/freedesktop/Notifications"
#define INTERFACE "org.freedesktop.Notifications"
#define TITLE_APP "Gatehouse"
/* A service that does not answer for so long is as if it were not there. */
#define CALL_LIMIT_US 30000000ull
#define URGENT        2

static const struct {
    const char *key, *label;
} buttons_shown[] = {[BUS_PERMIT_ONCE] = {"permit-once", "Permit once"},
                     [BUS_PERMIT_ALWAYS] = {"permit-always", "Permit always"},
                     [BUS_BLOCK] = {"block", "Block"}};
#define BUTTONS (sizeof(buttons_shown) / sizeof(buttons_shown[0]))

struct bus_note {
    struct bus_note *next;
    struct bus *bus;
    void *mark;
    uint32_t id;  /* 0: not shown */
    bool calling; /* its number is under way */
    bool freed;
    bool waits; /* title, body, buttons are to be shown next */
    char *title, *body;
    bool buttons;
};

struct bus {
    struct loop *loop;
    struct bus_handlers handlers;
    sd_bus *connection;
    struct loop_watch *watch;
    struct loop_timer timer;
    struct loop_timer work;
    struct bus_note *notes;
    bool ready, has_buttons, has_markup, told_missing;
    bool ended;
};

static void process_soon(struct bus *bus)
{
    loop_timer_set(bus->loop, &bus->work, 1);
}

/* --- Notes -------------------------------------------------------------------------------------- */

struct bus_note *bus_note_new(struct bus *bus, void *mark)
{
    struct bus_note *note = calloc(1, sizeof(*note));

    if (note == NULL)
        return NULL;
    *note = (struct bus_note){.next = bus->notes, .bus = bus, .mark = mark};
    bus->notes = note;
    return note;
}

static void forget(struct bus_note *note)
{
    struct bus_note **at = &note->bus->notes;

    while (*at != note)
        at = &(*at)->next;
    *at = note->next;
    free(note->title);
    free(note->body);
    free(note);
}

static void take_away(struct bus *bus, uint32_t id)
{
    if (id != 0 && !bus->ended)
        (void)sd_bus_call_method_async(bus->connection, NULL, SERVICE, PATH, INTERFACE, "CloseNotification", NULL, NULL,
                                       "u", id);
    process_soon(bus);
}

void bus_note_free(struct bus_note *note)
{
    if (note == NULL)
        return;
    note->freed = true;
    note->mark = NULL;
    if (note->calling)
        return;
    take_away(note->bus, note->id);
    forget(note);
}

static int on_shown(sd_bus_message *answer, void *context, sd_bus_error *error);

/* sd-bus tells failures by negative numbers. */
static int fill(struct bus_note *note, sd_bus_message *call)
{
    int result = sd_bus_message_append(call, "susss", TITLE_APP, note->id, "security-medium", note->title, note->body);

    if (result >= 0)
        result = sd_bus_message_open_container(call, 'a', "s");
    for (size_t i = 0; i < BUTTONS && result >= 0 && note->buttons; i++)
        result = sd_bus_message_append(call, "ss", buttons_shown[i].key, buttons_shown[i].label);
    if (result >= 0)
        result = sd_bus_message_close_container(call);
    /* Urgent ones stay until somebody does something. */
    if (result >= 0)
        result = sd_bus_message_append(call, "a{sv}i", 2, "urgency", "y", URGENT, "category", "s", "network", 0);
    return result;
}

static void send_note(struct bus_note *note)
{
    struct bus *bus = note->bus;
    sd_bus_message *call = NULL;

    note->waits = false;
    if (bus->ended)
        return;
    if (sd_bus_message_new_method_call(bus->connection, &call, SERVICE, PATH, INTERFACE, "Notify") >= 0 &&
        fill(note, call) >= 0 && sd_bus_call_async(bus->connection, NULL, call, on_shown, note, CALL_LIMIT_US) >= 0)
        note->calling = true;
    sd_bus_message_unref(call);
    process_soon(bus);
}

static void tell_missing(struct bus *bus, const sd_bus_error *error)
{
    if (!bus->told_missing) {
        char sentence[256];

        snprintf(sentence, sizeof(sentence),
                 "no notification can be shown (%.120s): this is tried again when a "
                 "notification service comes.",
                 error == NULL || error->message == NULL ? "no answer" : error->message);
        bus->handlers.say(sentence);
    }
    bus->told_missing = true;
}

static int on_shown(sd_bus_message *answer, void *context, sd_bus_error *error)
{
    struct bus_note *note = context;
    uint32_t id = 0;

    (void)error;
    note->calling = false;
    if (sd_bus_message_is_method_error(answer, NULL))
        tell_missing(note->bus, sd_bus_message_get_error(answer));
    else if (sd_bus_message_read(answer, "u", &id) >= 0)
        note->id = id;
    if (note->freed) {
        take_away(note->bus, note->id);
        forget(note);
    } else if (note->waits) {
        send_note(note);
    }
    return 0;
}

void bus_note_show(struct bus_note *note, const char *title, const char *body, bool buttons)
{
    if (note->title != NULL && note->id != 0 && strcmp(note->title, title) == 0 && strcmp(note->body, body) == 0)
        return;
    free(note->title);
    free(note->body);
    note->title = strdup(title);
    note->body = strdup(body);
    note->buttons = buttons;
    if (note->title == NULL || note->body == NULL)
        return;
    if (note->calling)
        note->waits = true;
    else
        send_note(note);
}

static struct bus_note *find_note(const struct bus *bus, uint32_t id)
{
    struct bus_note *note = bus->notes;

    while (note != NULL && (note->id != id || note->freed))
        note = note->next;
    return note;
}

/* --- What the service says ----------------------------------------------------------------------- */

static int on_clicked(sd_bus_message *signal, void *context, sd_bus_error *error)
{
    struct bus *bus = context;
    struct bus_note *note;
    const char *key = NULL;
    uint32_t id = 0;

    (void)error;
    if (sd_bus_message_read(signal, "us", &id, &key) < 0 || id == 0)
        return 0;
    note = find_note(bus, id);
    for (size_t i = 0; note != NULL && i < BUTTONS; i++) {
        if (strcmp(key, buttons_shown[i].key) == 0) {
            bus->handlers.clicked(bus->handlers.context, note->mark, (enum bus_action)i);
            break;
        }
    }
    return 0;
}

static int on_closed(sd_bus_message *signal, void *context, sd_bus_error *error)
{
    struct bus *bus = context;
    struct bus_note *note;
    uint32_t id = 0, reason = 0;

    (void)error;
    if (sd_bus_message_read(signal, "uu", &id, &reason) < 0 || id == 0)
        return 0;
    note = find_note(bus, id);
    if (note == NULL)
        return 0;
    note->id = 0;
    bus->handlers.closed(bus->handlers.context, note->mark);
    return 0;
}

static void take_capabilities(struct bus *bus, sd_bus_message *answer)
{
    const char *name;

    bus->has_buttons = bus->has_markup = false;
    if (sd_bus_message_enter_container(answer, 'a', "s") < 0)
        return;
    while (sd_bus_message_read(answer, "s", &name) > 0) {
        bus->has_buttons = bus->has_buttons || strcmp(name, "actions") == 0;
        bus->has_markup = bus->has_markup || strcmp(name, "body-markup") == 0;
    }
}

static int on_capabilities(sd_bus_message *answer, void *context, sd_bus_error *error)
{
    struct bus *bus = context;

    (void)error;
    if (sd_bus_message_is_method_error(answer, NULL)) {
        tell_missing(bus, sd_bus_message_get_error(answer));
        return 0;
    }
    take_capabilities(bus, answer);
    bus->ready = true;
    bus->told_missing = false;
    bus->handlers.ready(bus->handlers.context);
    return 0;
}

static void ask_capabilities(struct bus *bus)
{
    (void)sd_bus_call_method_async(bus->connection, NULL, SERVICE, PATH, INTERFACE, "GetCapabilities", on_capabilities,
                                   bus, NULL);
    process_soon(bus);
}

/* The service ended, or another one took its place: nothing is shown any more. */
static int on_owner(sd_bus_message *signal, void *context, sd_bus_error *error)
{
    struct bus *bus = context;
    const char *name, *before, *after;

    (void)error;
    if (sd_bus_message_read(signal, "sss", &name, &before, &after) < 0)
        return 0;
    if (*before != '\0') {
        bus->ready = false;
        for (struct bus_note *note = bus->notes; note != NULL; note = note->next)
            note->id = 0;
    }
    if (*after != '\0')
        ask_capabilities(bus);
    return 0;
}

/* --- The bus ------------------------------------------------------------------------------------- */

static void on_ready(void *context, uint32_t events)
{
    (void)events;
    process_soon(context);
}

static void wait_on(struct bus *bus)
{
    int events = sd_bus_get_events(bus->connection);
    uint64_t until = 0;

    if (events >= 0)
        loop_watch_change(bus->watch,
                          ((events & POLLIN) != 0 ? EPOLLIN : 0u) | ((events & POLLOUT) != 0 ? EPOLLOUT : 0u));
    /* On CLOCK_MONOTONIC; the difference is what counts. */
    if (sd_bus_get_timeout(bus->connection, &until) > 0 && until != UINT64_MAX) {
        struct timespec now;
        uint64_t since;

        clock_gettime(CLOCK_MONOTONIC, &now);
        since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
        loop_timer_set(bus->loop, &bus->timer, clock_boot() + (until > since ? until - since : 0) * 10);
    } else {
        loop_timer_set(bus->loop, &bus->timer, 0);
    }
}

static void process(void *context)
{
    struct bus *bus = context;
    int result = 0;

    if (bus->ended)
        return;
    do {
        result = sd_bus_process(bus->connection, NULL);
    } while (result > 0);
    if (result >= 0) {
        wait_on(bus);
        return;
    }
    bus->ended = true;
    loop_unwatch(bus->watch);
    bus->watch = NULL;
    loop_timer_set(bus->loop, &bus->timer, 0);
    bus->handlers.ended(bus->handlers.context);
}

static int listen_to(struct bus *bus)
{
    int result = sd_bus_match_signal_async(bus->connection, NULL, SERVICE, PATH, INTERFACE, "ActionInvoked", on_clicked,
                                           NULL, bus);

    if (result >= 0)
        result = sd_bus_match_signal_async(bus->connection, NULL, SERVICE, PATH, INTERFACE, "NotificationClosed",
                                           on_closed, NULL, bus);
    if (result >= 0)
        result = sd_bus_add_match_async(bus->connection, NULL,
                                        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                                        "member='NameOwnerChanged',arg0='" SERVICE "'",
                                        on_owner, NULL, bus);
    return result;
}

enum agent_result bus_open(struct loop *loop, const struct bus_handlers *handlers, struct bus **bus,
                           struct problem *problem)
{
    struct bus *made = calloc(1, sizeof(*made));
    enum agent_result result = AGENT_OK;
    int error;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->loop = loop;
    made->handlers = *handlers;
    made->timer = (struct loop_timer){.due = process, .context = made};
    made->work = (struct loop_timer){.due = process, .context = made};
    error = sd_bus_open_user(&made->connection);
    if (error >= 0)
        error = listen_to(made);
    if (error < 0)
        result = problem_set(problem, AGENT_UNREACHABLE,
                             "there is no session bus (%s): run 'gatehouse notify' inside a desktop session.",
                             strerror(-error));
    if (result == AGENT_OK)
        result = loop_watch(loop, sd_bus_get_fd(made->connection), EPOLLIN, on_ready, made, &made->watch, problem);
    if (result != AGENT_OK) {
        bus_close(made);
        return result;
    }
    ask_capabilities(made);
    *bus = made;
    return AGENT_OK;
}

void bus_close(struct bus *bus)
{
    if (bus == NULL)
        return;
    for (struct bus_note *note = bus->notes; note != NULL; note = note->next)
        take_away(bus, note->id);
    if (bus->connection != NULL && !bus->ended)
        (void)sd_bus_flush(bus->connection);
    loop_unwatch(bus->watch);
    loop_timer_clear(bus->loop, &bus->timer);
    loop_timer_clear(bus->loop, &bus->work);
    sd_bus_close_unref(bus->connection);
    while (bus->notes != NULL)
        forget(bus->notes);
    free(bus);
}

bool bus_is_ready(const struct bus *bus)
{
    return bus->ready;
}

bool bus_has_buttons(const struct bus *bus)
{
    return bus->has_buttons;
}

bool bus_has_markup(const struct bus *bus)
{
    return bus->has_markup;
}
