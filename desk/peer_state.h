/* SPDX-License-Identifier: MIT */
/*
 * peer_state.h - what peer.c and peer_read.c share. Nobody else includes it.
 */
#ifndef DESK_PEER_STATE_H
#define DESK_PEER_STATE_H

#include "desk/lines.h"
#include "desk/peer.h"

struct peer {
    struct loop *loop;
    struct peer_handlers handlers;
    char *path; /* NULL: adopted, so it cannot be opened again */
    struct lines *lines;
    struct loop_timer retry;
    unsigned pause_ms;
    bool greeted, was_lost, watches;
    struct peer_hello hello;
    json_t *hello_line; /* that hello's strings are in */
    uint32_t last_tag;
    struct peer_question *first, *last;
    unsigned count;
};

/* One line from the desk. */
void peer_read(struct peer *peer, const char *line, size_t size);
/* All questions are gone. */
void peer_forget_all(struct peer *peer);

#endif
