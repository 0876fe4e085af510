/* SPDX-License-Identifier: MIT */
/*
 * questions.h - the held connections that a person has not answered yet, oldest first.
 *
 * Bounded. Remembers some ids that ended before they were added, because offers and events come over two
 * connections and may overtake each other. Pure: no OS header; one thread.
 */
#ifndef AGENT_QUESTIONS_H
#define AGENT_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wire.h"

#define QUESTIONS_MAX      1024u
#define QUESTIONS_GONE_MAX 256u

struct question {
    struct request request; /* request.path is the question's own */
    uint64_t asked_from;    /* boot time; not asked earlier */
};

struct questions {
    struct question *list[QUESTIONS_MAX]; /* owned */
    unsigned count;
    struct {
        uint64_t id;
        unsigned by;
    } gone[QUESTIONS_GONE_MAX]; /* a ring */
    unsigned gone_count;        /* ever */
};

/* A zeroed struct questions is empty; this makes it so again. */
void questions_cleanup(struct questions *questions);

enum questions_added { QUESTIONS_ADDED, QUESTIONS_GONE_ALREADY, QUESTIONS_NO_ROOM };

/* Copies the request. For QUESTIONS_GONE_ALREADY *by (enum gatehouse_decided_by) says why. */
enum questions_added questions_add(struct questions *questions, const struct request *request, unsigned *by);

/* NULL when there is none. The pointer is good until the question is removed. */
struct question *questions_find(const struct questions *questions, uint64_t id);

/* The oldest that may be asked at now; NULL when none. *next (when not NULL) gets the earliest time one may, or 0. */
struct question *questions_next(const struct questions *questions, uint64_t now, uint64_t *next);

void questions_remove(struct questions *questions, struct question *question);

/* An id that is decided and not here (yet). */
void questions_note_gone(struct questions *questions, uint64_t id, unsigned by);

/* Those that an answer for like's program and destination covers, or for the program alone, are not asked before from.
 */
void questions_postpone_covered(struct questions *questions, const struct request *like, bool program, uint64_t from);

#endif
