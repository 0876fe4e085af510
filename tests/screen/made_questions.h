/* SPDX-License-Identifier: MIT */
/*
 * made_questions.h - questions as a peer would have them, for tests of the screen, and a desk that notes what it is
 * told.
 */
#ifndef TESTS_SCREEN_MADE_QUESTIONS_H
#define TESTS_SCREEN_MADE_QUESTIONS_H

#include <string.h>

#include "screen/model.h"

#define MADE_MAX 64u

struct made_answer {
    uint64_t id;
    struct choice choice;
};

struct made_desk {
    struct made_answer answers[MADE_MAX];
    unsigned answer_count;
    char undone[MADE_MAX][16];
    unsigned undo_count;
    uint32_t tag;
};

static uint32_t made_answer(void *context, uint64_t id, const struct choice *choice)
{
    struct made_desk *desk = context;

    desk->answers[desk->answer_count++ % MADE_MAX] = (struct made_answer){id, *choice};
    return ++desk->tag;
}

static uint32_t made_undo(void *context, const char *undo)
{
    struct made_desk *desk = context;

    strncpy(desk->undone[desk->undo_count++ % MADE_MAX], undo, 15);
    return ++desk->tag;
}

static struct peer_question made_question(uint64_t id, const char *program, const char *address, unsigned port,
                                          uint64_t deadline)
{
    return (struct peer_question){.id = id,
                                  .program = program,
                                  .user = "alice",
                                  .pid = 4711,
                                  .protocol = "tcp",
                                  .address = address,
                                  .port = port,
                                  .service = port == 443 ? "https" : NULL,
                                  .local = "10.0.0.2:40000",
                                  .deadline = deadline};
}

#endif
