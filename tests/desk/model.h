/* SPDX-License-Identifier: MIT */
/*
 * model.h - a driver for tests of the desk, simple enough to be believed: connections in a list, the first decision for
 * one counts, an answer with a scope decides all that it covers, and each end is one event.
 *
 * What it says waits in two queues, statuses with offers and events, as over two connections: a test takes from either
 * in any order. It also notes what it did, which the desk's story is compared with.
 */
#ifndef TESTS_DESK_MODEL_H
#define TESTS_DESK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "desk/desk.h"

#define MODEL_MAX        4096u
#define MODEL_PATHS_MAX  256u
#define MODEL_EVENTS_MAX 8192u

struct model_connection {
    uint64_t id;
    unsigned program, port; /* the address is always the same */
    bool held, offered;
    uint8_t verdict, by; /* once it is not held */
    unsigned decision;   /* DECIDER and ANSWER: the number of the decision that did it */
};

struct model {
    struct model_connection list[MODEL_MAX];
    unsigned count;
    uint64_t last_id;
    struct event events[MODEL_EVENTS_MAX];
    unsigned event_count, event_told;
    unsigned decisions; /* ever */
    bool answers_full;  /* refuses scopes */
};

struct model_connection *model_hold(struct model *model, unsigned program, unsigned port);
struct model_connection *model_find(struct model *model, uint64_t id);
struct request model_request(const struct model_connection *connection);
/* The connection ends in another way. */
void model_end(struct model *model, struct model_connection *connection, uint8_t by);
/* The status; what it covers is decided too. */
uint32_t model_decide(struct model *model, const struct gatehouse_decision *decision);
/* It stops and starts anew: what was held is held again, with new ids. Events that were not told are lost. */
void model_restart(struct model *model);

#endif
