/* SPDX-License-Identifier: MIT */
/*
 * relay.h - between the desk and the browser: what waits and what becomes of it goes to every page; answers and undo
 * come back, each as one call that ends when the desk has said what became of it.
 *
 * A page that comes later is told what an earlier one knows. Text goes through as the desk checked it. One thread.
 */
#ifndef PAGE_RELAY_H
#define PAGE_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "desk/join.h"
#include "page/server.h"

#define RELAY_CALLS_MAX 64u /* answers and undos under way */

struct relay {
    struct desk_join *join; /* NULL: not yet */
    struct server *server;
    bool lost;
    char sentence[256]; /* why the desk is not there */
    struct relay_call {
        uint32_t tag; /* 0: free */
        uint64_t number;
        bool undo;
    } calls[RELAY_CALLS_MAX];
};

/* For desk_join; context is a relay. */
extern const struct peer_handlers relay_handlers;

/* All that a page has to know first. */
void relay_greet(struct relay *relay, uint64_t stream);

/* "answer" and "undo"; false: the name is another. */
bool relay_call(struct relay *relay, uint64_t number, const char *name, const json_t *body);

#endif
