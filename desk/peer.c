/* SPDX-License-Identifier: MIT */
/*
 * peer.c - see peer.h: the connection, and what goes to the desk. What comes from it is read in peer_read.c.
 */
#define _GNU_SOURCE
#include "desk/peer_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/clock.h"

#define PAUSE_FIRST_MS 50u
#define PAUSE_LAST_MS  1000u
/* While a desk's backlog is full, connect() waits no longer than this. */
#define CONNECT_SECONDS 5

static void on_line(void *context, const char *line, size_t size);
static void on_ended(void *context, const char *why);

/* --- The connection ----------------------------------------------------------------------------- */

static enum agent_result explain(const char *path, int error, struct problem *problem)
{
    if (error == EACCES || error == EPERM)
        return problem_set(problem, AGENT_REFUSED,
                           "you may not open %s: run as root, or as a member of the group 'gatehouse'.", path);
    return problem_set(problem, AGENT_UNREACHABLE, "no desk answers at %s (%s): is 'gatehouse run' there?", path,
                       strerror(error));
}

static enum agent_result connect_to(const char *path, int *descriptor, struct problem *problem)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = CONNECT_SECONDS};
    int made;

    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
        return problem_set(problem, AGENT_USAGE, "a socket's path has 1 to %zu bytes: give --desk a shorter one.",
                           sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path));
    made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        return problem_set(problem, AGENT_FAILED, "cannot make a socket: %s.", strerror(errno));
    (void)setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(made, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        enum agent_result result = explain(path, errno, problem);

        close(made);
        return result;
    }
    *descriptor = made;
    return AGENT_OK;
}

static enum agent_result use(struct peer *peer, int descriptor, struct problem *problem)
{
    struct lines_handlers handlers = {peer, on_line, on_ended, NULL};

    return lines_open(peer->loop, descriptor, &handlers, &peer->lines, problem);
}

static void send_json(struct peer *peer, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    size_t size = text == NULL ? 0 : strlen(text);

    if (text != NULL) {
        text[size] = '\n'; /* in the place of the NUL */
        lines_send(peer->lines, text, size + 1);
    }
    free(text);
    json_decref(line);
}

static void send_watch(struct peer *peer)
{
    send_json(peer, json_pack("{s:s, s:b}", "type", "watch", "connections", (int)peer->watches));
}

static void on_retry(void *context)
{
    struct peer *peer = context;
    int descriptor = -1;

    if (connect_to(peer->path, &descriptor, NULL) != AGENT_OK || use(peer, descriptor, NULL) != AGENT_OK) {
        loop_timer_set(peer->loop, &peer->retry, clock_boot() + peer->pause_ms * CLOCK_MILLISECOND);
        peer->pause_ms = peer->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : peer->pause_ms * 2;
        return;
    }
    if (peer->watches)
        send_watch(peer);
}

static enum agent_result peer_new(struct loop *loop, const char *path, const struct peer_handlers *handlers,
                                  struct peer **peer, struct problem *problem)
{
    struct peer *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->loop = loop;
    made->handlers = *handlers;
    made->pause_ms = PAUSE_FIRST_MS;
    made->retry = (struct loop_timer){.due = on_retry, .context = made};
    made->path = path == NULL ? NULL : strdup(path);
    if (path != NULL && made->path == NULL) {
        free(made);
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    }
    *peer = made;
    return AGENT_OK;
}

/* The descriptor is the peer's from here on, whatever becomes of it. path: where to try again; NULL: nowhere. */
static enum agent_result adopt(struct loop *loop, const char *path, int descriptor,
                               const struct peer_handlers *handlers, struct peer **peer, struct problem *problem)
{
    struct peer *made = NULL;
    enum agent_result result = peer_new(loop, path, handlers, &made, problem);

    if (result != AGENT_OK || made == NULL) {
        close(descriptor);
        return result;
    }
    result = use(made, descriptor, problem);
    if (result != AGENT_OK)
        peer_close(made);
    else
        *peer = made;
    return result;
}

enum agent_result peer_adopt(struct loop *loop, int descriptor, const struct peer_handlers *handlers,
                             struct peer **peer, struct problem *problem)
{
    return adopt(loop, NULL, descriptor, handlers, peer, problem);
}

enum agent_result peer_open(struct loop *loop, const char *path, const struct peer_handlers *handlers,
                            struct peer **peer, struct problem *problem)
{
    int descriptor = -1;
    enum agent_result result = connect_to(path, &descriptor, problem);

    if (result != AGENT_OK)
        return result;
    return adopt(loop, path, descriptor, handlers, peer, problem);
}

enum agent_result peer_wait(struct loop *loop, const char *path, const struct peer_handlers *handlers,
                            struct peer **peer, struct problem *problem)
{
    enum agent_result result = peer_new(loop, path, handlers, peer, problem);

    if (result == AGENT_OK)
        loop_timer_set(loop, &(*peer)->retry, 1);
    return result;
}

void peer_close(struct peer *peer)
{
    if (peer == NULL)
        return;
    memset(&peer->handlers, 0, sizeof(peer->handlers));
    loop_timer_clear(peer->loop, &peer->retry);
    lines_close(peer->lines);
    peer_forget_all(peer);
    json_decref(peer->hello_line);
    free(peer->path);
    free(peer);
}

static void on_ended(void *context, const char *why)
{
    struct peer *peer = context;
    char sentence[256];
    bool greeted = peer->greeted;

    lines_close(peer->lines);
    peer->lines = NULL;
    peer->greeted = false;
    peer->hello = (struct peer_hello){.sentence = "The desk is away."};
    if (greeted || !peer->was_lost) {
        peer->was_lost = true;
        peer->pause_ms = PAUSE_FIRST_MS;
        peer_forget_all(peer);
        snprintf(sentence, sizeof(sentence), "the desk went away: %s.%s", why,
                 peer->path == NULL ? "" : " Trying again until it is back.");
        if (peer->handlers.lost != NULL)
            peer->handlers.lost(peer->handlers.context, sentence);
    }
    if (peer->path == NULL)
        return;
    loop_timer_set(peer->loop, &peer->retry, clock_boot() + peer->pause_ms * CLOCK_MILLISECOND);
    peer->pause_ms = peer->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : peer->pause_ms * 2;
}

static void on_line(void *context, const char *line, size_t size)
{
    struct peer *peer = context;

    if (peer->handlers.line != NULL)
        peer->handlers.line(peer->handlers.context, line, size);
    peer_read(peer, line, size);
}

/* --- Asking and telling ------------------------------------------------------------------------- */

bool peer_is_connected(const struct peer *peer)
{
    return peer->greeted;
}

const struct peer_hello *peer_hello(const struct peer *peer)
{
    return &peer->hello;
}

static uint32_t next_tag(struct peer *peer)
{
    if (++peer->last_tag == 0)
        peer->last_tag = 1;
    return peer->last_tag;
}

static void tell_error(struct peer *peer, const char *sentence)
{
    if (peer->handlers.error != NULL)
        peer->handlers.error(peer->handlers.context, 0, sentence);
}

uint32_t peer_answer(struct peer *peer, uint64_t id, const struct choice *choice)
{
    const char *wrong = choice_wrong(choice);
    char text[24];
    json_t *line;

    if (wrong == NULL && !peer->greeted)
        wrong = "The desk is away: the answer did not go out.";
    if (wrong != NULL) {
        tell_error(peer, wrong);
        return 0;
    }
    snprintf(text, sizeof(text), "%" PRIu64, id);
    line = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "type", "answer", "tag", (json_int_t)next_tag(peer), "id", text,
                     "verdict", choice->permit ? "permit" : "block", "scope", choice_scope_name(choice->scope), "until",
                     choice_until_name(choice->until));
    if (choice->until == CHOICE_MINUTES)
        json_object_set_new(line, "minutes", json_integer(choice->minutes));
    send_json(peer, line);
    return peer->last_tag;
}

uint32_t peer_undo(struct peer *peer, const char *undo)
{
    if (!peer->greeted) {
        tell_error(peer, "The desk is away: nothing was undone.");
        return 0;
    }
    send_json(peer, json_pack("{s:s, s:I, s:s}", "type", "undo", "tag", (json_int_t)next_tag(peer), "undo", undo));
    return peer->last_tag;
}

void peer_watch(struct peer *peer, bool connections)
{
    peer->watches = connections;
    if (peer->lines != NULL)
        send_watch(peer);
}
