/* SPDX-License-Identifier: MIT */
/*
 * peer.h - what shows questions to a person (screen, page, notify, the line prompt) has of a desk: the questions that
 * wait, kept up to date; answers, and what became of them; undo. docs/desk.md is what goes over the socket.
 *
 * A peer lives in a loop (loop.h) and calls its handlers from there. When the desk goes away all questions are gone
 * and the peer tries again until it is back, with a growing pause of at most one second. Handlers may answer and undo,
 * but not close the peer. One thread.
 *
 *     struct peer_handlers handlers = {.context = me, .question = ..., .gone = ..., .answered = ...};
 *     desk_join(&join, ...)            (join.h) gives a peer, and one descriptor to wait for
 *     peer_answer(peer, question->id, &choice)  ->  handlers.answered with the tag that it returned
 *
 * What the desk sends is checked: text is UTF-8 without control characters (the desk escapes; what is not is refused).
 */
#ifndef DESK_PEER_H
#define DESK_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/result.h"
#include "desk/choice.h"
#include "desk/loop.h"

struct peer;

struct peer_parent {
    uint64_t pid;
    const char *name;
    const char *program; /* NULL: not known */
};
#define PEER_PARENTS_MAX 16u

/* Strings are the question's and end with it; NULL: not known, or none. */
struct peer_question {
    uint64_t id;
    const char *program;
    const char *command, *package, *unit, *user;
    uint64_t pid;                                 /* 0: none */
    struct peer_parent parents[PEER_PARENTS_MAX]; /* nearest first */
    unsigned parent_count;
    bool deleted; /* the program's file is gone */
    bool inbound; /* the program is asked to accept; local is its own end */
    const char *protocol;
    const char *address; /* remote */
    unsigned port;       /* remote; 0: none. Inbound: the local one */
    const char *service; /* of port */
    const char *name;    /* that the program looked the address up under */
    const char *look_alike;
    const char *local; /* "10.0.0.2:40000" */
    bool has_before;   /* how often before */
    uint64_t permitted, blocked;
    const char *last;                           /* UTC as RFC 3339 */
    uint64_t held_at, deadline;                 /* boot times (agent/clock.h), to about a millisecond */
    void *mark;                                 /* the front end's own; NULL at first */
    const json_t *json;                         /* the whole of it */
    struct peer_question *before_it, *after_it; /* the peer's own */
};

struct peer_hello {
    const char *you;
    bool decider;         /* answers count now */
    const char *sentence; /* why not; NULL */
};

/* Whose answer it was, or what else ended it. */
struct peer_gone {
    unsigned verdict;  /* enum gatehouse_verdict */
    unsigned by;       /* enum gatehouse_decided_by */
    const char *who;   /* NULL: nobody */
    const char *scope; /* NULL: nobody answered */
    bool mine;         /* this peer's own answer, or covered by it */
};

enum peer_outcome { PEER_OK, PEER_LATE, PEER_REFUSED, PEER_FAILED };
struct peer_answered {
    uint32_t tag;
    uint64_t id;
    enum peer_outcome outcome;
    uint64_t covered;     /* OK: how many others it decided too */
    const char *undo;     /* OK: what peer_undo takes; NULL: cannot be undone */
    const char *sentence; /* not OK: what became of it */
};

/* Any may be NULL. */
struct peer_handlers {
    void *context;
    /* After connecting, and whenever it changes. */
    void (*hello)(void *context, const struct peer_hello *hello);
    void (*question)(void *context, struct peer_question *question);
    /* All that waited when the peer came have been told. */
    void (*ready)(void *context);
    /* The question ends with this call. */
    void (*gone)(void *context, struct peer_question *question, const struct peer_gone *gone);
    void (*answered)(void *context, const struct peer_answered *answered);
    void (*undone)(void *context, uint32_t tag, bool done, const char *sentence);
    /* A decision, to those who asked with peer_watch. */
    void (*connection)(void *context, const json_t *connection);
    /* The desk does not understand, or refuses. tag 0: none. */
    void (*error)(void *context, uint32_t tag, const char *sentence);
    /* The desk went away; each question was told as gone before (by BY_UNLOAD, without a verdict). */
    void (*lost)(void *context, const char *sentence);
    void (*back)(void *context);
    /* Each line as it came, before the others. For who hands it on. */
    void (*line)(void *context, const char *line, size_t size);
};

/* Handlers are called from the loop, hello first. What is opened calls none before a turn. */

/* Connects: AGENT_UNREACHABLE when no desk answers, AGENT_REFUSED when this user may not. path is copied. */
enum agent_result peer_open(struct loop *loop, const char *path, const struct peer_handlers *handlers,
                            struct peer **peer, struct problem *problem);
/* The same, but for a desk that may come later. */
enum agent_result peer_wait(struct loop *loop, const char *path, const struct peer_handlers *handlers,
                            struct peer **peer, struct problem *problem);
/* A desk at the other end of a socket, which becomes the peer's. It does not try again. */
enum agent_result peer_adopt(struct loop *loop, int descriptor, const struct peer_handlers *handlers,
                             struct peer **peer, struct problem *problem);
/* NULL is allowed. No handler is called. */
void peer_close(struct peer *peer);

bool peer_is_connected(const struct peer *peer);
const struct peer_hello *peer_hello(const struct peer *peer);

/* In the order in which they came, which is that of their deadlines. */
struct peer_question *peer_first(const struct peer *peer);
struct peer_question *peer_next(const struct peer_question *question);
unsigned peer_count(const struct peer *peer);
struct peer_question *peer_find(const struct peer *peer, uint64_t id);
/* How many others that wait an answer with this scope would cover too. */
unsigned peer_covers(const struct peer *peer, const struct peer_question *question, enum gatehouse_scope scope);

/* The tag that answered comes with; 0: not sent (not connected, or the choice is wrong: error is told why). */
uint32_t peer_answer(struct peer *peer, uint64_t id, const struct choice *choice);
uint32_t peer_undo(struct peer *peer, const char *undo);
/* Also asked for again after the desk went away and is back. */
void peer_watch(struct peer *peer, bool connections);

#endif
